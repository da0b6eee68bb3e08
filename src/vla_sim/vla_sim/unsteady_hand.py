"""A hand that shakes: what makes scripted teleoperation visit the states a person would."""

import numpy as np
from vla_core.seeding import episode_rng

_KEEP = 0.7  # of the shake from one step to the next
_TURN = 0.3  # a hand is steadier about its axes


class UnsteadyHand:
    """A drifting disturbance of six deflections, the same whenever an episode is driven again."""

    def __init__(self, tremor: float) -> None:
        """`tremor` is its spread, in full deflections."""
        self._spread = tremor * np.array([1.0] * 3 + [_TURN] * 3)
        self._episode_id: str | None = None

    def shake(self, episode_id: str) -> np.ndarray:
        """Return the disturbance (6,) of the next step of an episode."""
        if episode_id != self._episode_id:
            self._episode_id, self._drift = episode_id, np.zeros(6)
            self._rng = episode_rng(episode_id, 0)
        fresh = np.sqrt(1.0 - _KEEP ** 2) * self._rng.normal(0.0, 1.0, 6)
        self._drift = _KEEP * self._drift + fresh
        return self._spread * self._drift
