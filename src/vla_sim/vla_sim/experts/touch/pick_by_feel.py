"""Expert for the block that feels right: try the first slot, and the second if that is wrong.

It knows which block is where but acts as if it did not: it always squeezes the block nearer the
robot first, and only what the squeeze tells decides. Its phase is in the tool's place alone, so
a policy that sees no memory can follow: low and at the first slot's near edge, squeeze; low and
beyond it, go on to the second slot; wrong there too, rise and begin again.
"""

import numpy as np
from vla_core.types import SimState
from vla_sim.experts.motion import CLOSED, OPEN, over, Step
from vla_sim.scenes.touch import BLOCK_SIZE, BLOCKS, RIM, SLOT

_GRIP_Z = 0.036  # [m] tool height: the block's upper edge lies across the gel
_LOW = _GRIP_Z + 0.012  # [m] a tool below it is at a slot or on its way between the two
_EARLY = 0.006  # [m] short of the first block's middle, where it is squeezed
_PASSED = 0.014  # [m] beyond that place the tool is on its way to the second slot
_TOP = 0.15  # [m] where a block is taken to
_FELT_N = 10.0  # finger force that tells what the block is
_NEAR = (0.010, 0.012)  # [m] along x and y, from where a block is gripped
_AROUND = (0.020, 0.014)  # [m] open fingers go down on both sides of the block
_ASTRAY = 0.012  # [m] farther from its slot a block was pushed out of it
_WIDE = 0.93  # opening with which fingers may go down around a block


def pick_by_feel(state: SimState, wanted: str) -> Step:
    """Squeeze the blocks in turn and lift the wanted one."""
    first, second = sorted(BLOCKS, key=lambda name: state.objects[name][0])
    squeezed = _squeezed(state)
    if squeezed == wanted:
        raised = state.objects[wanted][2] - BLOCK_SIZE / 2
        goal = np.array([*state.tool_target[:2], _TOP])
        return Step(goal, CLOSED, min(1.0, 0.7 + 0.3 * raised / RIM), slow=0.8)
    if squeezed == first:
        return Step(_place(state, second, SLOT), OPEN, 0.4, slow=0.4)
    if squeezed == second:
        return Step(np.array([*state.tool_target[:2], _TOP]), OPEN, 0.2)
    return _search(state, _place(state, first, -SLOT), _place(state, second, SLOT))


def _search(state: SimState, first: np.ndarray, second: np.ndarray) -> Step:
    """Go to the first place (3,) from above, or to the second from the first."""
    tool, closing = state.tool_pose, state.gripper_target < 0.5
    entry = first - np.array([_EARLY, 0.0, 0.0])
    opening = not closing and state.gripper < _WIDE  # low, only after a squeeze
    passed = tool[2] < _LOW and (opening or tool[0] > entry[0] + _PASSED)
    goal = second.copy() if passed else entry
    aside = np.abs(tool[:2] - goal[:2])
    if (aside < _NEAR).all() and tool[2] < _GRIP_Z + 0.008 and not opening:
        return Step(goal, CLOSED, 0.6 if passed else 0.3)
    if passed:
        return Step(goal, OPEN, 0.5, slow=0.8)
    high = RIM + 0.03
    if state.gripper < _WIDE:
        goal[2] = max(tool[2], high)  # the fingers would land on the block: open first
    elif (aside > _AROUND).any():
        goal = over(goal, tool, high)
    return Step(goal, OPEN, 0.25 * float(np.exp(-aside.max() / 0.15 - tool[2] / 0.6)), slow=0.8)


def _squeezed(state: SimState) -> str:
    """Return the block that closed fingers press firmly, '' for none."""
    if state.gripper_target >= 0.5:
        return ''
    return next((name for name in BLOCKS if state.contacts.get(name, 0.0) > _FELT_N), '')


def _place(state: SimState, block: str, slot: float) -> np.ndarray:
    """Return (3,) where the tool grips the block [m]: in its slot, unless it was pushed out.

    How it lies within the slot nobody sees, and the fingers close over all of that.
    """
    middle = state.objects['box'][:2] + np.array([slot, 0.0])
    lies = state.objects[block][:2]
    spot = middle if np.abs(lies - middle).max() < _ASTRAY else lies
    return np.array([*spot, _GRIP_Z])
