"""Episodes of a running robot: observations, or raw topics."""
