"""Predicates, preconditions and starts of the tasks, one family a file."""
