"""The experts of CALVIN's table, by task; one family a file."""

from collections.abc import Mapping
from types import MappingProxyType

from vla_sim.experts.chunk import Expert
from vla_sim.experts.table34 import drawer, lift, lights, place, push, rotate, slider, stack
from vla_sim.experts.table34.free import freed

EXPERTS: Mapping[str, Expert] = MappingProxyType({
    **rotate.EXPERTS, **lift.EXPERTS, **place.EXPERTS, **stack.EXPERTS,
    **{name: freed(expert) for family in (push, slider, drawer, lights)
       for name, expert in family.EXPERTS.items()}})
