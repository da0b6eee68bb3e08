"""Lift a block off the table, out of the cabinet, out of the drawer."""

from dataclasses import dataclass, replace

import numpy as np
from vla_core.types import SimState
from vla_sim.scenes.scene import Task
from vla_sim.scenes.table_layout import draw_places, TableLayout
from vla_sim.scenes.table_measures import (
    BLOCKS,
    CABINET_HALF,
    DOOR_TRAVEL,
    DRAWER_TRAVEL,
    EDGE_X,
)

RAISED = {'table': 0.05, 'slider': 0.03, 'drawer': 0.05}  # [m]
_BODY = {'table': 'table', 'slider': 'cabinet', 'drawer': 'drawer'}  # as in SimState.touching
_OPEN = DRAWER_TRAVEL - 0.03  # [m]
_UNCOVERED = CABINET_HALF / 2 + 0.02  # [m] of the block's middle from the door's


@dataclass(frozen=True)
class Lift:
    """The block, lying on a surface before, hangs between the fingers and touches nothing else."""

    block: str
    surface: str  # 'table', 'slider' or 'drawer'

    @property
    def name(self) -> str:
        """Return the task's name."""
        return f'lift_{self.block}_{self.surface}'

    def prepare(self, layout: TableLayout, rng: np.random.Generator) -> TableLayout:
        """Start with the block there, not covered by the door or the table top."""
        place = self.surface
        if place == 'slider':
            place = str(rng.choice(['slider_left', 'slider_right']))
            layout = replace(layout, door=0.0 if place == 'slider_left' else DOOR_TRAVEL)
        elif place == 'drawer':
            layout = replace(layout, drawer=DRAWER_TRAVEL - float(rng.uniform(0.0, 0.015)))
        return layout.arranged(draw_places(rng, {self.block: place}), rng)

    def feasible(self, state: SimState) -> bool:
        """Require the block there, free from above, and an empty hand."""
        if _BODY[self.surface] not in state.touching[self.block] or state.contacts:
            return False
        pose = state.objects[self.block]
        if self.surface == 'slider' and abs(pose[1] - state.objects['door_handle'][1]) < (
                _UNCOVERED):
            return False
        if self.surface == 'drawer' and (state.joints['drawer'] < _OPEN or pose[0] > EDGE_X):
            return False
        return not burdened(state, self.block)

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require the rise and contact with the robot alone."""
        lay = start.touching[self.block]
        rise = now.objects[self.block][2] - start.objects[self.block][2]
        return bool(_BODY[self.surface] in lay and rise > RAISED[self.surface]
                    and now.touching[self.block] == ('robot',))


def burdened(state: SimState, block: str) -> bool:
    """Say whether another block stands on this one."""
    height = state.objects[block][2]
    return any(other in state.touching[block] and state.objects[other][2] > height + 0.03
               for other in BLOCKS)


TASKS: tuple[Task, ...] = tuple(Lift(block, surface) for surface in RAISED for block in BLOCKS)
