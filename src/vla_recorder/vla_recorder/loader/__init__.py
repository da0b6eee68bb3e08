"""Training samples at random from a data set."""
