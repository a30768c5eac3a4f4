"""Meters for real hardware, one a file, named by its file."""
