"""Speed, compression, fuzzing, and published results repeated: `make bench`, `reproduce`, `fuzz`."""
