"""The fast system: models, checkpoints and the policy behind one protocol."""
