"""Put the block in the hand into the cabinet or into the drawer."""

from dataclasses import dataclass, replace

import numpy as np
from vla_core.types import SimState
from vla_sim.scenes.scene import Task
from vla_sim.scenes.table_layout import draw_places, TableLayout
from vla_sim.scenes.table_measures import (
    BLOCKS,
    DOOR_TRAVEL,
    DRAWER_FLOOR,
    DRAWER_TRAVEL,
    SHELF,
)

SLOW = 0.05  # [m/s] what rests is slower
_BODY = {'slider': 'cabinet', 'drawer': 'drawer'}  # as in SimState.touching
_FLOOR = {'slider': SHELF, 'drawer': DRAWER_FLOOR}  # [m]
_LYING = 0.045  # [m] above the floor: the middle of a block that stands on it, even on end
_HELD = ((0.54, -0.16, 0.27), (0.59, 0.16, 0.36))  # [m] where the tool holds a block
_APART = 0.12  # [m] of its middle from other blocks' middles
_AT_END = 0.04  # [m] nearer than this to an end counts as being there


@dataclass(frozen=True)
class Place:
    """The block, in the hand before, rests on the cabinet's or the drawer's floor."""

    where: str  # 'slider' or 'drawer'

    @property
    def name(self) -> str:
        """Return the task's name."""
        return f'place_in_{self.where}'

    def prepare(self, layout: TableLayout, rng: np.random.Generator) -> TableLayout:
        """Start with a block in the hand and the drawer, if it is asked for, open."""
        if self.where == 'drawer':
            layout = replace(layout, drawer=DRAWER_TRAVEL - float(rng.uniform(0.0, 0.015)))
        return with_a_block_held(layout, rng)

    def feasible(self, state: SimState) -> bool:
        """Require a block in the hand, and a way in."""
        door, drawer = state.joints['door'], state.joints['drawer']
        if self.where == 'drawer':
            return bool(held(state)) and drawer > DRAWER_TRAVEL - _AT_END
        return bool(held(state)) and not _AT_END < door < DOOR_TRAVEL - _AT_END

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require the block at rest there, out of the hand."""
        block = held(start)
        return bool(block) and placed(now, block, self.where)


def with_a_block_held(layout: TableLayout, rng: np.random.Generator) -> TableLayout:
    """Return the layout with one block in the hand, the others where CALVIN has them.

    What is dropped there falls on the table, not on another block or into the drawer.
    """
    block = str(rng.choice(list(BLOCKS)))
    places = draw_places(rng, {block: 'held'})
    while True:
        layout = replace(layout, tool=rng.uniform(*_HELD)).arranged(places, rng)
        others = [pose[:2] for name, pose in layout.blocks.items() if name != block]
        if min(np.linalg.norm(layout.tool[:2] - spot) for spot in others) > _APART:
            return layout


def held(state: SimState) -> str:
    """Return the block that hangs between the fingers, '' for none."""
    return next((block for block in BLOCKS if state.touching[block] == ('robot',)
                 and state.contacts.get(block, 0.0) > 0.0), '')


def placed(state: SimState, block: str, where: str) -> bool:
    """Say whether a block rests on the floor of 'slider' or 'drawer', out of the hand."""
    touching, height = state.touching[block], state.objects[block][2] - _FLOOR[where]
    return bool('robot' not in touching and _BODY[where] in touching
                and height < _LYING and state.speeds[block] < SLOW)


TASKS: tuple[Task, ...] = (Place('slider'), Place('drawer'))
