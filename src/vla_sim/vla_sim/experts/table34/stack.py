"""Experts for putting one block on another and for taking it down again."""

import numpy as np
from vla_core.types import SimState
from vla_sim.experts.chunk import Expert
from vla_sim.experts.motion import Step
from vla_sim.experts.table34.grip import fits, grip, holds, let_go, put
from vla_sim.experts.table34.place import wait
from vla_sim.experts.table34.room import plan
from vla_sim.scenes.table_measures import BLOCKS, TOP
from vla_sim.tasks.table34.lift import burdened
from vla_sim.tasks.table34.place import held
from vla_sim.tasks.table34.stack import on_top

_MIDDLE = np.array([0.56, 0.0])  # [m] of where blocks stand on the table
_TABLE_X, _TABLE_Y = (0.55, 0.565, 0.58), np.linspace(-0.2, 0.2, 17)  # [m] where one is put down
_APART = 0.12  # [m] between the middles of blocks


def stack_block(state: SimState, start: SimState) -> Step:
    """Put the block in the hand on one that stands on the table."""
    block = held(start)
    lower = _lower(start, block)
    if not block or not lower:
        return wait(state)
    below, (_, turn, top) = state.objects[lower], plan(state, lower)
    spot = np.array([*below[:2], top + BLOCKS[block][2] / 2])
    if holds(state, block):
        now = plan(state, block)[1]
        turn += np.pi / 2 * np.round((now - turn) / (np.pi / 2))
        return put(state, block, spot, clear=top + 0.02, turn=turn)
    off = state.objects[block][:3] - spot
    there = np.hypot(off[0], off[1]) < 0.03 and abs(off[2]) < 0.01
    return let_go(state) if there else grip(state, block, share=0.45)


def unstack_block(state: SimState, start: SimState) -> Step:
    """Put the upper block of a stack on the table."""
    block = next((name for name in BLOCKS if on_top(start, name)), '')
    if not block:
        return wait(state)
    if holds(state, block):
        turn = plan(state, block)[1]
        spot = fits(state, block, _free_places(state, block), TOP + 0.005, turn)
        goal = np.array([*spot, TOP + BLOCKS[block][2] / 2])
        return put(state, block, goal, clear=TOP + 0.075, turn=turn)
    low = state.objects[block][2] < TOP + BLOCKS[block][2] / 2 + 0.01
    down = low and not any(other in state.touching[block] for other in BLOCKS)
    return let_go(state) if down else grip(state, block, share=0.45)


def _lower(start: SimState, block: str) -> str:
    """Return the block to stack on, '' for none."""
    free = [name for name in BLOCKS if name != block and 'table' in start.touching[name]
            and not burdened(start, name)]
    return min(free, default='', key=lambda name: float(
        np.linalg.norm(start.objects[name][:2] - _MIDDLE)))


def _free_places(state: SimState, block: str) -> np.ndarray:
    """Return places (N, 2) on the table [m], those nearest the stack and clear of blocks first."""
    others = [state.objects[name] for name in BLOCKS if name != block]
    near = min((pose[:2] for pose in others), key=lambda spot: np.linalg.norm(spot - _MIDDLE))
    def order(spot: np.ndarray) -> float:
        gap = min(np.linalg.norm(spot - pose[:2]) for pose in others)
        return np.linalg.norm(spot - near) + 10.0 * max(0.0, _APART - gap)
    return np.array(sorted(((x, y) for x in _TABLE_X for y in _TABLE_Y), key=order))


EXPERTS: dict[str, Expert] = {'stack_block': stack_block, 'unstack_block': unstack_block}
