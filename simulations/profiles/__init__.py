"""Profiles of devices and networks: their schema, their files, and what they give to the energy."""
