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
_OVER = 0.02  # [m] above the block before the hand moves on


def freed(expert: Expert) -> Expert:
    """Return the expert of a task that needs an empty hand, beginning with emptying it."""
    def step(state: SimState, start: SimState) -> Step:
        block = between(state)
        return leave(state, block) if block else expert(state, start)
    return step


def between(state: SimState) -> str:
    """Return the block that has the tool's point within its outline and height, '' for none."""
    tip = state.tool_pose[2] - _TIP
    for block in BLOCKS:
        half, yaw, top = plan(state, block)
        offset = state.tool_pose[:2] - state.objects[block][:2]
        cos, sin = np.cos(yaw), np.sin(yaw)
        inside = np.abs([cos * offset[0] + sin * offset[1], cos * offset[1] - sin * offset[0]])
        if tip < top + 0.5 * _OVER and (inside < half - _INSIDE).all():
            return block
    return ''


def leave(state: SimState, block: str) -> Step:
    """Open the fingers, then rise straight until they are over the block."""
    yaw = tool_yaw(state.tool_target)
    if state.gripper < _APART:
        return Step(state.tool_target[:3], OPEN, 0.02, yaw=yaw)
    height = plan(state, block)[2] + _TIP + 2 * _OVER
    return Step(np.array([*state.tool_target[:2], height]), OPEN, 0.04, yaw=yaw)
