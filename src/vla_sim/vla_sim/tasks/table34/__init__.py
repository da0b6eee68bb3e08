"""The 34 tasks of CALVIN's table, by name; one family a file (conditions: arXiv:2112.03227)."""

from collections.abc import Mapping
from types import MappingProxyType

from vla_sim.scenes.scene import Task
from vla_sim.tasks.table34 import drawer, lift, lights, place, push, rotate, slider, stack

_ALL: tuple[Task, ...] = tuple(
    task for family in (rotate, push, slider, drawer, lift, place, stack, lights)
    for task in family.TASKS)
TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _ALL})
