"""Scripted experts: stateless functions of the privileged state, one for each task."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from vla_core.errors import UnknownNameError
from vla_core.geometry import compose, inverse
from vla_core.types import ACTION_DIM, SimState
from vla_sim.experts import blocks, fixtures
from vla_sim.experts.motion import action, advance, Step
from vla_sim.scene import BLOCK_COLOURS

_STEPS: dict[str, Callable[[SimState], Step]] = {
    'open_drawer': fixtures.open_drawer,
    'close_drawer': fixtures.close_drawer,
    'press_button': fixtures.press_button,
}
for _block in BLOCK_COLOURS:
    _STEPS[f'lift_{_block}'] = lambda state, block=_block: blocks.lift(state, block)
    _STEPS[f'put_{_block}_in_bowl'] = lambda state, block=_block: blocks.put_in_bowl(state, block)
EXPERTS: Mapping[str, Callable[[SimState], Step]] = MappingProxyType(_STEPS)


def expert_step(state: SimState, task: str) -> tuple[np.ndarray, float]:
    """Return the clean (7,) float64 ee_delta action and the progress 0..1."""
    if task not in EXPERTS:
        raise UnknownNameError('task', task, EXPERTS)
    step = EXPERTS[task](state)
    return action(state, step), step.progress


def expert_chunk(state: SimState, task: str, length: int) -> tuple[np.ndarray, float]:
    """Return (length, 7) float32 actions and the progress; later rows come from a prediction.

    The prediction is kinematic: the tool goes where it is told, fingers follow their goal, and
    what is held moves along. It only has to bridge the time until the next chunk.
    """
    rows = np.empty((length, ACTION_DIM), dtype=np.float32)
    progress = 0.0
    for k in range(length):
        rows[k], share = expert_step(state, task)
        progress = share if k == 0 else progress
        state = _predicted(state, rows[k].astype(np.float64))
    return rows, progress


def _predicted(state: SimState, move: np.ndarray) -> SimState:
    target = advance(state, move)
    fingers = float(np.clip(move[6] - state.gripper, -0.31, 0.31))  # 0.15 m/s a finger
    held = _carried(state, target) if move[6] < 0.5 else {}
    drawer = state.joints['drawer']
    if 'drawer_handle' in held:  # it opens towards -x and goes nowhere else
        drawer -= float(target[0] - state.tool_pose[0])
    return replace(
        state, tool_pose=target, tool_target=target, gripper_target=move[6],
        gripper=state.gripper if held else max(state.gripper + fingers, 0.0),
        objects={**state.objects, **held}, joints={**state.joints, 'drawer': drawer},
        contacts={name: state.contacts.get(name, 0.0) for name in held})


def _carried(state: SimState, target: np.ndarray) -> dict[str, np.ndarray]:
    """Return where (7,) what the fingers hold goes when the tool goes to `target`."""
    moved = compose(target, inverse(state.tool_pose))
    held = {name: compose(moved, pose) for name, pose in state.objects.items()
            if name in BLOCK_COLOURS and blocks.holds(state, name)}
    if fixtures.holds_handle(state):
        held['drawer_handle'] = state.objects['drawer_handle'].copy()
        held['drawer_handle'][0] += target[0] - state.tool_pose[0]
    return held
