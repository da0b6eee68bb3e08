"""Experts for the drawer and the button."""

import numpy as np
from vla_core.types import SimState
from vla_sim.experts.motion import CLOSED, CRUISE, OPEN, over, Step
from vla_sim.scenes.bowl import DRAWER_TRAVEL

_GRIPPED = (0.18, 0.42)  # openings with the handle (22 mm of 80) between the fingers


def open_drawer(state: SimState) -> Step:
    """Take the handle and pull it."""
    return _move_drawer(state, DRAWER_TRAVEL - 0.004)


def close_drawer(state: SimState) -> Step:
    """Take the handle and push it."""
    return _move_drawer(state, 0.0)


def press_button(state: SimState) -> Step:
    """Close the fingers and push the button down from above."""
    button, tool = state.objects['button'], state.tool_pose
    pressed = state.joints['button']
    gap = float(np.hypot(*(button[:2] - tool[:2])))
    goal = np.array([button[0], button[1], button[2] - 0.024])
    if gap > 0.02 or (state.gripper > 0.3 and tool[2] < button[2] + 0.02):
        goal = over(goal, tool, button[2] + 0.03, funnel=0.02)
    progress = 0.6 * float(np.exp(-gap / 0.15 - tool[2] / 0.6)) + 0.4 * pressed
    return Step(goal, CLOSED, min(1.0, progress + 0.2 * (pressed > 0.6)), slow=0.7)


def holds_handle(state: SimState) -> bool:
    """Say whether the closed fingers have the drawer's handle between them."""
    handle, tool = state.objects['drawer_handle'], state.tool_pose
    gap = float(np.hypot(*(handle[:2] - tool[:2])))
    closed = state.gripper_target < 0.5 and _GRIPPED[0] < state.gripper < _GRIPPED[1]
    return closed and gap < 0.04 and tool[2] < handle[2] + 0.03


def _move_drawer(state: SimState, opening: float) -> Step:
    handle, tool = state.objects['drawer_handle'], state.tool_pose
    gap = float(np.hypot(*(handle[:2] - tool[:2])))
    left = abs(opening - state.joints['drawer'])
    if left < 0.012 and gap < 0.06:
        return _let_go(state)
    if left < 0.012:
        return Step(np.array([*state.tool_target[:2], CRUISE + 0.04]), OPEN, 1.0)
    aside = np.abs(handle[:2] - tool[:2])
    at_handle = aside[0] < 0.015 and aside[1] < 0.02 and tool[2] < handle[2] + 0.02
    closing = state.gripper_target < 0.5
    if holds_handle(state):
        way = state.joints['drawer'] - opening  # the drawer opens towards -x
        goal = np.array([state.tool_target[0] + way, handle[1], handle[2]])
        return Step(goal, CLOSED, 0.5 + 0.45 * (1.0 - left / DRAWER_TRAVEL), slow=0.7)
    # Fingers on their way to the handle go on closing, also where a late command moves the arm.
    shutting = closing and gap < 0.035 and state.gripper > _GRIPPED[0]
    if shutting or (at_handle and (closing or state.gripper > 0.6)):
        return Step(handle[:3], CLOSED, 0.45)
    low = handle[2] + 0.055
    goal = handle[:3].copy()
    if state.gripper < 0.6 and tool[2] < low:
        goal[2] = low
    else:
        goal = over(goal, tool, low)
    return Step(goal, OPEN, 0.35 * float(np.exp(-gap / 0.15)))


def _let_go(state: SimState) -> Step:
    """Open the fingers, then rise off the handle."""
    if state.gripper < 0.6:
        return Step(state.tool_target[:3], OPEN, 0.97)
    return Step(np.array([*state.tool_target[:2], CRUISE + 0.04]), OPEN, 1.0)
