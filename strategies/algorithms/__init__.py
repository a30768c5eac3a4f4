"""One file per algorithm, both halves in it; the file's name is the algorithm's name."""
