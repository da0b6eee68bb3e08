"""Distractors on the free places of a scene: real bodies that no task is about."""

from collections.abc import Sequence

import numpy as np
from vla_sim.scenes import shapes
from vla_sim.scenes.shapes import Box
from vla_sim.variation import Distractor

_DENSITY = 500.0  # [kg/m^3], like wood


def add_clutter(
    client: int, places: Sequence[tuple[float, float, float]], distractors: Sequence[Distractor]
) -> list[int]:
    """Stand the distractors on their `places` (x, y, height of what is below) [m]."""
    return [_stand(client, places[one.place], one) for one in distractors]


def _stand(client: int, place: tuple[float, float, float], one: Distractor) -> int:
    x, y, below = place
    box = Box(one.half, (0.0, 0.0, 0.0), (*one.colour, 1.0))
    mass = _DENSITY * 8.0 * float(np.prod(one.half))
    return shapes.body(client, mass, [box], (x, y, below + one.half[2]), one.yaw)
