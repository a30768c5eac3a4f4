"""The pretend world and the desk work: clock, executors, scenarios, tables, command line."""
