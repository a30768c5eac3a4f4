"""One file per selection policy; the file's name, with dashes, is the policy's name."""
