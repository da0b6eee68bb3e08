"""Put the block in the hand on another one; take the upper block of a stack down."""

from dataclasses import dataclass

import numpy as np
from vla_core.types import SimState
from vla_sim.scenes.scene import Task
from vla_sim.scenes.table_layout import TableLayout
from vla_sim.scenes.table_measures import BLOCKS
from vla_sim.tasks.table34.lift import burdened
from vla_sim.tasks.table34.place import held, SLOW, with_a_block_held
from vla_sim.tasks.table34.rotate import TILT, turn_between

_MOVED = 0.03  # [m] of the lower block while the upper one is taken off


@dataclass(frozen=True)
class StackBlock:
    """A block that touched no other before rests on another and on nothing else."""

    name: str = 'stack_block'

    def prepare(self, layout: TableLayout, rng: np.random.Generator) -> TableLayout:
        """Start with a block in the hand; one or two others stand on the table."""
        return with_a_block_held(layout, rng)

    def feasible(self, state: SimState) -> bool:
        """Require a block in the hand and another on the table, free from above."""
        block = held(state)
        return bool(block) and any(
            'table' in state.touching[other] and not burdened(state, other)
            for other in BLOCKS if other != block)

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require one block at rest on top."""
        return any(not _others(start, block) and on_top(now, block)
                   and now.speeds[block] < SLOW for block in BLOCKS)


@dataclass(frozen=True)
class UnstackBlock:
    """A block that stood on another before rests on the table, clear of any.

    A stack that was knocked over was not taken down: the upper block must still be upright and
    the lower one stand where it stood.
    """

    name: str = 'unstack_block'

    def prepare(self, layout: TableLayout, rng: np.random.Generator) -> TableLayout:
        """Start with one block on another on the table, and none there to push the stack over."""
        upper, lower, third = (str(name) for name in rng.permutation(list(BLOCKS)))
        places = {lower: 'table', upper: f'on:{lower}'}
        places[third] = str(rng.choice(['slider_left', 'slider_right']))
        return layout.arranged(places, rng)

    def feasible(self, state: SimState) -> bool:
        """Require a stack and an empty hand."""
        return not state.contacts and any(on_top(state, block) for block in BLOCKS)

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require the upper block at rest on the table, out of the hand."""
        return any(
            on_top(start, block) and taken_down(now, block)
            and _upright(start, now, block) and _left_alone(start, now, start.touching[block][0])
            for block in BLOCKS)


def on_top(state: SimState, block: str) -> bool:
    """Say whether a block touches just one thing, a block below it."""
    touching, height = state.touching[block], state.objects[block][2]
    return len(touching) == 1 and touching[0] in BLOCKS and bool(
        state.objects[touching[0]][2] < height - 0.03)


def taken_down(state: SimState, block: str) -> bool:
    """Say whether a block rests on the table, out of the hand and clear of other blocks."""
    touching = state.touching[block]
    return ('table' in touching and 'robot' not in touching and not _others(state, block)
            and state.speeds[block] < SLOW)


def _upright(start: SimState, now: SimState, block: str) -> bool:
    roll, pitch, _ = turn_between(start.objects[block], now.objects[block])
    return max(abs(roll), abs(pitch)) < TILT


def _left_alone(start: SimState, now: SimState, block: str) -> bool:
    moved = np.linalg.norm(now.objects[block][:3] - start.objects[block][:3])
    return bool(moved < _MOVED) and _upright(start, now, block)


def _others(state: SimState, block: str) -> list[str]:
    return [other for other in state.touching[block] if other in BLOCKS]


TASKS: tuple[Task, ...] = (StackBlock(), UnstackBlock())
