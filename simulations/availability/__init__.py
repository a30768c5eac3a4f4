"""When clients of a virtual fleet can be reached, and when they stop in the middle of a round."""
