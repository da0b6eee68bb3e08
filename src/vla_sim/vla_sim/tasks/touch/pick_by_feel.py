"""Take the block that feels as asked out of the box."""

from dataclasses import dataclass

import numpy as np
from vla_core.types import SimState
from vla_sim.scenes.touch import BLOCK_SIZE, TouchLayout

OUT = 0.060  # [m] a block rises when it comes out over the rim


@dataclass(frozen=True)
class PickByFeel:
    """The block hangs between the fingers, out of the box."""

    feel: str  # 'soft' or 'ridged'

    @property
    def name(self) -> str:
        """Return the task's name."""
        return f'pick_{self.feel}_block'

    @property
    def block(self) -> str:
        """Return the name of the block that is asked for."""
        return f'{self.feel}_block'

    def prepare(self, layout: TouchLayout, rng: np.random.Generator) -> TouchLayout:
        """Change nothing: both blocks start in the box."""
        return layout

    def feasible(self, state: SimState) -> bool:
        """Require the block to lie in the box and the hand to be empty."""
        return bool(not state.contacts and state.objects[self.block][2] < BLOCK_SIZE)

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require the block, and only it, in the fingers and out of the box."""
        raised = now.objects[self.block][2] - start.objects[self.block][2]
        held = now.contacts.get(self.block, 0.0) > 0.5
        return bool(raised > OUT and held and now.touching[self.block] == ('robot',))
