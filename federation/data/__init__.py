"""Data sets, their cache on this machine, and who holds which rows."""
