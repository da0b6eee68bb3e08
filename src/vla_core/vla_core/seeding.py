"""Randomness that the graph and an in-process run share without sharing state."""

import zlib

import numpy as np

NS = 1_000_000_000


def episode_rng(episode_id: str, step: int) -> np.random.Generator:
    """Return the generator of one policy step: a function of the episode and the step alone."""
    return np.random.default_rng([zlib.crc32(episode_id.encode()), step])


def policy_step(stamp_ns: int, first_ns: int, step_hz: int) -> int:
    """Return the policy step a stamp stands for, counted from the episode's first observation.

    Integer arithmetic on [ns], rounded to the nearest step, so a clock's offset changes nothing.
    """
    return (2 * (stamp_ns - first_ns) * step_hz + NS) // (2 * NS)
