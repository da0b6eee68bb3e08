"""Demonstrations: an actor drives, the scripted expert labels every state it comes to.

With the expert as actor its actions are disturbed and its clean answers recorded, so the data
holds recoveries (DART, Laskey et al. 2017); with a learner as actor it is DAgger (Ross et al.
2011). Labels never carry the noise.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
import json
import zlib

import numpy as np
from vla_core.control.controller import ArmController
from vla_core.episode import EpisodeBuilder, EpisodeWriter, Label
from vla_core.protocols import Policy
from vla_core.rollout import rollout
from vla_core.tasks import draw_instruction
from vla_core.types import (
    ActionChunk,
    JointCommand,
    Observation,
    Representation,
    SimState,
    Subtask,
    TaskOutcome,
)
from vla_sim.asker import Asker
from vla_sim.environment import TableEnvironment
from vla_sim.experts.chunk import expert_chunk, expert_step
from vla_sim.experts.motion import STEP_MAX
from vla_sim.variation import PLAIN

CHUNK = 3  # rows the disturbed expert sends; it is asked again at every step


@dataclass(frozen=True)
class NoiseConfig:
    """How much an actor's actions are disturbed; shares are of a full step."""

    share_max: float = 0.3  # strongest standing disturbance
    clean_episodes: float = 0.25  # share of episodes without any
    kick_rate: float = 0.025  # a step; a kick lasts three steps
    flip_rate: float = 0.006  # a step; the gripper does the opposite for three steps
    turn: float = 0.02  # [rad]


@dataclass(frozen=True)
class DemoConfig:
    """One demonstration run."""

    timeout_s: float = 12.0
    linger_steps: int = 5  # goes on after success, so that the end is in the data
    follow_up: float = 0.35  # chance that another task begins where the last one ended
    noise: NoiseConfig = NoiseConfig()
    questions: int = 0  # asked about pictures of each episode, with their answers


class Noise:
    """A disturbance drawn for one episode."""

    def __init__(self, config: NoiseConfig, rng: np.random.Generator) -> None:
        self._config, self._rng = config, rng
        self._active = rng.random() >= config.clean_episodes
        self._share = rng.uniform(0.05, config.share_max)
        self._drift, self._kick = np.zeros(3), np.zeros(3)
        self._kicks, self._flips = 0, 0

    def __call__(self, action: np.ndarray) -> np.ndarray:
        """Return the (7,) ee_delta disturbed."""
        if not self._active:
            return action
        rng, config = self._rng, self._config
        self._drift = 0.6 * self._drift + 0.8 * rng.normal(0.0, self._share * STEP_MAX / 2, 3)
        if self._kicks == 0 and rng.random() < config.kick_rate:
            self._kicks, self._kick = 3, rng.normal(0.0, 0.6 * STEP_MAX, 3)
        if self._flips == 0 and rng.random() < config.flip_rate:
            self._flips = 3
        out = action.copy()
        out[:3] += self._drift + (self._kick if self._kicks else 0.0)
        out[3:6] += rng.normal(0.0, config.turn, 3)
        out[6] = 1.0 - out[6] if self._flips else out[6]
        self._kicks, self._flips = max(0, self._kicks - 1), max(0, self._flips - 1)
        return out


class DisturbedExpert:
    """The expert as a Policy that sees the state of its environment, with noise on top."""

    name = 'expert'

    def __init__(
        self, environment: TableEnvironment, noise: Noise | None = None, rows: int = CHUNK
    ) -> None:
        self._environment, self._noise, self._rows = environment, noise, rows
        self._sequence = 0

    def reset(self) -> None:
        """Keep nothing between episodes."""

    def infer(
        self, observation: Observation, subtask: Subtask, *,
        previous: ActionChunk | None, rng: np.random.Generator,
    ) -> ActionChunk:
        """Return the expert's chunk for the environment's present state."""
        del previous, rng
        state = self._environment.state()
        late = self._environment.variation.delay_steps
        rows, progress = expert_chunk(
            self._environment.expert, state, self._environment.start,
            self._rows if self._noise is None else 1 + late)
        if self._noise is not None:
            limits = self._environment.spec.policy
            rows[0] = self._noise(rows[0].astype(np.float64))
            rows[0] = keep_inside(rows[0], state, limits.workspace_lower, limits.workspace_upper)
        self._sequence += 1
        return ActionChunk(
            stamp_ns=observation.stamp_ns, sequence=self._sequence,
            episode_id=observation.episode_id, subtask_id=subtask.subtask_id, source=self.name,
            representation=Representation.EE_DELTA,
            step_s=self._environment.spec.policy.step_s, values=rows, progress=progress)


class CleanAnswers:
    """What the expert would do in an environment's present state, asked once a state."""

    def __init__(self, environment: TableEnvironment) -> None:
        self._environment = environment
        self._state: SimState | None = None

    def __call__(self, state: SimState) -> tuple[np.ndarray, float]:
        """Return the clean (7,) ee_delta action and the progress 0..1."""
        if state is not self._state:
            environment = self._environment
            self._answer = expert_step(environment.expert, state, environment.start)
            self._state = state
        return self._answer


class LabelledEpisode:
    """A Subscriber that records what the expert would have done at every step."""

    def __init__(self, builder: EpisodeBuilder, answers: CleanAnswers) -> None:
        self._builder, self._answers = builder, answers

    def on_reset(self, observation: Observation, state: SimState, instruction: str) -> None:
        """Pass it on."""
        self._builder.on_reset(observation, state, instruction)

    def on_step(
        self, observation: Observation, state: SimState, subtask: Subtask, chunk: ActionChunk
    ) -> None:
        """Record the step with the expert's progress."""
        progress = self._answers(state)[1]
        self._builder.on_step(observation, state, subtask, replace(chunk, progress=progress))

    def on_command(self, command: JointCommand) -> None:
        """Ignore set-points."""

    def on_end(self, outcome: TaskOutcome) -> None:
        """Pass it on."""
        self._builder.on_end(outcome)


def expert_label(answers: CleanAnswers) -> Label:
    """Return the function that says the expert's clean (7,) action for a state."""
    def label(
        observation: Observation, state: SimState, subtask: Subtask, chunk: ActionChunk
    ) -> np.ndarray:
        del observation, subtask, chunk
        return answers(state)[0]
    return label


def demonstrate(
    environment: TableEnvironment, task: str, seed: int, writer: EpisodeWriter,
    config: DemoConfig, learner: Policy | None = None,
) -> Iterator[TaskOutcome]:
    """Run a task, perhaps others after it, write the episodes, and yield their outcomes.

    Failures are written too, labelled as such; the reader decides what to train on.
    """
    rng = np.random.default_rng([seed, 11])
    stage: TableEnvironment | Continued = environment
    for part in range(4):
        actor = learner or DisturbedExpert(environment, Noise(config.noise, rng))
        outcome = _record(stage, environment, task, seed, writer, config, actor)
        yield outcome
        open_tasks = [name for name in environment.scene.tasks
                      if name != task and environment.feasible(name)]
        if not outcome.success or rng.random() > config.follow_up or not open_tasks:
            return
        task = str(rng.choice(open_tasks))
        stage = Continued(environment, part + 1)


def _record(
    stage: 'TableEnvironment | Continued', environment: TableEnvironment, task: str, seed: int,
    writer: EpisodeWriter, config: DemoConfig, actor: Policy,
) -> TaskOutcome:
    answers, variation = CleanAnswers(environment), environment.variation
    meta = {'actor': actor.name, 'scene': environment.scene.name}
    if variation != PLAIN:
        meta['variation'] = json.dumps(asdict(variation))
    builder = EpisodeBuilder(
        stage.spec.name, seed, record_sim=True, label=expert_label(answers), meta=meta)
    asker = Asker(environment, config.questions, zlib.crc32(f'{task}-{seed}'.encode()))
    outcome = rollout(
        stage, ArmController(stage.spec), actor, None,
        draw_instruction(task, seed, held_out=variation.held_out), seed=seed, task=task,
        timeout_s=config.timeout_s, action_delay_steps=variation.delay_steps,
        subscribers=(LabelledEpisode(builder, answers), asker)).outcome
    writer.write(replace(builder.build(), questions=asker.questions()))
    return outcome


class Continued:
    """An environment whose reset begins a task where the last one ended."""

    def __init__(self, environment: TableEnvironment, part: int) -> None:
        self._environment, self._part = environment, part

    def __getattr__(self, name: str) -> object:
        return getattr(self._environment, name)

    def reset(self, seed: int, task: str, timeout_s: float) -> Observation:
        """Begin the task without setting the table."""
        self._environment.begin(task, seed, timeout_s, self._part)
        return self._environment.observe()


def keep_inside(
    action: np.ndarray, state: SimState, lower: np.ndarray, upper: np.ndarray
) -> np.ndarray:
    """Return the (7,) action shortened to 0.045 m and to a target inside the workspace [m]."""
    move = action[:3] * min(1.0, 0.045 / max(float(np.linalg.norm(action[:3])), 1e-9))
    goal = np.clip(state.tool_target[:3] + move, lower + 0.01, upper - 0.01)
    return np.array([*(goal - state.tool_target[:3]), *action[3:]], dtype=np.float32)
