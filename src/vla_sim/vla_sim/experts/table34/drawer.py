"""Experts for the drawer."""

from vla_core.types import SimState
from vla_sim.experts.chunk import Expert
from vla_sim.experts.motion import Step
from vla_sim.experts.table34.handle import drag
from vla_sim.scenes.table_measures import DRAWER_TRAVEL


def _move(state: SimState, opening: float) -> Step:
    handle = state.objects['drawer_handle'][:3]
    target = handle.copy()
    target[0] -= opening - state.joints['drawer']  # it opens towards the robot
    return drag(state, handle, target, DRAWER_TRAVEL)


EXPERTS: dict[str, Expert] = {
    'open_drawer': lambda state, start: _move(state, DRAWER_TRAVEL - 0.003),
    'close_drawer': lambda state, start: _move(state, 0.003),
}
