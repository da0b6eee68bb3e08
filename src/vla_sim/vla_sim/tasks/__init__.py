"""The tasks of the bowl scene, by name; one family a file."""

from collections.abc import Mapping
from types import MappingProxyType

from vla_core.errors import UnknownNameError
from vla_sim.scene import BLOCK_COLOURS
from vla_sim.tasks.button import PressButton
from vla_sim.tasks.drawer import CloseDrawer, OpenDrawer
from vla_sim.tasks.lift import Lift
from vla_sim.tasks.put import PutInBowl
from vla_sim.tasks.task import Task

_ALL: tuple[Task, ...] = (
    *(Lift(block) for block in BLOCK_COLOURS),
    *(PutInBowl(block) for block in BLOCK_COLOURS),
    OpenDrawer(), CloseDrawer(), PressButton(),
)
TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _ALL})


def find_task(name: str) -> Task:
    """Return the task; raise UnknownNameError with the allowed names."""
    if name not in TASKS:
        raise UnknownNameError('task', name, TASKS)
    return TASKS[name]
