"""Open and close the drawer."""

from dataclasses import dataclass, replace

import numpy as np
from vla_core.types import SimState
from vla_sim.scenes.scene import Task
from vla_sim.scenes.table_layout import TableLayout
from vla_sim.scenes.table_measures import DRAWER_TRAVEL

MOVED = 0.12  # [m]
_AT_END = 0.03  # [m] nearer than this to an end counts as being there


@dataclass(frozen=True)
class MoveDrawer:
    """The drawer has moved by MOVED or more, outwards or inwards."""

    name: str  # 'open_drawer' or 'close_drawer'

    def prepare(self, layout: TableLayout, rng: np.random.Generator) -> TableLayout:
        """Start with the drawer at the other end."""
        opened = DRAWER_TRAVEL - float(rng.uniform(0.0, 0.015))
        return replace(layout, drawer=0.0 if self._opens else opened)

    def feasible(self, state: SimState) -> bool:
        """Require the drawer at the other end and an empty hand."""
        opening = state.joints['drawer']
        there = opening < _AT_END if self._opens else opening > DRAWER_TRAVEL - _AT_END
        return there and not state.contacts

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require the motion."""
        moved = now.joints['drawer'] - start.joints['drawer']
        return moved > MOVED if self._opens else moved < -MOVED

    @property
    def _opens(self) -> bool:
        return self.name == 'open_drawer'


TASKS: tuple[Task, ...] = (MoveDrawer('open_drawer'), MoveDrawer('close_drawer'))
