"""An expert's next actions: one exact step, and a chunk whose later rows are predicted."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from vla_core.geometry import compose, inverse
from vla_core.types import ACTION_DIM, SimState
from vla_sim.experts.motion import action, advance, Step
from vla_sim.scenes.table_measures import SWITCH_TRAVEL

Expert = Callable[[SimState, SimState], Step]

_HELD_N = 2.0  # finger force that holds an object [N]
_HELD_M = 0.07  # farthest an object's middle is from the tool that holds it
_BLOCK, _THIN = 0.58, 0.24  # gripper openings at which fingers meet blocks; pegs and handles
_SLACK = 0.1  # of these openings
_GRIP_N = 10.0  # finger force that is foreseen then [N]
_RAILS = {  # handles: their joint, their axis, the joint's way for 1 m of the handle's
    'drawer_handle': ('drawer', 0, -1.0), 'door_handle': ('door', 1, 1.0),
    'switch': ('switch', 0, 1.0 / SWITCH_TRAVEL)}


def expert_step(expert: Expert, state: SimState, start: SimState) -> tuple[np.ndarray, float]:
    """Return the clean (7,) float64 ee_delta action and the progress 0..1."""
    step = expert(state, start)
    return action(state, step), step.progress


def expert_chunk(
    expert: Expert, state: SimState, start: SimState, length: int
) -> tuple[np.ndarray, float]:
    """Return (length, 7) float32 actions and the progress; later rows come from a prediction.

    The prediction is kinematic: the tool goes where it is told, fingers follow their goal until
    they meet something, and what is held moves along. It only has to bridge the time until the
    next chunk.
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
    opening = max(state.gripper + float(np.clip(move[6] - state.gripper, -0.31, 0.31)), 0.0)
    between = _between(state) if move[6] < 0.5 else ''  # 0.31: 0.15 m/s a finger
    held: dict[str, np.ndarray] = {}
    if between:
        opening = max(opening, min(_width(between), state.gripper))
        if opening < _width(between) + _SLACK and state.gripper_target < 0.5:
            held[between] = _carried(state, between, target)
    return replace(
        state, tool_pose=target, tool_target=target, gripper_target=move[6], gripper=opening,
        objects={**state.objects, **held}, joints=_joints(state, held),
        contacts={name: _GRIP_N for name in held if name not in _RAILS})


def _between(state: SimState) -> str:
    """Return what closing fingers meet, or hold already; '' for nothing."""
    for name, pose in state.objects.items():
        away = state.tool_pose[:3] - pose[:3]
        if not (name in _RAILS or name.endswith(('block', 'peg'))) or (
                np.linalg.norm(away) > _HELD_M):
            continue
        around = np.hypot(*away[:2]) < 0.04 and away[2] < 0.03
        if state.contacts.get(name, 0.0) > _HELD_N or (
                around and state.gripper > _width(name) - _SLACK):
            return name
    return ''


def _width(name: str) -> float:
    return _BLOCK if name.endswith('block') else _THIN


def _carried(state: SimState, name: str, target: np.ndarray) -> np.ndarray:
    """Return where (7,) what the fingers hold goes when the tool goes to `target`."""
    if name not in _RAILS:
        return compose(compose(target, inverse(state.tool_pose)), state.objects[name])
    pose, axis = state.objects[name].copy(), _RAILS[name][1]
    pose[axis] += target[axis] - state.tool_pose[axis]
    return pose


def _joints(state: SimState, held: Mapping[str, np.ndarray]) -> Mapping[str, float]:
    """Return the joints after the handles among `held` went where they are there."""
    joints = dict(state.joints)
    for name in held.keys() & _RAILS.keys():
        joint, axis, ratio = _RAILS[name]
        joints[joint] += ratio * float(held[name][axis] - state.objects[name][axis])
    return joints
