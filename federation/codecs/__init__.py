"""Codecs turn named arrays into bytes and back; one file each, named by its file."""
