"""Tasks."""

from vla_sim.scenes.scene import Task

TASKS: tuple[Task, ...] = ()
