"""Experts for lifting blocks."""

from functools import partial

from vla_core.types import SimState
from vla_sim.experts.chunk import Expert
from vla_sim.experts.motion import Step
from vla_sim.experts.table34.grip import grip, holds, raised
from vla_sim.scenes.table_measures import BLOCKS
from vla_sim.tasks.table34.lift import RAISED


def lift(state: SimState, start: SimState, block: str, surface: str) -> Step:
    """Grip the block and raise it."""
    if not holds(state, block):
        return grip(state, block, share=0.6)
    rise = state.objects[block][2] - start.objects[block][2]
    return raised(state, progress=min(1.0, 0.6 + 0.4 * max(0.0, rise) / (RAISED[surface] + 0.02)))


EXPERTS: dict[str, Expert] = {
    f'lift_{block}_{surface}': partial(lift, block=block, surface=surface)
    for surface in RAISED for block in BLOCKS}
