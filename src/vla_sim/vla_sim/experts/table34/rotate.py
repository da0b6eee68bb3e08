"""Experts for turning blocks: grip across the short side, turn where it lies, let go."""

from functools import partial

import numpy as np
from vla_core.types import SimState
from vla_sim.experts.chunk import Expert
from vla_sim.experts.motion import CLOSED, OPEN, Step, tool_yaw
from vla_sim.experts.table34.grip import holds, let_go
from vla_sim.experts.table34.handle import travel
from vla_sim.experts.table34.push import quarter
from vla_sim.experts.table34.room import plan
from vla_sim.scenes.table_measures import BLOCKS, CABINET_X, EDGE_X, TOP
from vla_sim.tasks.table34.rotate import turn_between, TURNED, TURNS

_TURN = np.deg2rad(78.0)  # aimed at
_ENOUGH = TURNED + 0.08  # [rad] from here on the fingers let go
_LOW = TOP + 0.024  # [m] tool height at which a block is gripped
_HOVER = 0.010  # [m] it is raised while it turns: dragged, it would tip over
_CLEAR = TOP + 0.068  # [m] tool height at which open fingers pass over blocks
_CRUISE = TOP + 0.13  # [m]
_HAND = (0.10, 0.03)  # [m] half the hand along the fingers' way and across
_CABINET = CABINET_X[0] - 0.026  # [m] farther from the robot the hand hits the cabinet's hood
_ROOM_Y = 0.25  # [m] farther from the middle are button and lever
_ASKEW = 0.45  # [rad] the fingers may meet a block askew by
_WIDE = 0.85  # opening with which fingers go down around a block


def rotate(state: SimState, start: SimState, block: str, side: str) -> Step:
    """Turn a block to one side."""
    sign, done = TURNS[side], turn_between(start.objects[block], state.objects[block])[2]
    progress = 0.4 * float(np.clip(sign * done / _ENOUGH, 0.0, 1.0))
    held, left = holds(state, block), sign * _TURN - done
    if not held and sign * done > _ENOUGH:
        return let_go(state)
    if not held:
        return _grip(state, block, _grasp_yaw(start, block, sign) + done, 0.5 + progress)
    offset = state.tool_pose[:2] - state.objects[block][:2]
    spot = np.minimum(start.objects[block][:2] + offset, (_room(state, left), _ROOM_Y))
    spot = np.maximum(spot, (EDGE_X + 0.03, -_ROOM_Y))
    if sign * done > _ENOUGH:
        return _put_down(state, block, spot)
    raised = 'table' not in state.touching[block]
    return _turn(state, spot, left, raised, 0.5 + progress)


def _turn(state: SimState, spot: np.ndarray, left: float, raised: bool, progress: float) -> Step:
    """Raise the block a little, bring it to where the hand has room, turn it."""
    tool, target, here = state.tool_pose, state.tool_target, tool_yaw(state.tool_pose)
    goal = np.array([*(spot if raised else target[:2]), _LOW + _HOVER])
    free = raised and tool[0] < spot[0] + 0.01
    return Step(goal, CLOSED, progress, yaw=here + left if free else tool_yaw(target))


def _put_down(state: SimState, block: str, spot: np.ndarray) -> Step:
    """Lower the block at `spot` and open the fingers."""
    yaw = tool_yaw(state.tool_target)
    if 'table' in state.touching[block]:
        return let_go(state)
    over = np.linalg.norm(state.tool_pose[:2] - spot) < 0.02
    goal = np.array([*spot, _LOW - 0.01 if over else _LOW + _HOVER])
    return Step(goal, CLOSED, 0.92, slow=0.6, yaw=yaw)


def _room(state: SimState, left: float) -> float:
    """Return how far from the robot the tool may be that still has to turn by `left` [m]."""
    here = tool_yaw(state.tool_pose)
    return _CABINET - max(_reach(here + share * left) for share in (0.0, 0.5, 1.0))


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


def _grasp_yaw(start: SimState, block: str, sign: float) -> float:
    """Return the tool's yaw across the short side that keeps the whole turn off the limits."""
    half, yaw, _ = plan(start, block)
    if abs(half[0] - half[1]) < 1e-6:
        return quarter(yaw)
    across = yaw if half[1] < half[0] else yaw + np.pi / 2
    return across - np.pi * float(np.round((across + sign * _TURN / 2) / np.pi))


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
