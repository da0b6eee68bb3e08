"""Learning: data, objectives, the training loop, DAgger and statistics."""
