"""Experts for putting the block in the hand into the cabinet or the drawer."""

import numpy as np
from vla_core.types import SimState
from vla_sim.experts.chunk import Expert
from vla_sim.experts.motion import OPEN, Step
from vla_sim.experts.table34.grip import fits, grip, HELD_Z, holds, let_go, put
from vla_sim.experts.table34.room import cabinet_middle, drawer_middle
from vla_sim.scenes.table_measures import (
    BLOCKS,
    CABINET_HALF,
    CABINET_X,
    DRAWER_DEPTH,
    DRAWER_FLOOR,
    DRAWER_WIDTH,
    HOOD,
    SHELF,
    TOP,
)
from vla_sim.tasks.table34.place import held

_CABINET_OFFSETS = (0.02, 0.01, 0.03, 0.0, 0.04, -0.01, -0.02, -0.03, -0.04, -0.05, -0.06, 0.05,
                    0.06)  # [m] from the middle of a half outwards, best first
_DRAWER_OFFSETS = (0.03, -0.03, 0.04, -0.04, 0.02, -0.02, 0.0, 0.05, -0.05, 0.06, -0.06)


def place_in_slider(state: SimState, start: SimState) -> Step:
    """Put the block into the half of the cabinet that the door does not cover."""
    block, middle = held(start), cabinet_middle(state)
    if not block:
        return wait(state)
    side = 1.0 if state.objects['door_handle'][1] < middle else -1.0
    centre = np.array([(CABINET_X[0] + CABINET_X[1]) / 2, middle + side * CABINET_HALF / 2])
    spots = centre + np.array([(0.0, side * off) for off in _CABINET_OFFSETS])
    half = (CABINET_X[1] - centre[0], CABINET_HALF / 2)
    return _place(state, block, centre, half, spots, SHELF, HOOD[1] + 0.015)


def place_in_drawer(state: SimState, start: SimState) -> Step:
    """Put the block into the drawer."""
    block, centre = held(start), drawer_middle(state)
    if not block:
        return wait(state)
    spots = centre + np.array([(0.0, off) for off in _DRAWER_OFFSETS])
    half = (DRAWER_DEPTH / 2, DRAWER_WIDTH / 2)
    return _place(state, block, centre, half, spots, DRAWER_FLOOR, TOP + 0.02)


def wait(state: SimState) -> Step:
    """Stay above everything with an empty hand: there was nothing to be put anywhere."""
    return Step(np.array([*state.tool_target[:2], HELD_Z]), OPEN, 0.0)


def _place(
    state: SimState, block: str, centre: np.ndarray, half: tuple[float, float],
    spots: np.ndarray, floor: float, clear: float,
) -> Step:
    """Put a block on one of `spots` (N, 2) in the box of `half` sides around `centre` [m]."""
    pose, rise = state.objects[block], BLOCKS[block][2] / 2
    if holds(state, block):
        spot = fits(state, block, spots, floor + 0.005, turn=0.0)
        return put(state, block, np.array([*spot, floor + rise]), clear, turn=0.0)
    inside = (np.abs(pose[:2] - centre) < half).all() and pose[2] < floor + rise + 0.02
    return let_go(state) if inside else grip(state, block, share=0.45)


EXPERTS: dict[str, Expert] = {
    'place_in_slider': place_in_slider, 'place_in_drawer': place_in_drawer}
