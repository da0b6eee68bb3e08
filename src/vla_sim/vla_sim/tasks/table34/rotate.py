"""Turn a block where it lies."""

from dataclasses import dataclass

import numpy as np
from vla_core.geometry import inverse, quat_multiply, quat_to_matrix
from vla_core.types import SimState
from vla_sim.scenes.scene import Task
from vla_sim.scenes.table_layout import draw_places, TableLayout
from vla_sim.scenes.table_measures import BLOCKS
from vla_sim.tasks.table34.push import grasped, on_table

TURNS = {'right': -1.0, 'left': 1.0}  # about z
TURNED = np.deg2rad(60.0)
TILT = np.deg2rad(30.0)  # about x and y
_MOVED = 0.10  # [m]


@dataclass(frozen=True)
class Rotate:
    """The block has turned about the vertical, about where it was, and was not lifted away."""

    block: str
    side: str

    @property
    def name(self) -> str:
        """Return the task's name."""
        return f'rotate_{self.block}_{self.side}'

    def prepare(self, layout: TableLayout, rng: np.random.Generator) -> TableLayout:
        """Start with the block on the table."""
        return layout.arranged(draw_places(rng, {self.block: 'table'}), rng)

    def feasible(self, state: SimState) -> bool:
        """Require the block on the table and an empty hand."""
        return on_table(state, self.block) and not grasped(state)

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require the turn, little else of motion, and something under the block."""
        before, after = start.objects[self.block], now.objects[self.block]
        roll, pitch, yaw = turn_between(before, after)
        return bool(
            TURNS[self.side] * yaw > TURNED and max(abs(roll), abs(pitch)) < TILT
            and np.linalg.norm(after[:3] - before[:3]) < _MOVED
            and set(now.touching[self.block]) - {'robot'})


def turn_between(before: np.ndarray, after: np.ndarray) -> tuple[float, float, float]:
    """Return by how much a (7,) pose turned about the base's x, then y, then z [rad]."""
    back = inverse(np.array([0.0, 0.0, 0.0, *before[3:]]))[3:]
    matrix = quat_to_matrix(quat_multiply(after[3:], back))
    return (float(np.arctan2(matrix[2, 1], matrix[2, 2])),
            float(-np.arcsin(np.clip(matrix[2, 0], -1.0, 1.0))),
            float(np.arctan2(matrix[1, 0], matrix[0, 0])))


TASKS: tuple[Task, ...] = tuple(Rotate(block, side) for block in BLOCKS for side in TURNS)
