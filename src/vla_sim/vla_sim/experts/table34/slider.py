"""Experts for the sliding door."""

from vla_core.types import SimState
from vla_sim.experts.chunk import Expert
from vla_sim.experts.motion import Step
from vla_sim.experts.table34.handle import drag
from vla_sim.scenes.table_measures import DOOR_TRAVEL


def _move(state: SimState, opening: float) -> Step:
    handle = state.objects['door_handle'][:3]
    target = handle.copy()
    target[1] += opening - state.joints['door']
    return drag(state, handle, target, DOOR_TRAVEL)


EXPERTS: dict[str, Expert] = {
    'move_slider_left': lambda state, start: _move(state, DOOR_TRAVEL - 0.003),
    'move_slider_right': lambda state, start: _move(state, 0.003),
}
