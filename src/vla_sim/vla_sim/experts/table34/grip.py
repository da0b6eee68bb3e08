"""Take a block off whatever it lies on, carry it, put it down: what block experts share."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from vla_core.types import SimState
from vla_sim.experts.motion import CLOSED, OPEN, Step, tool_yaw
from vla_sim.experts.table34.handle import travel
from vla_sim.experts.table34.room import obstacles, plan, tallest
from vla_sim.scenes.table_measures import BLOCKS

HELD_Z = 0.30  # [m] height at which whatever is held is above everything
_TIP = 0.009  # [m] fingertips below the tool's point
_HAND = 0.0454  # [m] the hand's lower face above it
_DEPTH = 0.026  # [m] tool's point below the block's upper face
_SHALLOW = 0.002  # [m] the least of it
_CLEAR = 0.003  # [m] between fingers or hand and what is below them
_WIDE = 0.85  # opening with which fingers pass a block
_HOLDING = (0.45, 0.98)  # openings with a block between the fingers
_TURN_MAX = 1.75  # [rad] from where the wrist is far from its limits
_NEAR, _STRAIGHT = 0.010, 0.10  # [m], [rad] errors with which fingers go down
_PRESS = 0.003  # [m] the fingers' goal below a block's upper face to drag it
_GAP = 0.005  # [m] over its rest from which a block is let go
# Plan views of what fingers sweep and of the hand, along and across the tool's x (P, 2) [m].
_FINGERS = np.array([(x, side * y) for x in (-0.0115, 0.0, 0.0115) for side in (-1, 1)
                     for y in np.linspace(0.0270, 0.0545, 5)])
_PALM = np.array([(x, y) for x in (-0.032, 0.0, 0.032) for y in np.linspace(-0.102, 0.102, 13)])
_GRID = np.array([(x, y) for x in np.linspace(-1, 1, 7) for y in np.linspace(-1, 1, 7)])


@dataclass(frozen=True)
class Grasp:
    """Where the tool closes its fingers."""

    point: np.ndarray  # (3,) float64 [m]
    yaw: float  # [rad]
    low: float  # height of the tool from which fingers pass over the block [m]
    near: float  # sideways error with which they may go down [m]
    room: bool  # for the fingers beside the block


def holds(state: SimState, block: str) -> bool:
    """Say whether the closed fingers have the block between them."""
    pose, tool = state.objects[block], state.tool_pose
    between = _HOLDING[0] < state.gripper < _HOLDING[1] and state.gripper_target < 0.5
    if not between or state.contacts.get(block, 0.0) < 2.0:
        return False
    beside = tool[2] - _TIP < plan(state, block)[2] - 0.003
    return bool(beside and np.linalg.norm(pose[:3] - tool[:3]) < 0.06)


def held_block(state: SimState) -> str:
    """Return the block between the closed fingers, '' for none."""
    return next((block for block in BLOCKS if holds(state, block)), '')


def grip(state: SimState, block: str, share: float) -> Step:
    """Take hold of a block from above; `share` of the task is done when it is held."""
    grasp, tool = find_grasp(state, block), state.tool_pose
    if not grasp.room:
        return _rub(state, block, share)
    goal, low = grasp.point, grasp.low
    gap = float(np.hypot(*(goal[:2] - tool[:2])))
    askew = abs(grasp.yaw - tool_yaw(tool))
    below = tool[2] < low - 0.004
    ready = gap < (grasp.near + 0.004 if below else grasp.near) and askew < (
        0.2 if below else _STRAIGHT)
    closing = state.gripper_target < 0.5  # the block is between them, wherever they are by now
    if ready and tool[2] < goal[2] + 0.008 and (closing or state.gripper > _WIDE):
        return Step(goal, CLOSED, share * 0.9, yaw=grasp.yaw)
    progress = share * 0.8 * float(np.exp(-gap / 0.2 - max(0.0, tool[2] - goal[2]) / 0.5))
    if below and state.gripper < _WIDE:
        around = ready and state.gripper > 0.55
        height = tool[2] if around else low + 0.02
        return Step(np.array([*tool[:2], height]), OPEN, progress, yaw=tool_yaw(tool))
    if not ready or state.gripper < _WIDE:
        goal = travel(np.array([*goal[:2], low]), tool, low, 0.8 * grasp.near, cruise=HELD_Z)
    return Step(goal, OPEN, progress, yaw=grasp.yaw)


def _rub(state: SimState, block: str, share: float) -> Step:
    """Drag a block by its top, with closed fingers, from a wall that leaves them no room."""
    tool, (half, turn, top) = state.tool_pose, plan(state, block)
    spot, boxes = state.objects[block][:2], obstacles(state, without=block)
    sides = _placed(np.array([(half[0], 0), (-half[0], 0), (0, half[1]), (0, -half[1])]) * 2.5,
                    spot, turn)
    aim = min(sides, key=lambda side: tallest(boxes, np.linspace(spot, side, 9)))
    way = (aim - spot) / np.linalg.norm(aim - spot)
    low, gap = top + _TIP + 0.012, float(np.hypot(*(spot - tool[:2])))
    yaw = _nearest(turn, tool_yaw(tool), np.pi / 2)
    if state.gripper > 0.1 or gap > 0.02:
        goal = travel(np.array([*spot, low]), tool, low, _NEAR, cruise=HELD_Z)
    elif tool[2] > top + _TIP + 0.001:
        goal = np.array([*spot, top + _TIP - _PRESS])
    else:
        goal = np.array([*(tool[:2] + 0.02 * way), top + _TIP - _PRESS])
    return Step(goal, CLOSED, share * 0.4, slow=0.5, yaw=yaw)


def raised(state: SimState, height: float = HELD_Z, progress: float = 1.0) -> Step:
    """Return the step that takes what is held straight up to `height` [m]."""
    tool = state.tool_target
    return Step(np.array([*tool[:2], height]), CLOSED, progress, yaw=tool_yaw(tool))


def let_go(state: SimState) -> Step:
    """Open the fingers, then rise."""
    yaw = tool_yaw(state.tool_target)
    if state.gripper < 0.7:
        return Step(state.tool_target[:3], OPEN, 0.95, yaw=yaw)
    return Step(np.array([*state.tool_target[:2], HELD_Z]), OPEN, 1.0, yaw=yaw)


def put(state: SimState, block: str, spot: np.ndarray, clear: float, turn: float) -> Step:
    """Bring the held block's middle to `spot` (3,) [m], turned by `turn` [rad], and let go.

    On its way its lower face stays above `clear` [m]. It is let go higher where the hand has no
    room below.
    """
    pose, tool, top = state.objects[block], state.tool_pose, plan(state, block)[2]
    yaw = put_yaw(state, block, turn)
    offset, bottom = tool[:3] - pose[:3], 2.0 * pose[2] - top
    goal = np.array(spot) + offset
    goal[2] = max(goal[2], floor(obstacles(state, without=block), goal, yaw))
    gap, askew = float(np.hypot(*(spot[:2] - pose[:2]))), abs(yaw - tool_yaw(tool))
    above = bottom > clear
    ready = gap < (_NEAR if above else 0.016) and askew < (_STRAIGHT if above else 0.2)
    if ready and tool[2] < goal[2] + _GAP:
        return Step(state.tool_target[:3], OPEN, 0.9, yaw=yaw)
    low = clear + 0.005 + tool[2] - bottom
    if not ready:
        goal = travel(np.array([*goal[:2], low]), tool, low, _NEAR, cruise=max(HELD_Z, low))
    progress = 0.5 + 0.35 * float(np.exp(-gap / 0.15))
    return Step(goal, CLOSED, progress, slow=1.0 if above else 0.6, yaw=yaw)


def put_yaw(state: SimState, block: str, turn: float) -> float:
    """Return the tool's yaw at which the held block is turned by `turn` (as good as) [rad]."""
    half, now, _ = plan(state, block)
    square, tool = abs(half[0] - half[1]) < 0.002, tool_yaw(state.tool_pose)
    return _nearest(tool + turn - now, tool, np.pi / (1 + square))


def floor(boxes: np.ndarray, point: np.ndarray, yaw: float) -> float:
    """Return the least height of the tool at `point` (2 or 3,) with room to open [m]."""
    fingers = tallest(boxes, _placed(_FINGERS, point, yaw))
    palm = tallest(boxes, _placed(_PALM, point, yaw))
    return max(fingers + _TIP, palm - _HAND) + _CLEAR


def fits(state: SimState, block: str, spots: np.ndarray, height: float, turn: float) -> np.ndarray:
    """Return the first of `spots` (N, 2) [m] where a held block has room, else the roomiest.

    Nothing there may be taller than `height` [m] under the block; best is also room for fingers.
    """
    boxes, (half, _, _) = obstacles(state, without=block), plan(state, block)
    yaw, under, crowds = put_yaw(state, block, turn), _GRID * (half + _CLEAR), []
    for spot in spots:
        blocked = tallest(boxes, _placed(under, spot, turn)) > height
        crowds.append(blocked + max(0.0, floor(boxes, spot, yaw) - height - 0.02))
        if crowds[-1] == 0.0:
            break
    return spots[int(np.argmin(crowds))]


def find_grasp(state: SimState, block: str) -> Grasp:
    """Return the grasp that needs the least turning and keeps clear of what is around."""
    boxes, (_, _, top) = obstacles(state, without=block), plan(state, block)
    best, least = None, np.inf
    for effort, point, yaw, aside in sorted(
            _options(state, block), key=lambda option: option[0]):
        if effort >= least:
            break
        height = max(top - _DEPTH, floor(boxes, point, yaw))
        excess = height - (top - _DEPTH)
        cost = effort + 30.0 * excess + 10.0 * (height > top - _SHALLOW)
        if cost < least:
            low = max(top, tallest(boxes, _placed(_FINGERS, point, yaw))) + _TIP + 0.010
            point = np.array([*point, min(height, top - _SHALLOW)])
            near, room = _NEAR - 0.5 * abs(aside), height < top - _SHALLOW
            best, least = Grasp(point, yaw, low, near, room), cost
    return best


def _options(state: SimState, block: str) -> Iterator[tuple[float, np.ndarray, float, float]]:
    """Yield (effort, point (2,) [m], yaw [rad], sideways shift [m]) of ways to take a block.

    They are across each short side, also off the block's middle, where there is room for it.
    """
    half, turn, _ = plan(state, block)
    now = tool_yaw(state.tool_pose)
    for axis in (0, 1):
        if half[1 - axis] > 0.03:
            continue
        yaw = _nearest(turn + axis * np.pi / 2, now, np.pi)
        effort = 0.25 * abs(yaw - now) + 0.05 * abs(yaw)
        room = half[axis] - 0.013
        for along in (0.0, room / 2, -room / 2, room, -room):
            for aside in (0.0, 0.006, -0.006):
                point = _placed(np.array([[along, aside]]), state.objects[block][:2], yaw)[0]
                yield effort + 4.0 * abs(along) + 6.0 * abs(aside), point, yaw, aside


def _placed(points: np.ndarray, at: np.ndarray, yaw: float) -> np.ndarray:
    """Return (P, 2) points of the tool's plan view when it is `at` (2,), turned by `yaw`."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return at[:2] + points @ np.array([[cos, sin], [-sin, cos]])


def _nearest(yaw: float, now: float, period: float) -> float:
    """Return the equal of `yaw` modulo `period` within the wrist's reach that is nearest `now`."""
    first = yaw - period * np.floor((yaw + _TURN_MAX) / period)
    equals = np.arange(first, _TURN_MAX, period)
    return float(min(equals, key=lambda angle: abs(angle - now) + 0.2 * abs(angle)))
