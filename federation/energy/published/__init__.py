"""Energy models as published, one paper a file, for comparison and as tests of the formulas."""
