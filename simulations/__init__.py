"""The pretend world and the desk work: virtual clock, executors, scenarios, tables, command line."""
