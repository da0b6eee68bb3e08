"""The experts of CALVIN's table, by task; one family a file."""

from collections.abc import Mapping
from types import MappingProxyType

from vla_sim.experts.chunk import Expert
from vla_sim.experts.table34 import drawer, lift, lights, place, push, rotate, slider, stack

EXPERTS: Mapping[str, Expert] = MappingProxyType({
    name: expert for family in (rotate, push, slider, drawer, lift, place, stack, lights)
    for name, expert in family.EXPERTS.items()})
