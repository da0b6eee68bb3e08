"""What presses on one pad, as pure data: the rigid contact that the gel model makes soft."""

from dataclasses import dataclass

import numpy as np
from vla_sim.gel.shape import Shape


@dataclass(frozen=True)
class Touch:
    """One thing on the pad."""

    shapes: tuple[Shape, ...]
    force: float  # [N] normal, how hard it presses
    stiffness: float = float('inf')  # [N/m^3] of the thing itself (Winkler)
    shear: tuple[float, float] = (0.0, 0.0)  # [N] sideways on the gel, along the pad's x and y


@dataclass(frozen=True)
class Press:
    """One pad and everything on it."""

    pad: np.ndarray  # (7,) float64: x across the finger, y to its end, z out of the gel
    touches: tuple[Touch, ...] = ()
