"""Expert for the hidden hole: press lightly where it should be and search along a square spiral.

Where the hole is it learns as a policy could: the peg's foot drops, and the force on the tool
is gone. The phase is in the tool's place: above the plate go to its middle; on it go on along
the spiral from the nearest point of it; at its end rise, and so begin again. A peg that was
dropped and still stands is taken again.
"""

import numpy as np
from vla_core.geometry import quat_to_matrix
from vla_core.types import SimState
from vla_sim.experts.motion import CLOSED, GAIN, OPEN, over, Step
from vla_sim.scenes.touch import HOLE_RANGE, HOLE_SIZE, PEG_GRIP, PEG_LENGTH, PEG_SIZE
from vla_sim.tasks.touch.insert_peg import IN, peg_foot

_PITCH = 0.0045  # [m] between the spiral's arms
_STRIDE = 0.0027  # [m] along the spiral a policy step
_PRESS = 0.0020  # [m] the foot is aimed into the plate
_SOFTLY = 0.0020  # [m] a policy step, down to the plate
_ABOVE = 0.006  # [m] over the plate the foot is free to go anywhere
_CAUGHT = (HOLE_SIZE - PEG_SIZE) / 2 + 0.001  # [m] nearer, the foot drops in over the edge
_UPRIGHT = 0.97  # cosine of the tilt of a peg that still stands
_WIDE = 0.6  # opening with which fingers may go down around a peg
_DEEP = IN + 0.004  # [m]


def insert_peg(state: SimState) -> Step:
    """Find the hole, push the peg in and let it go."""
    foot, hole = peg_foot(state.objects['peg']), state.objects['hole']
    depth = hole[2] - foot[2]
    aside = float(np.abs(foot[:2] - hole[:2]).max())
    if depth > _DEEP or (depth > IN and state.gripper_target > 0.5):
        return _leave(state)
    if not _held(state):
        return _grip(state)
    if depth > 2 * _PRESS or aside < _CAUGHT:
        return _push(state, hole[:3] - foot)
    return _seek(state, foot)


def _leave(state: SimState) -> Step:
    """Open the fingers, then rise off the peg."""
    if state.gripper < 0.5:
        return Step(state.tool_target[:3], OPEN, 0.95)
    return Step(np.array([*state.tool_target[:2], 0.17]), OPEN, 1.0)


def _held(state: SimState) -> bool:
    """Say whether closed fingers press on the peg."""
    return state.gripper_target < 0.5 and state.contacts.get('peg', 0.0) > 2.0


def _grip(state: SimState) -> Step:
    """Take a peg that was lost but stands; leave one that fell."""
    peg, tool = state.objects['peg'], state.tool_pose
    if quat_to_matrix(peg[3:])[2, 2] < _UPRIGHT:
        return Step(state.tool_target[:3], OPEN, 0.0)
    goal = peg[:3] + np.array([0.0, 0.0, PEG_GRIP])
    aside = float(np.hypot(*(goal[:2] - tool[:2])))
    closing = state.gripper_target < 0.5
    if aside < 0.010 and tool[2] < goal[2] + 0.010 and (closing or state.gripper > _WIDE):
        return Step(goal, CLOSED, 0.2)
    top = peg[2] + PEG_LENGTH / 2 + 0.015  # fingers clear of the peg
    if state.gripper < _WIDE:
        goal[2] = max(tool[2], top)
    else:
        goal = over(goal, tool, top)
    return Step(goal, OPEN, 0.1)


def _push(state: SimState, gap: np.ndarray) -> Step:
    """Go down where the peg has dropped, giving way sideways to the hole's walls."""
    goal = state.tool_target[:3] + np.array([*gap[:2], -0.02])
    return Step(goal, CLOSED, 0.6 + 0.3 * float(np.clip(gap[2] / _DEEP, 0.0, 1.0)), slow=0.3)


def _seek(state: SimState, foot: np.ndarray) -> Step:
    """Go down to the plate's middle, then along the spiral."""
    plate, target = state.objects['plate'][:3], state.tool_target[:3]
    hand = state.tool_pose[:3] - foot  # the tool seen from the foot it holds
    aimed = target - hand  # where the foot would be without the plate
    offset = aimed[:2] - plate[:2]
    if aimed[2] > plate[2] + _ABOVE:
        goal = over(plate - (0.0, 0.0, _PRESS), aimed, plate[2] + 0.012, funnel=0.003)
        near = float(np.exp(-np.hypot(*offset) / 0.15))
        return Step(goal + hand, CLOSED, 0.3 * near)
    if foot[2] > plate[2] + 0.0005 and aimed[2] > plate[2] - 0.9 * _PRESS:
        down = np.array([*aimed[:2], max(aimed[2] - _SOFTLY / GAIN, plate[2] - _PRESS)])
        return Step(down + hand, CLOSED, 0.3)
    walked = _walked(offset)
    if walked > _LENGTH - 0.001:
        return Step(np.array([*target[:2], target[2] + 0.04]), CLOSED, 0.3)
    aim = np.array([*(plate[:2] + _at(walked + _STRIDE)), plate[2] - _PRESS])
    return Step(target + (aim - aimed) / GAIN, CLOSED, 0.3 + 0.3 * walked / _LENGTH)


def _spiral() -> np.ndarray:
    """Return (N, 2) corners of a square spiral from the middle to HOLE_RANGE [m]."""
    corners = [(0.0, 0.0)]
    for ring in range(1, int(np.ceil((HOLE_RANGE - _CAUGHT) / _PITCH)) + 1):
        corners += [(ring, 1 - ring), (ring, ring), (-ring, ring), (-ring, -ring),
                    (ring, -ring)]
    return _PITCH * np.array(corners, dtype=np.float64)


_CORNERS = _spiral()
_SIDES = np.diff(_CORNERS, axis=0)
_LENGTHS = np.hypot(_SIDES[:, 0], _SIDES[:, 1])
_STARTS = np.concatenate([[0.0], np.cumsum(_LENGTHS)])
_LENGTH = float(_STARTS[-1])


def _walked(offset: np.ndarray) -> float:
    """Return how far along the spiral its point nearest to (2,) `offset` is [m]."""
    share = ((offset - _CORNERS[:-1]) * _SIDES).sum(axis=1) / _LENGTHS**2
    share = np.clip(share, 0.0, 1.0)
    gaps = np.linalg.norm(_CORNERS[:-1] + share[:, None] * _SIDES - offset, axis=1)
    side = int(np.argmin(gaps))
    return float(_STARTS[side] + share[side] * _LENGTHS[side])


def _at(walked: float) -> np.ndarray:
    """Return the (2,) point `walked` along the spiral [m]."""
    return np.array([np.interp(walked, _STARTS, _CORNERS[:, i]) for i in range(2)])
