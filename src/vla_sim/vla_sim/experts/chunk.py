"""An expert's next actions: one exact step, and a chunk whose later rows are predicted."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from vla_core.geometry import compose, inverse
from vla_core.types import ACTION_DIM, SimState
from vla_sim.experts.motion import action, advance, Step

Expert = Callable[[SimState, SimState], Step]

_HELD_N = 2.0  # finger force that holds an object [N]
_HELD_M = 0.07  # farthest an object's middle is from the tool that holds it
_HANDLE_SPAN = (0.05, 0.55)  # gripper openings with a handle between the fingers


def expert_step(expert: Expert, state: SimState, start: SimState) -> tuple[np.ndarray, float]:
    """Return the clean (7,) float64 ee_delta action and the progress 0..1."""
    step = expert(state, start)
    return action(state, step), step.progress


def expert_chunk(
    expert: Expert, state: SimState, start: SimState, length: int
) -> tuple[np.ndarray, float]:
    """Return (length, 7) float32 actions and the progress; later rows come from a prediction.

    The prediction is kinematic: the tool goes where it is told, fingers follow their goal, and
    what is held moves along. It only has to bridge the time until the next chunk.
    """
    rows = np.empty((length, ACTION_DIM), dtype=np.float32)
    progress = 0.0
    for k in range(length):
        rows[k], share = expert_step(expert, state, start)
        progress = share if k == 0 else progress
        if k + 1 < length:
            state = _predicted(state, rows[k].astype(np.float64))
    return rows, progress


def _predicted(state: SimState, move: np.ndarray) -> SimState:
    target = advance(state, move)
    fingers = float(np.clip(move[6] - state.gripper, -0.31, 0.31))  # 0.15 m/s a finger
    held = _carried(state, target) if move[6] < 0.5 else {}
    drawer = state.joints.get('drawer', 0.0)
    if 'drawer_handle' in held:  # it opens towards -x and goes nowhere else
        drawer -= float(target[0] - state.tool_pose[0])
    joints = {**state.joints, 'drawer': drawer} if 'drawer' in state.joints else state.joints
    return replace(
        state, tool_pose=target, tool_target=target, gripper_target=move[6],
        gripper=state.gripper if held else max(state.gripper + fingers, 0.0),
        objects={**state.objects, **held}, joints=joints,
        contacts={name: state.contacts.get(name, 0.0) for name in held})


def _carried(state: SimState, target: np.ndarray) -> dict[str, np.ndarray]:
    """Return where (7,) what the fingers hold goes when the tool goes to `target`."""
    if state.gripper_target >= 0.5:
        return {}
    moved = compose(target, inverse(state.tool_pose))
    held = {name: compose(moved, state.objects[name])
            for name, force in state.contacts.items() if force > _HELD_N
            and np.linalg.norm(state.objects[name][:3] - state.tool_pose[:3]) < _HELD_M}
    if _holds_handle(state):
        held['drawer_handle'] = state.objects['drawer_handle'].copy()
        held['drawer_handle'][0] += target[0] - state.tool_pose[0]
    return held


def _holds_handle(state: SimState) -> bool:
    handle, tool = state.objects.get('drawer_handle'), state.tool_pose
    if handle is None or not _HANDLE_SPAN[0] < state.gripper < _HANDLE_SPAN[1]:
        return False
    return bool(np.hypot(*(handle[:2] - tool[:2])) < 0.04 and tool[2] < handle[2] + 0.03)
