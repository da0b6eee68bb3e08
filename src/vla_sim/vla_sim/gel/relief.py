"""Ridges: the texture of a face as a height profile, felt but too fine to be seen."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ridges:
    """Sine ridges that run across one axis of the object, crests on its nominal surface."""

    period_m: float
    height_m: float  # from valley to crest
    axis: int = 2  # of the object's frame, along which crests and valleys follow each other

    def drop(self, position: np.ndarray) -> np.ndarray:
        """Return how far the surface lies below its nominal face [m], by position there [m]."""
        turns = np.float32(2.0 * np.pi / self.period_m) * position
        return np.float32(0.5 * self.height_m) * (np.float32(1.0) - np.cos(turns))
