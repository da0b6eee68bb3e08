"""Experts for pushing blocks: closed fingers behind the block, low, steering with it."""

from dataclasses import replace
from functools import partial

import numpy as np
from vla_core.types import SimState
from vla_sim.experts.chunk import Expert
from vla_sim.experts.motion import CLOSED, Step, tool_yaw
from vla_sim.experts.table34.free import block_top
from vla_sim.experts.table34.free import leave as let_off
from vla_sim.experts.table34.grip import grip, holds, put
from vla_sim.experts.table34.handle import travel
from vla_sim.experts.table34.room import plan
from vla_sim.scenes.table_measures import BLOCKS, CABINET_X, DRAWER_WIDTH, EDGE_X, TOP
from vla_sim.tasks.table34.push import BACK_X, in_drawer, PUSHED, SIDES, span

_LOW = TOP + 0.024  # [m] tool height at which fingers push
_CLEAR = TOP + 0.068  # [m] tool height at which fingers pass over blocks
_CRUISE = TOP + 0.13  # [m] tool height at which fingers pass over two blocks on each other
_FINGERS = np.array([0.0105, 0.014])  # [m] half the closed fingers along x and y
_ROOM = 0.022  # [m] between fingers that come down and the block
_EDGE = EDGE_X + 0.02  # [m] a block's middle nearer to the robot is on its way over the edge
_ASTRAY = 0.015  # [m] a block may be off the place it would be brought to
_END_FIRST = 0.7  # [rad] from here on a long block goes over the edge with its end first
_CARRY = 0.012  # [m] it is carried above the table
_STRAIGHT = 0.25  # [rad] the tool may be turned when it goes down
_DEPTH = 0.045  # [m] the goal is beyond the face that is pushed
_STEER = 0.03  # [m] sideways per radian by which a block is askew
_STEER_MAX = 0.012  # [m]
_TOOL_X = CABINET_X[0] - 0.051  # [m] farther from the robot the hand hits the cabinet's hood
_LINE_X = (EDGE_X + 0.04, CABINET_X[0] - 0.08)  # [m] where blocks are pushed along the table


def push(state: SimState, start: SimState, block: str, side: str) -> Step:
    """Push a block to one side."""
    pose, begin = state.objects[block], start.objects[block]
    moved = SIDES[side] * (pose[1] - begin[1])
    if moved > PUSHED + 0.004:
        return leave(state, 1.0)
    aim = np.array([np.clip(begin[0], *_LINE_X), begin[1] + SIDES[side] * (PUSHED + 0.06)])
    step = push_towards(state, block, aim)
    return Step(step.goal, CLOSED, min(0.9, step.progress + 0.6 * max(0.0, moved) / PUSHED))


def push_into_drawer(state: SimState, start: SimState) -> Step:
    """Push the block that stood on the table over the edge.

    A block beside the drawer, without room for fingers behind it, or about to fall end first (it
    might stand in the drawer then) is first put down where it can be pushed.
    """
    block = next(name for name in BLOCKS if 'table' in start.touching[name])
    pose, middle = state.objects[block], state.objects['drawer_handle'][1]
    if in_drawer(state, block):
        return leave(state, 1.0)
    half, yaw, _ = plan(state, block)
    spot = _within(pose[:2], middle, span(half, yaw), _ASTRAY)
    astray = np.any(np.abs(spot - pose[:2]) > 1e-6) or _off_edge(half, yaw) > _END_FIRST
    if (astray and pose[0] > _EDGE) or holds(state, block):
        lying = np.array([half.min(), half.max()])
        return _bring(state, block, _within(pose[:2], middle, lying, 0.0))
    if block_top(state):
        return let_off(state, block_top(state))
    aim = _within(pose[:2], middle, span(half, yaw), 0.0)[1]
    step = push_towards(state, block, np.array([EDGE_X - 0.08, aim]))
    way = float(np.clip((pose[0] - EDGE_X) / 0.1, 0.0, 1.0))
    return Step(step.goal, CLOSED, 0.3 + step.progress + 0.3 * (1.0 - way))


def _within(point: np.ndarray, middle: float, reach: np.ndarray, slack: float) -> np.ndarray:
    """Return the spot (2,) next to `point` from which a block falls into the drawer [m]."""
    back, aside = BACK_X - reach[0] + slack, DRAWER_WIDTH / 2 - 0.015 - reach[1] + slack
    return np.clip(point, (_EDGE, middle - aside), (back, middle + aside))


def _bring(state: SimState, block: str, spot: np.ndarray) -> Step:
    """Carry a block that cannot be pushed from where it is to `spot` (2,), along the edge [m]."""
    if not holds(state, block):
        return grip(state, block, 0.1)
    half, _, top = plan(state, block)
    turn = np.pi / 2 if half[0] > half[1] else 0.0
    rest = np.array([*spot, TOP + top - state.objects[block][2]])
    return replace(put(state, block, rest, TOP + _CARRY, turn), progress=0.2)


def _off_edge(half: np.ndarray, yaw: float) -> float:
    """Return the angle between a block's long side and the table's edge, 0 for a cube [rad]."""
    if half.max() - half.min() < 0.002:
        return 0.0
    along = yaw if half[0] > half[1] else yaw + np.pi / 2
    return float(abs(along % np.pi - np.pi / 2))


def leave(state: SimState, progress: float) -> Step:
    """Rise from where the hand is."""
    return Step(np.array([*state.tool_target[:2], _CRUISE]), CLOSED, progress)


def push_towards(state: SimState, block: str, aim: np.ndarray) -> Step:
    """Push a block one step nearer to `aim` (2,) [m]; its progress is the hand's, 0..0.3."""
    pose, tool = state.objects[block], state.tool_pose
    way = aim - pose[:2]
    way /= np.linalg.norm(way)
    behind, face = contact(state, block, way)
    off = tool[:2] - face
    along, aside = float(off @ way), float(abs(off @ (-way[1], way[0])))
    low = tool[2] < _LOW + 0.012
    if low and aside < 0.012 and -0.06 < along < 0.012:
        depth = _DEPTH if aside < 0.006 else 0.01
        return Step(np.array([*(face + depth * way), _LOW]), CLOSED, 0.3)
    straight = abs(tool_yaw(tool)) < _STRAIGHT  # else the hand would meet the cabinet
    down = np.array([*behind, _LOW if straight or low else _CLEAR])
    goal = travel(down, tool, _CLEAR, cruise=_CRUISE)
    gap = float(np.linalg.norm([*(behind - tool[:2]), tool[2] - _LOW]))
    return Step(goal, CLOSED, 0.3 * float(np.exp(-gap / 0.15)))


def contact(state: SimState, block: str, way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (2,) where the hand comes down behind a block and where it meets it [m]."""
    pose, (half, yaw, _) = state.objects[block], plan(state, block)
    askew = quarter(yaw - np.arctan2(way[1], way[0]))
    across = np.array([-way[1], way[0]])
    start = float(np.clip(_STEER * askew, -_STEER_MAX, _STEER_MAX)) * across
    back = _exit(half, turned(-way, -yaw), turned(start, -yaw)) + float(
        np.abs(way) @ _FINGERS)
    face = pose[:2] + start - back * way
    behind = face - _ROOM * way
    limit = np.array([_TOOL_X, np.inf])
    return np.minimum(behind, limit), np.minimum(face, limit)


def quarter(angle: float) -> float:
    """Return the angle to the nearest quarter turn, -pi/4..pi/4 [rad]."""
    return float((angle + np.pi / 4) % (np.pi / 2) - np.pi / 4)


def turned(vector: np.ndarray, angle: float) -> np.ndarray:
    """Return `vector` (2,) turned by `angle` [rad]."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([cos * vector[0] - sin * vector[1], sin * vector[0] + cos * vector[1]])


def _exit(half: np.ndarray, way: np.ndarray, point: np.ndarray) -> float:
    """Return how far it is from `point` in a rectangle out along `way` [m]."""
    with np.errstate(divide='ignore'):
        return float(np.min((half - np.sign(way) * point) / np.abs(way)))


EXPERTS: dict[str, Expert] = {
    f'push_{block}_{side}': partial(push, block=block, side=side)
    for block in BLOCKS for side in SIDES}
EXPERTS['push_into_drawer'] = push_into_drawer
