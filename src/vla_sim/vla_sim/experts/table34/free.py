"""Let go of what the hand still has around it from the task before."""

import numpy as np
from vla_core.types import SimState
from vla_sim.experts.chunk import Expert
from vla_sim.experts.motion import OPEN, Step, tool_yaw
from vla_sim.experts.table34.room import plan
from vla_sim.scenes.table_measures import BLOCKS

_TIP = 0.009  # [m] fingertips below the tool's point
_INSIDE = 0.004  # [m] deeper than this in a block's outline is between the fingers
_APART = 0.75  # opening with which fingers leave a block where it is
_OVER = 0.01  # [m] fingertips above it before the hand moves on
_BESIDE = 0.03  # [m] nearer than this a handle is between the fingers
_HANDLES = {'drawer_handle': 0.015, 'door_handle': 0.024, 'switch': 0.0}  # top over its point [m]


def freed(expert: Expert, own: str = '', blocks: bool = True) -> Expert:
    """Return the expert, beginning with an empty hand: off every handle but its `own`.

    With `blocks` it lets go of blocks too; experts that take one see to that themselves.
    """
    def step(state: SimState, start: SimState) -> Step:
        top = handle_top(state, own)
        if blocks:
            top = max(top, block_top(state))
        return leave(state, top) if top else expert(state, start)
    return step


def block_top(state: SimState) -> float:
    """Return the top of the block that is between the fingers [m], 0 for none."""
    tip = state.tool_pose[2] - _TIP
    for block in BLOCKS:
        half, yaw, top = plan(state, block)
        offset = state.tool_pose[:2] - state.objects[block][:2]
        cos, sin = np.cos(yaw), np.sin(yaw)
        inside = np.abs([cos * offset[0] + sin * offset[1], cos * offset[1] - sin * offset[0]])
        if tip < top + _OVER and (inside < half - _INSIDE).all():
            return top
    return 0.0


def handle_top(state: SimState, own: str) -> float:
    """Return the top of the handle that is between the fingers [m], 0 for none or `own`."""
    tip = state.tool_pose[2] - _TIP
    for handle, height in _HANDLES.items():
        offset = state.tool_pose[:2] - state.objects[handle][:2]
        top = state.objects[handle][2] + height
        if handle != own and tip < top + _OVER and np.abs(offset).max() < _BESIDE:
            return top
    return 0.0


def leave(state: SimState, top: float) -> Step:
    """Open the fingers, then rise straight until they are over `top` [m]."""
    yaw = tool_yaw(state.tool_target)
    if state.gripper < _APART:
        return Step(state.tool_target[:3], OPEN, 0.02, yaw=yaw)
    return Step(np.array([*state.tool_target[:2], top + _TIP + 3 * _OVER]), OPEN, 0.04, yaw=yaw)
