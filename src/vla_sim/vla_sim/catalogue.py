"""All scenes by name, each with its tasks and their experts."""

from collections.abc import Mapping
from types import MappingProxyType

from vla_core.errors import UnknownNameError
from vla_sim.experts import bowl as bowl_experts
from vla_sim.experts import table34 as table_experts
from vla_sim.experts import touch as touch_experts
from vla_sim.scenes.bowl import BowlScene
from vla_sim.scenes.scene import Scene
from vla_sim.scenes.table34 import Table34
from vla_sim.scenes.table_designs import DESIGNS
from vla_sim.scenes.touch import TouchScene
from vla_sim.tasks import bowl as bowl_tasks
from vla_sim.tasks import table34 as table_tasks
from vla_sim.tasks import touch as touch_tasks

_ALL: tuple[Scene, ...] = (
    BowlScene(bowl_tasks.TASKS, bowl_experts.EXPERTS),
    TouchScene(touch_tasks.TASKS, touch_experts.EXPERTS),
    *(Table34(design, table_tasks.TASKS, table_experts.EXPERTS) for design in DESIGNS),
)
BOWL = 'bowl'  # the one whose sentences the embedded planner reads
SCENES: Mapping[str, Scene] = MappingProxyType({scene.name: scene for scene in _ALL})


def find_scene(name: str) -> Scene:
    """Return the scene; raise UnknownNameError with the allowed names."""
    if name not in SCENES:
        raise UnknownNameError('scene', name, SCENES)
    return SCENES[name]
