"""The seams between the features: what a policy, planner, environment and subscriber are."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from vla_core.types import (
    ActionChunk,
    Done,
    JointCommand,
    Observation,
    SimState,
    Subtask,
    TaskOutcome,
)


class Policy(Protocol):
    """The fast system: says *how*, in action chunks."""

    name: str

    def infer(
        self,
        observation: Observation,
        subtask: Subtask,
        *,
        previous: ActionChunk | None,
        rng: np.random.Generator,
    ) -> ActionChunk:
        """Return the chunk that answers `observation`."""

    def reset(self) -> None:
        """Forget everything about the running episode."""


class Planner(Protocol):
    """The slow system: says *what*, in words."""

    def next(
        self, observation: Observation, instruction: str, history: Sequence[ActionChunk]
    ) -> Subtask | Done:
        """Return the subtask to pursue now; the same one again means go on.

        `history` holds the chunks answered so far in this episode, oldest first; their
        `progress` and `subtask_id` are how a planner knows where the policy stands.
        """

    def reset(self) -> None:
        """Forget the running instruction."""


class Environment(Protocol):
    """A robot in a world, stepped one control period at a time."""

    control_period_s: float
    ticks_per_step: int  # control periods in one policy step

    def reset(self, seed: int, task: str, timeout_s: float) -> Observation:
        """Begin an episode; raise UnknownNameError for an unknown task."""

    def apply(self, command: JointCommand) -> None:
        """Carry out one control period."""

    def joint_state(self) -> tuple[np.ndarray, np.ndarray]:
        """Return measured position (J,) [rad] and velocity (J,) [rad/s]."""

    def now_ns(self) -> int:
        """Return the simulated time [ns]."""

    def observe(self) -> Observation:
        """Render and return what the policy may see now."""

    def state(self) -> SimState:
        """Return the privileged state."""

    def outcome(self) -> TaskOutcome:
        """Return the verdict on the task so far."""


class Subscriber(Protocol):
    """Listens to a rollout: recorders, video writers, statistics."""

    def on_reset(self, observation: Observation, state: SimState, instruction: str) -> None:
        """Hear that an episode begins."""

    def on_step(
        self, observation: Observation, state: SimState, subtask: Subtask, chunk: ActionChunk
    ) -> None:
        """Hear one policy step: what was seen, asked and proposed."""

    def on_command(self, command: JointCommand) -> None:
        """Hear one set-point sent to the arm."""

    def on_end(self, outcome: TaskOutcome) -> None:
        """Hear that the episode is over."""
