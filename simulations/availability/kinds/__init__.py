"""One file per kind of availability; the file's name is the kind's name."""
