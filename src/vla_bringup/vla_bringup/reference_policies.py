"""Policies that must fail, whatever the task: who passes one of them has a predicate too weak.

All read the simulator's state, as the expert does, so they act within every limit.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from vla_core.protocols import Policy
from vla_core.types import ActionChunk, Observation, Representation, SimState, Subtask
from vla_sim.collect import CHUNK, DisturbedExpert
from vla_sim.environment import TableEnvironment
from vla_sim.experts.chunk import expert_chunk
from vla_sim.experts.motion import STEP_MAX, TURN_MAX
from vla_sim.scenes.scene import Expert

_PERSIST_STEPS = 6  # for which the random walk keeps its direction: half a second
_FLIP_RATE = 1 / 12  # a step, of the random walk's gripper


class RandomWalk:
    """Implements Policy: uniform random motion as fast as the expert's, gripper flips."""

    name = 'random'

    def __init__(self, environment: TableEnvironment, rows: int) -> None:
        self._environment, self._rows = environment, rows
        self.reset()

    def reset(self) -> None:
        """Begin a walk with the fingers as they are."""
        self._step, self._gripper, self._move = 0, 1.0, np.zeros(6)

    def infer(
        self, observation: Observation, subtask: Subtask, *,
        previous: ActionChunk | None, rng: np.random.Generator,
    ) -> ActionChunk:
        """Return the next steps of the walk."""
        del previous
        if self._step == 0:
            self._gripper = float(self._environment.state().gripper_target > 0.5)
        if self._step % _PERSIST_STEPS == 0:
            self._move = rng.uniform(-1.0, 1.0, 6) * np.repeat([STEP_MAX, TURN_MAX / 4], 3)
        if rng.random() < _FLIP_RATE:
            self._gripper = 1.0 - self._gripper
        self._step += 1
        rows = np.repeat([[*self._move, self._gripper]], self._rows, axis=0)
        rows[:, :3] = self._inside()
        return _chunk(self, self._environment, observation, subtask, rows, self._step)

    def _inside(self) -> np.ndarray:
        """Return (rows, 3) moves [m] along the walk that end at the workspace's border."""
        limits = self._environment.spec.policy
        target = self._environment.state().tool_target[:3]
        ahead = target + self._move[:3] * np.arange(1, self._rows + 1)[:, None]
        ahead = np.clip(ahead, limits.workspace_lower + 0.01, limits.workspace_upper - 0.01)
        return np.diff(ahead, axis=0, prepend=target[None])


class HoldStill:
    """Implements Policy: keeps the pose, and the fingers as they were told last."""

    name = 'hold'

    def __init__(self, environment: TableEnvironment, rows: int) -> None:
        self._environment, self._rows = environment, rows
        self.reset()

    def reset(self) -> None:
        """Count chunks from 0."""
        self._step = 0

    def infer(
        self, observation: Observation, subtask: Subtask, *,
        previous: ActionChunk | None, rng: np.random.Generator,
    ) -> ActionChunk:
        """Return a chunk of no motion."""
        del previous, rng
        self._step += 1
        rows = np.zeros((self._rows, 7), dtype=np.float32)
        rows[:, 6] = self._environment.state().gripper_target
        return _chunk(self, self._environment, observation, subtask, rows, self._step)


class WrongTask:
    """Implements Policy: the expert of another task that is possible from the start."""

    name = 'wrong'

    def __init__(self, environment: TableEnvironment, rows: int) -> None:
        self._environment, self._rows = environment, rows
        self.reset()

    def reset(self) -> None:
        """Choose afresh at the next observation."""
        self._step, self._expert = 0, None

    def infer(
        self, observation: Observation, subtask: Subtask, *,
        previous: ActionChunk | None, rng: np.random.Generator,
    ) -> ActionChunk:
        """Return what the other expert would do; of a table with no other task, no motion."""
        environment, self._step = self._environment, self._step + 1
        state = environment.state()
        if self._step == 1:
            self._expert = self._choose(state, rng)
        if self._expert is None:
            return HoldStill(environment, self._rows).infer(
                observation, subtask, previous=previous, rng=rng)
        rows, _ = expert_chunk(self._expert, state, environment.start, self._rows)
        return _chunk(self, environment, observation, subtask, rows, self._step)

    def _choose(self, state: SimState, rng: np.random.Generator) -> Expert | None:
        names = wrong_tasks(self._environment, state.task)
        return self._environment.scene.experts[str(rng.choice(names))] if names else None


def wrong_tasks(environment: TableEnvironment, task: str) -> list[str]:
    """Return the tasks that can begin now and do not do `task` on their way (a put lifts)."""
    def includes(other: str) -> bool:
        return (task.startswith('lift_') and other.startswith('put_')
                and other.split('_')[1] == task.split('_')[1])

    return [name for name in sorted(environment.scene.tasks)
            if name != task and not includes(name) and environment.feasible(name)]


def _expert(environment: TableEnvironment, rows: int) -> Policy:
    return DisturbedExpert(environment, rows=rows)


# Made anew for every episode: environment, rows of a chunk -> policy.
REFERENCES: Mapping[str, Callable[[TableEnvironment, int], Policy]] = MappingProxyType({
    'expert': _expert, 'random': RandomWalk, 'hold': HoldStill, 'wrong': WrongTask})
OWN_TABLES = ('expert', 'wrong')  # need a scene with experts


def chunk_rows(replan_steps: int, delay_steps: int) -> int:
    """Return how many rows last until the next chunk has come, with some to spare."""
    return CHUNK + replan_steps - 1 + delay_steps


def _chunk(
    policy: Policy, environment: TableEnvironment, observation: Observation, subtask: Subtask,
    rows: np.ndarray, sequence: int,
) -> ActionChunk:
    return ActionChunk(
        stamp_ns=observation.stamp_ns, sequence=sequence, episode_id=observation.episode_id,
        subtask_id=subtask.subtask_id, source=policy.name, representation=Representation.EE_DELTA,
        step_s=environment.spec.policy.step_s, values=rows.astype(np.float32), progress=0.0)
