"""What a task is: the hooks an environment calls (after dm_control's composer)."""

from typing import Protocol

import numpy as np
from vla_core.types import SimState
from vla_sim.scene import Layout


class Task(Protocol):
    """One task of a family; its sentences are in vla_core.tasks under the same name."""

    name: str

    def prepare(self, layout: Layout, rng: np.random.Generator) -> Layout:
        """Return the layout changed so that the task makes sense and is not yet done."""

    def feasible(self, state: SimState) -> bool:
        """Say whether the task can begin from this state (for chains)."""

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Say whether the task has been done since `start`."""
