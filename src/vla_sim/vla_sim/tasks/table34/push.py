"""Push a block to one side of the table, or over the table's edge into the open drawer."""

from dataclasses import dataclass, replace

import numpy as np
from vla_core.types import SimState
from vla_sim.scenes.scene import Task
from vla_sim.scenes.table_layout import draw_places, TableLayout
from vla_sim.scenes.table_measures import (
    BLOCKS,
    CABINET_X,
    DRAWER_TRAVEL,
    DRAWER_WIDTH,
    TOP,
)

SIDES = {'right': -1.0, 'left': 1.0}  # along y
PUSHED = 0.10  # [m] to the side
DRAWER_OPEN = 0.12  # [m] from here on a block falls into it
_WAY = 0.25  # [m] kept free of other blocks ahead of the one that is pushed
_FIXTURES_Y = 0.28  # [m] a block's side that goes farther from the middle meets button or lever
BACK_X = CABINET_X[0] - 0.082  # [m] a block's back farther from the robot leaves no room behind
_SURFACES = frozenset(('table', 'drawer'))


@dataclass(frozen=True)
class Push:
    """The block has moved to one side and still stands where it stood."""

    block: str
    side: str

    @property
    def name(self) -> str:
        """Return the task's name."""
        return f'push_{self.block}_{self.side}'

    def prepare(self, layout: TableLayout, rng: np.random.Generator) -> TableLayout:
        """Start with the block on the table and a free way to that side."""
        while True:
            layout = layout.arranged(draw_places(rng, {self.block: 'table'}), rng)
            if self._free(layout):
                return layout

    def feasible(self, state: SimState) -> bool:
        """Require the block on the table short of the fixtures, and an empty hand."""
        pose = state.objects[self.block]
        return bool(on_table(state, self.block) and not grasped(state) and
                    SIDES[self.side] * pose[1] + PUSHED + 0.04 < _FIXTURES_Y)

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require the way, and the surface at the start under the block."""
        moved = now.objects[self.block][1] - start.objects[self.block][1]
        stood = _SURFACES.intersection(start.touching[self.block])
        return bool(SIDES[self.side] * moved > PUSHED and stood
                    and stood.issubset(now.touching[self.block]))

    def _free(self, layout: TableLayout) -> bool:
        """Say whether neither another block nor a fixture is in the way."""
        side, own = SIDES[self.side], layout.blocks[self.block]
        reach = span(np.array(BLOCKS[self.block][:2]) / 2, own[3])[1]
        gaps = [side * (layout.blocks[name][1] - own[1])
                for name, place in layout.places.items()
                if place == 'table' and name != self.block]
        return bool(side * own[1] + PUSHED + reach + 0.01 < _FIXTURES_Y
                    and not any(0.0 < gap < _WAY for gap in gaps))


@dataclass(frozen=True)
class PushIntoDrawer:
    """A block that stood on the table lies in the drawer, without the robot's hand on it."""

    name: str = 'push_into_drawer'

    def prepare(self, layout: TableLayout, rng: np.random.Generator) -> TableLayout:
        """Start with one block before the open drawer and the others in the cabinet.

        A long block lies along the edge: pushed over it end first it might come to stand in the
        drawer, which then does not close.
        """
        block, *rest = (str(name) for name in rng.permutation(list(BLOCKS)))
        places = {block: 'table', **dict(zip(rest, ('slider_left', 'slider_right'), strict=True))}
        layout = replace(layout, drawer=DRAWER_TRAVEL - 0.005)
        while True:
            layout = layout.arranged(places, rng)
            x, y, z, yaw = layout.blocks[block]
            half = np.array(BLOCKS[block][:2]) / 2
            yaw += np.pi / 2 * (half[0] > half[1])
            reach = span(half, yaw)
            if abs(y - layout.design.drawer_y) + reach[1] < DRAWER_WIDTH / 2 - 0.01:
                pose = np.array([min(x, BACK_X - reach[0]), y, z, yaw])
                return replace(layout, blocks={**layout.blocks, block: pose})

    def feasible(self, state: SimState) -> bool:
        """Require an open drawer, one block on the table and the other two in the cabinet."""
        touching = state.touching.values()
        return bool(
            state.joints['drawer'] > DRAWER_OPEN and not grasped(state)
            and sum(on_table(state, block) for block in BLOCKS) == 1
            and sum('cabinet' in names and 'table' not in names for names in touching) == 2)

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require a block that changed the table for the drawer, where no finger touches it.

        CALVIN also wants it untouched at the start; in a chain the hand may still be at the block
        that it has just turned or pushed, so here it only must not hang in it.
        """
        return any(
            'table' in start.touching[block] and in_drawer(now, block)
            and 'robot' not in now.touching[block] for block in BLOCKS)


def span(half: np.ndarray, yaw: float) -> np.ndarray:
    """Return how far (2,) a rectangle of half sides (2,) reaches along x and y [m]."""
    cos, sin = abs(np.cos(yaw)), abs(np.sin(yaw))
    return np.array([cos * half[0] + sin * half[1], sin * half[0] + cos * half[1]])


def on_table(state: SimState, block: str) -> bool:
    """Say whether a block rests on the table itself, one of its faces down."""
    names = state.touching[block]
    return bool('table' in names and not set(names).intersection(('drawer', *BLOCKS))
                and state.objects[block][2] < TOP + 0.06)


def in_drawer(state: SimState, block: str) -> bool:
    """Say whether a block has fallen into the drawer."""
    return bool('drawer' in state.touching[block] and state.objects[block][2] < TOP)


def grasped(state: SimState) -> bool:
    """Say whether a block hangs in the hand."""
    return any(names == ('robot',) for names in state.touching.values())


TASKS: tuple[Task, ...] = (
    *(Push(block, side) for block in BLOCKS for side in SIDES), PushIntoDrawer())
