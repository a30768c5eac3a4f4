"""Who is asked: the port of a selection policy, how clients are drawn, and the policies."""
