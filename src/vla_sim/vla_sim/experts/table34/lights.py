"""Experts."""

from vla_sim.experts.chunk import Expert

EXPERTS: dict[str, Expert] = {}
