"""The tasks of the touch scene, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from vla_sim.scenes.scene import Task
from vla_sim.tasks.touch.insert_peg import InsertPeg
from vla_sim.tasks.touch.pick_by_feel import PickByFeel

_ALL: tuple[Task, ...] = (PickByFeel('soft'), PickByFeel('ridged'), InsertPeg())
TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _ALL})
