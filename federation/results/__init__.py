"""What a run leaves behind: tables, the durable store, checkpoints and the run folder."""
