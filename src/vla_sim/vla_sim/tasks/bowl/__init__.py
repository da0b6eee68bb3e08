"""The tasks of the bowl scene, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from vla_sim.scenes.bowl import BLOCK_COLOURS
from vla_sim.scenes.scene import Task
from vla_sim.tasks.bowl.button import PressButton
from vla_sim.tasks.bowl.drawer import CloseDrawer, OpenDrawer
from vla_sim.tasks.bowl.lift import Lift
from vla_sim.tasks.bowl.put import PutInBowl

_ALL: tuple[Task, ...] = (
    *(Lift(block) for block in BLOCK_COLOURS),
    *(PutInBowl(block) for block in BLOCK_COLOURS),
    OpenDrawer(), CloseDrawer(), PressButton(),
)
TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _ALL})
