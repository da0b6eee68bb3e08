"""Put a block in the bowl."""

from dataclasses import dataclass

import numpy as np
from vla_core.types import SimState
from vla_sim.scenes.bowl import BLOCK_SIZE, BOWL_RADIUS, BowlLayout
from vla_sim.tasks.bowl.lift import upright


@dataclass(frozen=True)
class PutInBowl:
    """The block lies in the bowl and the fingers have let it go."""

    block: str

    @property
    def name(self) -> str:
        """Return the task's name."""
        return f'put_{self.block}_in_bowl'

    def prepare(self, layout: BowlLayout, rng: np.random.Generator) -> BowlLayout:
        """Change nothing: blocks start on the table."""
        return layout

    def feasible(self, state: SimState) -> bool:
        """Require the block to be in the hand, or flat on the table and not in the bowl."""
        pose = state.objects[self.block]
        held = state.contacts.get(self.block, 0.0) > 0.5 and pose[2] > 0.06
        return held or bool(
            not in_bowl(state, self.block) and pose[2] < BLOCK_SIZE and upright(pose))

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require the block in the bowl, released."""
        return in_bowl(now, self.block) and now.contacts.get(self.block, 0.0) == 0.0


def in_bowl(state: SimState, block: str) -> bool:
    """Say whether the block's middle is inside the bowl's rim, also on another block."""
    offset = state.objects[block][:3] - state.objects['bowl'][:3]
    return bool(np.hypot(offset[0], offset[1]) < BOWL_RADIUS and offset[2] < 0.10)
