"""Training engines: they all run a list of jobs and return a list of results."""
