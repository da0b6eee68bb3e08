"""Move the sliding door of the cabinet."""

from dataclasses import dataclass, replace

import numpy as np
from vla_core.types import SimState
from vla_sim.scenes.scene import Task
from vla_sim.scenes.table_layout import TableLayout
from vla_sim.scenes.table_measures import DOOR_TRAVEL

MOVED = 0.15  # [m]
_AT_END = 0.04  # [m] nearer than this to an end counts as being there


@dataclass(frozen=True)
class MoveSlider:
    """The door, at the other side before, has moved by MOVED or more."""

    side: str  # 'left' (base +y) or 'right'

    @property
    def name(self) -> str:
        """Return the task's name."""
        return f'move_slider_{self.side}'

    def prepare(self, layout: TableLayout, rng: np.random.Generator) -> TableLayout:
        """Start with the door at the other side."""
        return replace(layout, door=0.0 if self.side == 'left' else DOOR_TRAVEL)

    def feasible(self, state: SimState) -> bool:
        """Require the door at the other side and an empty hand."""
        door = state.joints['door']
        there = door < _AT_END if self.side == 'left' else door > DOOR_TRAVEL - _AT_END
        return there and not state.contacts

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require the motion."""
        moved = now.joints['door'] - start.joints['door']
        return moved > MOVED if self.side == 'left' else moved < -MOVED


TASKS: tuple[Task, ...] = (MoveSlider('left'), MoveSlider('right'))
