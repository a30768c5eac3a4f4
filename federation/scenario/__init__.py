"""Scenario files: what they may say (schema), how they are read (files), how they multiply (sweep)."""
