"""Scenario files: what they may say, how they are read, overridden and multiplied."""
