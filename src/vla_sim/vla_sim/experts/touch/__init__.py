"""The experts of the touch scene, by task."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from vla_core.types import SimState
from vla_sim.experts.motion import Step
from vla_sim.experts.touch.insert_peg import insert_peg
from vla_sim.experts.touch.pick_by_feel import pick_by_feel

EXPERTS: Mapping[str, Callable[[SimState, SimState], Step]] = MappingProxyType({
    'pick_soft_block': lambda state, start: pick_by_feel(state, 'soft_block'),
    'pick_ridged_block': lambda state, start: pick_by_feel(state, 'ridged_block'),
    'insert_peg': lambda state, start: insert_peg(state),
})
