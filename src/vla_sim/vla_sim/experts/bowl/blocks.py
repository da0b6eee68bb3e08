"""Experts for lifting blocks and putting them in the bowl."""

import numpy as np
from vla_core.types import SimState
from vla_sim.experts.motion import CLOSED, CRUISE, OPEN, over, Step
from vla_sim.scenes.bowl import BLOCK_SIZE, BOWL_HEIGHT
from vla_sim.tasks.bowl.put import in_bowl

_GRIP_Z = 0.020  # [m] tool height at which a block on the table is gripped
_WIDTH = BLOCK_SIZE / 0.08  # gripper opening when a block is between the pads


def holds(state: SimState, block: str) -> bool:
    """Say whether the closed fingers press on the block."""
    near = np.linalg.norm(state.objects[block][:3] - state.tool_pose[:3]) < 0.035
    return bool(near and state.gripper_target < 0.5 and state.contacts.get(block, 0.0) > 2.0)


def lift(state: SimState, block: str, top: float = 0.15) -> Step:
    """Grip the block and raise it."""
    if holds(state, block):
        raised = state.objects[block][2] - BLOCK_SIZE / 2
        goal = np.array([*state.tool_target[:2], top])
        return Step(goal, CLOSED, min(1.0, 0.6 + 0.4 * raised / 0.055))
    return _grip(state, block, share=0.6)


def put_in_bowl(state: SimState, block: str) -> Step:
    """Grip the block, carry it over the bowl, lower it, let go and move away."""
    bowl, pose = state.objects['bowl'], state.objects[block]
    if in_bowl(state, block) and not _high(state, block):
        return _leave(state)
    if not holds(state, block):
        return _grip(state, block, share=0.4)
    gap = float(np.hypot(*(bowl[:2] - pose[:2])))
    if gap < 0.022 and pose[2] < BOWL_HEIGHT + 0.05:
        return Step(state.tool_target[:3], OPEN, 0.85)
    # Servo on the block, not on the tool: it may sit askew between the fingers.
    goal = state.tool_target[:3] + np.array([*(bowl[:2] - pose[:2]), 0.0])
    goal[2] = 0.075 if gap < 0.022 else CRUISE
    risky = gap > 0.05 and pose[2] < 0.10 and gap < 0.16
    if risky or (pose[2] < 0.07 and gap > 0.05):
        goal[:2] = state.tool_target[:2] + 0.3 * (goal[:2] - state.tool_target[:2])
    return Step(goal, CLOSED, 0.45 + 0.35 * float(np.exp(-gap / 0.15)))


def _high(state: SimState, block: str) -> bool:
    """Say whether the block is still in the hand above the bowl."""
    return holds(state, block) and state.objects[block][2] > BOWL_HEIGHT + 0.05


def _leave(state: SimState) -> Step:
    away = np.array([*state.tool_target[:2], CRUISE + 0.02])
    return Step(away, OPEN, 0.9 if state.gripper < 0.75 else 1.0)


def _grip(state: SimState, block: str, share: float) -> Step:
    pose, tool = state.objects[block], state.tool_pose
    gap = float(np.hypot(*(pose[:2] - tool[:2])))
    grip_z = max(_GRIP_Z, pose[2] - 0.004)
    closing = state.gripper_target < 0.5
    if gap < 0.016 and tool[2] < grip_z + 0.012 and (closing or state.gripper > _WIDTH + 0.2):
        return Step(np.array([*state.tool_target[:2], grip_z]), CLOSED, share * 0.85)
    low = grip_z + 0.045
    goal = np.array([pose[0], pose[1], grip_z])
    if state.gripper < _WIDTH + 0.25 and tool[2] < low + 0.02:
        goal[2] = low + 0.03  # the fingers would land on the block: rise and open first
    else:
        goal = over(goal, tool, low)
    return Step(goal, OPEN, share * 0.7 * float(np.exp(-gap / 0.15 - tool[2] / 0.6)))
