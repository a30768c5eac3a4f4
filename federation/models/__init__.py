"""Models and the tasks they are trained for: what both sides build alike."""
