"""What of the table is in a gripper's way: heights of furniture and blocks over a plan view."""

import numpy as np
from vla_core.geometry import quat_to_matrix
from vla_core.types import SimState
from vla_sim.scenes.table_measures import (
    BLOCKS,
    BUTTON_TOP,
    CABINET_HALF,
    CABINET_X,
    DOOR_HANDLE,
    DRAWER_DEPTH,
    DRAWER_HANDLE,
    DRAWER_WIDTH,
    EDGE_X,
    HOOD,
    SHELF,
    SWITCH_TOP,
    TOP,
    WALL_TOP,
)

FAR = 1.0  # [m] beyond every edge of the table
_DRAWER_TOP = 0.095
_LIP_TOP = TOP + 0.022  # of the cabinet's front edge
_WALL = 0.012  # [m]


def cabinet_middle(state: SimState) -> float:
    """Return y of the middle of the cabinet [m]."""
    return float(state.objects['door_handle'][1] - state.joints['door'] + CABINET_HALF / 2)


def drawer_middle(state: SimState) -> np.ndarray:
    """Return x and y (2,) of the middle of the drawer [m]."""
    handle = state.objects['drawer_handle']
    return np.array([handle[0] - DRAWER_HANDLE[0] + 0.01 + DRAWER_DEPTH / 2, handle[1]])


def obstacles(state: SimState, without: str = '') -> np.ndarray:
    """Return (N, 6) float64: middle x y, half sides, turn [rad], top of all but a block [m]."""
    blocks = [_block(state, name) for name in BLOCKS if name != without]
    return np.array([*_desk(state), *_drawer(state), *_cabinet(state), *blocks])


def tallest(boxes: np.ndarray, points: np.ndarray) -> float:
    """Return the height of the tallest of `obstacles` under any of the points (P, 2) [m]."""
    off = points[:, None, :] - boxes[None, :, :2]
    cos, sin = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    along = np.abs(cos * off[..., 0] + sin * off[..., 1])
    across = np.abs(cos * off[..., 1] - sin * off[..., 0])
    under = ((along < boxes[:, 2]) & (across < boxes[:, 3])).any(axis=0)
    return float(np.max(boxes[under, 5], initial=0.0))


def plan(state: SimState, block: str) -> tuple[np.ndarray, float, float]:
    """Return a block's half sides (2,) seen from above [m], its turn [rad] and its top [m]."""
    pose, half = state.objects[block], np.array(BLOCKS[block]) / 2
    axes = quat_to_matrix(pose[3:])
    up = int(np.argmax(np.abs(axes[2])))
    first, second = (up + 1) % 3, (up + 2) % 3
    turn = float(np.arctan2(axes[1, first], axes[0, first]))
    return half[[first, second]], turn, float(pose[2] + np.abs(axes[2]) @ half)


def _block(state: SimState, name: str) -> tuple[float, ...]:
    half, turn, top = plan(state, name)
    return (*state.objects[name][:2], *half, turn, top)


def _desk(state: SimState) -> list[tuple[float, ...]]:
    button, switch = state.objects['button'], state.objects['switch']
    return [
        ((EDGE_X + FAR) / 2, 0.0, (FAR - EDGE_X) / 2, FAR, 0.0, TOP),
        (*button[:2], 0.042, 0.042, 0.0, TOP + BUTTON_TOP),
        (*switch[:2], 0.02, 0.02, 0.0, TOP + SWITCH_TOP),
    ]


def _drawer(state: SimState) -> list[tuple[float, ...]]:
    (x, y), depth, width = drawer_middle(state), DRAWER_DEPTH / 2, DRAWER_WIDTH / 2
    front = x - depth - 0.01
    return [
        (front + 0.005, y, 0.005, width + 0.01, 0.0, _DRAWER_TOP),
        (x, y + width + 0.005, depth, 0.005, 0.0, _DRAWER_TOP),
        (x, y - width - 0.005, depth, 0.005, 0.0, _DRAWER_TOP),
        (x + depth + 0.005, y, 0.005, width + 0.01, 0.0, _DRAWER_TOP),
        (front + DRAWER_HANDLE[0], y, 0.012, 0.011, 0.0, DRAWER_HANDLE[1] + 0.015),
    ]


def _cabinet(state: SimState) -> list[tuple[float, ...]]:
    (x0, x1), half, y = CABINET_X, CABINET_HALF, cabinet_middle(state)
    x, depth, door = (x0 + x1) / 2, (x1 - x0) / 2, state.objects['door_handle']
    return [
        (x, y, depth, half, 0.0, SHELF),
        (x0 - 0.004, y, 0.004, half, 0.0, _LIP_TOP),
        (x1 + _WALL / 2, y, _WALL / 2, half + _WALL, 0.0, WALL_TOP),
        (x, y + half + _WALL / 2, depth, _WALL / 2, 0.0, WALL_TOP),
        (x, y - half - _WALL / 2, depth, _WALL / 2, 0.0, WALL_TOP),
        (x - 0.003, door[1], depth + 0.018, half / 2, 0.0, HOOD[1]),
        (DOOR_HANDLE[0], door[1], 0.012, 0.011, 0.0, HOOD[1] + 0.052),
    ]
