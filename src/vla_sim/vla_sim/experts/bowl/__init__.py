"""The experts of the bowl scene, by task."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from vla_core.types import SimState
from vla_sim.experts.bowl import blocks, fixtures
from vla_sim.experts.motion import Step
from vla_sim.scenes.bowl import BLOCK_COLOURS

_STEPS: dict[str, Callable[[SimState, SimState], Step]] = {
    'open_drawer': lambda state, start: fixtures.open_drawer(state),
    'close_drawer': lambda state, start: fixtures.close_drawer(state),
    'press_button': lambda state, start: fixtures.press_button(state),
}
for _block in BLOCK_COLOURS:
    _STEPS[f'lift_{_block}'] = (
        lambda state, start, block=_block: blocks.lift(state, block))
    _STEPS[f'put_{_block}_in_bowl'] = (
        lambda state, start, block=_block: blocks.put_in_bowl(state, block))
EXPERTS: Mapping[str, Callable[[SimState, SimState], Step]] = MappingProxyType(_STEPS)
