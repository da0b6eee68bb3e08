"""Measurements behind `vla bench`, one file each."""
