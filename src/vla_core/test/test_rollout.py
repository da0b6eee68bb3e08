"""Laws of the rollout: the loop's counts and order, with a fake environment and policy."""

from dataclasses import dataclass, field

from arm_fakes import chunk, deltas, HOME, SPEC
import numpy as np
import pytest
from vla_core.control.controller import ArmController
from vla_core.errors import InvalidDataError
from vla_core.rollout import rollout, RolloutResult
from vla_core.types import (
    ActionChunk,
    Done,
    JointCommand,
    Observation,
    SimState,
    Subtask,
    TaskOutcome,
)

STEPS = 6


@dataclass
class FakeEnvironment:
    """An arm that is where it is told to be, done after STEPS policy steps."""

    control_period_s: float = SPEC.controller.period_s
    ticks_per_step: int = SPEC.ticks_per_step
    calls: list[str] = field(default_factory=list)
    ticks: int = 1000

    def reset(self, seed: int, task: str, timeout_s: float) -> Observation:
        """Begin."""
        self.first, self.q, self.dq = self.ticks, HOME, np.zeros(7)
        return self.observe()

    def apply(self, command: JointCommand) -> None:
        """Move one period."""
        assert command.stamp_ns == self.now_ns()
        self.q, self.dq = command.position, command.velocity
        self.ticks += 1
        self.calls.append('apply')

    def joint_state(self) -> tuple[np.ndarray, np.ndarray]:
        """Return position and velocity."""
        return self.q, self.dq

    def now_ns(self) -> int:
        """Return the time."""
        return self.ticks * 1_000_000_000 // 120

    def observe(self) -> Observation:
        """Return an empty observation."""
        self.calls.append('observe')
        return Observation(self.now_ns(), 'e', {}, self.q, self.dq, np.zeros(7), 1.0)

    def state(self) -> SimState:
        """Return an empty state."""
        return SimState(self.now_ns(), 'e', 't', {}, {}, np.zeros(7), np.zeros(7), 1.0, 1.0)

    def outcome(self) -> TaskOutcome:
        """Return the verdict."""
        steps = (self.ticks - self.first) // self.ticks_per_step
        return TaskOutcome(self.now_ns(), 'e', 't', False, steps >= STEPS, 'time', steps)


@dataclass
class FakePolicy:
    """Moves on at one velocity; remembers what it drew and was given."""

    name: str = 'fake'
    draws: list[float] = field(default_factory=list)
    previous: list[ActionChunk | None] = field(default_factory=list)

    def infer(
        self, observation: Observation, subtask: Subtask, *,
        previous: ActionChunk | None, rng: np.random.Generator,
    ) -> ActionChunk:
        """Return a slow motion."""
        self.draws.append(rng.random())
        self.previous.append(previous)
        return chunk(deltas((0.05, 0.0, 0.0)), sequence=len(self.draws),
                     stamp_ns=observation.stamp_ns)

    def reset(self) -> None:
        """Forget."""
        self.draws, self.previous = [], []


class Listener:
    """Counts what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.positions: list[np.ndarray] = []

    def on_reset(self, observation: Observation, state: SimState, instruction: str) -> None:
        """Count."""
        self.heard.append('reset')

    def on_step(
        self, observation: Observation, state: SimState, subtask: Subtask, chunk: ActionChunk
    ) -> None:
        """Count."""
        self.heard.append('step')

    def on_command(self, command: JointCommand) -> None:
        """Count."""
        self.heard.append('command')
        self.positions.append(command.position)

    def on_end(self, outcome: TaskOutcome) -> None:
        """Count."""
        self.heard.append('end')


def run(policy: FakePolicy, planner: object = None, **options: object) -> tuple[
        RolloutResult, Listener, FakeEnvironment]:
    env, listener = FakeEnvironment(), Listener()
    result = rollout(env, ArmController(SPEC), policy, planner, 'do it', seed=1, task='t',
                     timeout_s=5.0, subscribers=[listener], **options)
    return result, listener, env


def test_a_step_is_one_observation_one_chunk_and_its_ticks() -> None:
    policy = FakePolicy()
    result, listener, env = run(policy)
    one = ['step'] + ['command'] * SPEC.ticks_per_step
    assert listener.heard == ['reset', *one * STEPS, 'end']
    assert env.calls == (['observe'] + ['apply'] * SPEC.ticks_per_step) * STEPS
    assert result.steps == STEPS and result.seconds == pytest.approx(STEPS / 12)
    assert result.rejections == () and len(policy.draws) == STEPS
    assert policy.previous[0] is None and policy.previous[1].sequence == 1


def test_the_same_episode_has_the_same_bits() -> None:
    first, second = FakePolicy(), FakePolicy()
    logs = [np.array(run(policy)[1].positions) for policy in (first, second)]
    assert (logs[0] == logs[1]).all() and first.draws == second.draws
    assert len(set(first.draws)) == STEPS


def test_replanning_asks_the_policy_only_when_due() -> None:
    policy = FakePolicy()
    run(policy, replan_steps=3)
    assert len(policy.draws) == 2


def test_replanning_too_rarely_is_refused() -> None:
    with pytest.raises(InvalidDataError, match=r'replan_steps 4, allowed 1\.\.3'):
        run(FakePolicy(), replan_steps=4)


def test_delayed_chunks_land_where_prompt_ones_do() -> None:
    prompt, late = run(FakePolicy())[1], run(FakePolicy(), action_delay_steps=1)[1]
    assert np.array_equal(late.positions[:10], [HOME] * 10)
    arrived = np.abs(late.positions[-1] - HOME).max()
    assert 0.7 < arrived / np.abs(prompt.positions[-1] - HOME).max() < 1.0


def test_the_planner_may_end_the_episode() -> None:
    class TwoSteps:
        """Says done at the third question."""

        def next(
            self, observation: Observation, instruction: str, history: list[ActionChunk]
        ) -> Subtask | Done:
            """Answer."""
            return Done(True, 'done') if len(history) == 2 else Subtask('s', 'e', 'i', 't')

        def reset(self) -> None:
            """Forget."""

    assert run(FakePolicy(), TwoSteps())[0].steps == 2
