"""Experts for turning blocks: grip across the short side, turn where it lies, let go."""

from functools import partial

import numpy as np
from vla_core.types import SimState
from vla_sim.experts.chunk import Expert
from vla_sim.experts.motion import CLOSED, OPEN, Step, tool_yaw
from vla_sim.experts.table34.handle import travel
from vla_sim.experts.table34.push import footprint
from vla_sim.scenes.table_measures import BLOCKS, CABINET_X, TOP
from vla_sim.tasks.table34.rotate import turn_between, TURNED, TURNS

_TURN = np.deg2rad(78.0)  # aimed at
_ENOUGH = TURNED + 0.08  # [rad] from here on the fingers let go
_LOW = TOP + 0.024  # [m] tool height at which a block is gripped
_HOVER = 0.010  # [m] it is raised while it turns: dragged, it would tip over
_CLEAR = TOP + 0.068  # [m] tool height at which open fingers pass over blocks
_CRUISE = TOP + 0.13  # [m]
_HAND = (0.10, 0.03)  # [m] half the hand along the fingers' way and across
_CABINET = CABINET_X[0] - 0.026  # [m] farther from the robot the hand hits the cabinet's hood
_ASKEW = 0.45  # [rad] the fingers may meet a block askew by
_WIDE = 0.85  # opening with which fingers go down around a block


def rotate(state: SimState, start: SimState, block: str, side: str) -> Step:
    """Turn a block to one side."""
    sign, done = TURNS[side], turn_between(start.objects[block], state.objects[block])[2]
    progress = 0.4 * float(np.clip(sign * done / _ENOUGH, 0.0, 1.0))
    held = _holds(state, block)
    if sign * done > _ENOUGH:
        down = 'table' in state.touching.get(block, ())
        return _lower(state) if held and not down else _let_go(state)
    if not held:
        return _grip(state, block, _grasp_yaw(start, block, sign) + done, 0.5 + progress)
    step = _turn(state, sign * _TURN - done)
    return Step(step.goal, CLOSED, 0.5 + progress, yaw=step.yaw)


def _turn(state: SimState, left: float) -> Step:
    """Raise the block a little, bring it to where the hand has room, turn it."""
    tool, target, here = state.tool_pose, state.tool_target, tool_yaw(state.tool_pose)
    room = _CABINET - max(_reach(here + share * left) for share in (0.0, 0.5, 1.0))
    goal = np.array([min(target[0], room), target[1], _LOW + _HOVER])
    if tool[2] < _LOW + _HOVER - 0.004:
        goal[:2] = target[:2]
    free = tool[2] > _LOW + _HOVER - 0.004 and tool[0] < room + 0.01
    return Step(goal, CLOSED, 0.0, yaw=here + left if free else tool_yaw(target))


def _lower(state: SimState) -> Step:
    """Put the block down."""
    return Step(np.array([*state.tool_target[:2], _LOW - 0.01]), CLOSED, 0.92,
                slow=0.5, yaw=tool_yaw(state.tool_target))


def _grip(state: SimState, block: str, grasp: float, share: float) -> Step:
    pose, tool = state.objects[block], state.tool_pose
    yaw = _beside_cabinet(grasp, pose[0])
    turn = abs(yaw - tool_yaw(tool))
    gap = float(np.hypot(*(pose[:2] - tool[:2])))
    goal = np.array([*pose[:2], _LOW])
    closing = state.gripper_target < 0.5
    if gap < 0.012 and turn < 0.12 and tool[2] < _LOW + 0.008 and (
            closing or state.gripper > _WIDE):
        return Step(goal, CLOSED, share * 0.9, yaw=yaw)
    ready = state.gripper > _WIDE and turn < 0.12
    goal = travel(goal, tool, _CLEAR, cruise=_CRUISE)
    if not ready:
        goal[2] = max(goal[2], _CLEAR)
    near = float(np.exp(-gap / 0.15 - turn / 2.0 - (tool[2] - _LOW) / 0.6))
    return Step(goal, OPEN, share * 0.8 * near, yaw=_by_front(state, yaw))


def _let_go(state: SimState) -> Step:
    """Open the fingers, then rise."""
    yaw = tool_yaw(state.tool_target)
    if state.gripper < 0.8 and state.tool_pose[2] < _CLEAR:
        return Step(state.tool_target[:3], OPEN, 0.95, yaw=yaw)
    return Step(np.array([*state.tool_target[:2], _CRUISE]), OPEN, 1.0, yaw=yaw)


def _holds(state: SimState, block: str) -> bool:
    near = np.linalg.norm(state.objects[block][:3] - state.tool_pose[:3]) < 0.035
    return bool(near and state.gripper_target < 0.5 and state.contacts.get(block, 0.0) > 2.0)


def _grasp_yaw(start: SimState, block: str, sign: float) -> float:
    """Return the tool's yaw across the short side that keeps the whole turn off the limits."""
    half, yaw = footprint(start, block)
    across = yaw if half[1] <= half[0] else yaw + np.pi / 2
    period = np.pi / 2 if abs(half[0] - half[1]) < 1e-6 else np.pi
    middle = across + sign * _TURN / 2
    return across - period * float(np.round(middle / period))


def _reach(yaw: float) -> float:
    """Return how far the hand reaches along x from the tool [m]."""
    return float(_HAND[0] * abs(np.sin(yaw)) + _HAND[1] * abs(np.cos(yaw)))


def _beside_cabinet(yaw: float, x: float) -> float:
    """Return the yaw nearest to `yaw` at which the hand has room at `x` [m], if one is near."""
    offsets = sorted(np.linspace(-_ASKEW, _ASKEW, 19), key=abs)
    return next((yaw + off for off in offsets if x + _reach(yaw + off) < _CABINET), yaw)


def _by_front(state: SimState, yaw: float) -> float:
    """Return a yaw on the way to `yaw` that does not turn through the back of the wrist."""
    here = tool_yaw(state.tool_target)
    return here + float(np.clip(yaw - here, -2.0, 2.0))


EXPERTS: dict[str, Expert] = {
    f'rotate_{block}_{side}': partial(rotate, block=block, side=side)
    for block in BLOCKS for side in TURNS}
