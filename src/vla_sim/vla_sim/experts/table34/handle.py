"""Take a handle from above, drag it along its rail, let go."""

import numpy as np
from vla_core.types import SimState
from vla_sim.experts.motion import CLOSED, OPEN, Step

CRUISE = 0.30  # [m] height at which nothing of the table is in the way
_GRIPPED = (0.14, 0.295)  # openings with a handle (22 mm of 80) between both fingers
_OPEN_ENOUGH = 0.6  # opening at which the fingers pass a handle
_DONE = 0.006  # [m]


def drag(state: SimState, handle: np.ndarray, target: np.ndarray, way: float) -> Step:
    """Return the step that brings a handle from `handle` (3,) to `target` (3,) [m].

    `way` is the length of the whole rail [m], for the progress.
    """
    tool, gap = state.tool_pose, float(np.hypot(*(handle[:2] - state.tool_pose[:2])))
    left = float(np.linalg.norm(target - handle))
    if left < _DONE:
        return let_go(state)
    if _holds(state, handle, gap):
        slip = state.tool_pose[:3] - handle  # pull on by as much as the fingers slid along it
        goal = target + np.array([*(slip[:2] * (np.abs(target - handle)[:2] > _DONE)), 0.0])
        return Step(goal, CLOSED, 0.5 + 0.45 * max(0.0, 1.0 - left / way), slow=0.7)
    aside = np.abs(handle[:2] - tool[:2])
    at_handle = aside[0] < 0.013 and aside[1] < 0.018 and tool[2] < handle[2] + 0.015
    closing = state.gripper_target < 0.5
    shutting = closing and gap < 0.03 and tool[2] < handle[2] + 0.02 and (
        state.gripper > _GRIPPED[0])
    if shutting or (at_handle and (closing or state.gripper > _OPEN_ENOUGH)):
        return Step(handle, CLOSED, 0.45)
    low = handle[2] + 0.06
    goal = np.array(handle)
    if state.gripper < _OPEN_ENOUGH and tool[2] < low:
        goal[2] = low + 0.02  # the fingers would land on it: rise and open first
    return Step(travel(goal, tool, low), OPEN, 0.35 * float(np.exp(-gap / 0.2)))


def let_go(state: SimState) -> Step:
    """Open the fingers, then rise."""
    if state.gripper < 0.55:
        return Step(state.tool_target[:3], OPEN, 0.97)
    return Step(np.array([*state.tool_target[:2], CRUISE]), OPEN, 1.0)


def travel(
    goal: np.ndarray, tool: np.ndarray, low: float, funnel: float = 0.012,
    cruise: float = CRUISE,
) -> np.ndarray:
    """Return the way to `goal` (3,) from above: rise before moving, sink when nearly over it.

    The allowed height shrinks with the sideways distance, which makes one smooth path instead
    of separate legs; inside `funnel` [m] the tool goes straight down, outside it never below
    `low` [m].
    """
    gap = float(np.hypot(*(goal[:2] - tool[:2])))
    if gap <= funnel:
        return np.array(goal)
    height = low + min((gap - funnel) * 2.2, max(0.0, cruise - low))
    lag = max(0.0, height - 0.04 - tool[2])  # too low to move freely
    share = float(np.exp(-lag / 0.03))
    return np.array([*(tool[:2] + share * (goal[:2] - tool[:2])), max(goal[2], height)])


def _holds(state: SimState, handle: np.ndarray, gap: float) -> bool:
    closed = state.gripper_target < 0.5 and _GRIPPED[0] < state.gripper < _GRIPPED[1]
    return bool(closed and gap < 0.03 and state.tool_pose[2] < handle[2] + 0.025)
