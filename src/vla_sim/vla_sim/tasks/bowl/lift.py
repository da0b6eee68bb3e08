"""Lift a block off the table."""

from dataclasses import dataclass

import numpy as np
from vla_core.types import SimState
from vla_sim.scenes.bowl import BLOCK_SIZE, BowlLayout

LIFT_HEIGHT = 0.05  # [m] above where it lay


@dataclass(frozen=True)
class Lift:
    """The block hangs between the fingers, clear of where it lay."""

    block: str

    @property
    def name(self) -> str:
        """Return the task's name."""
        return f'lift_{self.block}'

    def prepare(self, layout: BowlLayout, rng: np.random.Generator) -> BowlLayout:
        """Change nothing: blocks start on the table."""
        return layout

    def feasible(self, state: SimState) -> bool:
        """Require the block to lie on the table, clear of the bowl."""
        pose = state.objects[self.block]
        gap = np.linalg.norm(pose[:2] - state.objects['bowl'][:2])
        return bool(pose[2] < BLOCK_SIZE and gap > 0.12 and upright(pose))

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require height and a grip."""
        raised = now.objects[self.block][2] - start.objects[self.block][2]
        return bool(raised > LIFT_HEIGHT and now.contacts.get(self.block, 0.0) > 0.5)


def upright(pose: np.ndarray) -> bool:
    """Say whether a block lies flat in reach of a gripper that points down."""
    x, y = pose[:2]
    return bool(0.30 < x < 0.62 and -0.24 < y < 0.10)
