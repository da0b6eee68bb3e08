"""The experts of CALVIN's table, by task; one family a file."""

from collections.abc import Mapping
from types import MappingProxyType

from vla_sim.experts.chunk import Expert
from vla_sim.experts.table34 import drawer, lift, lights, place, push, rotate, slider, stack
from vla_sim.experts.table34.free import freed

_OWN = {
    'move_slider_left': 'door_handle', 'move_slider_right': 'door_handle',
    'open_drawer': 'drawer_handle', 'close_drawer': 'drawer_handle',
    'turn_on_lightbulb': 'switch', 'turn_off_lightbulb': 'switch'}
_TAKING = {**rotate.EXPERTS, **lift.EXPERTS, **place.EXPERTS, **stack.EXPERTS}
_OTHERS = {**push.EXPERTS, **slider.EXPERTS, **drawer.EXPERTS, **lights.EXPERTS}
EXPERTS: Mapping[str, Expert] = MappingProxyType({
    **{name: freed(expert, blocks=False) for name, expert in _TAKING.items()},
    **{name: freed(expert, _OWN.get(name, ''), blocks=name != 'push_into_drawer')
       for name, expert in _OTHERS.items()}})
