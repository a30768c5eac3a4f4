"""What runs the clients of a simulation: in this process, or on Ray."""
