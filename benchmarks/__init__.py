"""Speed, compression, fuzzing, published results: `make bench`, `fuzz`, `reproduce`."""
