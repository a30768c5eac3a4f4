"""Speed, and published results repeated: run by `make bench` and `make reproduce`."""
