"""What a scene is: where things may stand, how they are built, and what the world reads off them.

A scene is a description; a stage is what it built in one physics client for one episode.
All positions are in the base frame of the robot, whose base stands at z = 0 [m].
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from vla_core.types import SimState
from vla_sim.cameras import StaticView
from vla_sim.experts.motion import Step
from vla_sim.gel.skin import Skin
from vla_sim.variation import Variation

Expert = Callable[[SimState, SimState], Step]  # (state now, state when the task began)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the tool is at the start of an episode; scenes add where everything else is."""

    tool: np.ndarray = field(default_factory=lambda: np.array([0.45, 0.0, 0.30]))  # (3,) [m]
    yaw: float = 0.0  # of the tool about base z, from pointing down [rad]
    held: str = ''  # the object that starts between the fingers


class Stage(Protocol):
    """The furniture of one episode."""

    bodies: Mapping[str, int]  # free objects: name -> PyBullet body
    surfaces: Mapping[tuple[int, int], str]  # (body, link) of furniture -> its name
    lamps: Mapping[str, int]  # name in `joints` -> PyBullet body
    skins: Mapping[int, Skin]  # body -> how a gel feels it, where it is not bare and rigid
    painted: Mapping[str, tuple[int, int]]  # what may wear a texture: name -> (body, link)
    places: Sequence[tuple[float, float, float]]  # free for distractors: x, y, height below [m]

    def after_step(self) -> None:
        """Let lamps and the like follow what one physics step moved."""

    def objects(self) -> dict[str, np.ndarray]:
        """Return the (7,) pose of everything that a task or an expert needs to know."""

    def joints(self) -> dict[str, float]:
        """Return the state of fixtures: [m], or 0..1."""

    def grip_width(self, name: str) -> float:
        """Return how far apart the fingers are that hold an object [m]."""


class Task(Protocol):
    """One task of a family; its sentences are in vla_core.tasks under the same name."""

    name: str

    def prepare(self, layout: Layout, rng: np.random.Generator) -> Layout:
        """Return the layout changed so that the task makes sense and is not yet done."""

    def feasible(self, state: SimState) -> bool:
        """Say whether the task can begin from this state (for chains)."""

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Say whether the task has been done since `start`."""


class Scene(Protocol):
    """A kind of table: its tasks, their experts, its static camera."""

    name: str
    tasks: Mapping[str, Task]
    experts: Mapping[str, Expert]
    view: StaticView
    touch: bool  # fingertips carry gel sensors

    def sample(self, rng: np.random.Generator, *, outside: bool = False) -> Layout:
        """Draw a layout; `outside` takes places that training never uses."""

    def build(self, client: int, layout: Layout, variation: Variation) -> Stage:
        """Add the furniture and the objects to an empty client."""
