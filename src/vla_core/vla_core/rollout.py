"""One episode in process: environment, planner, policy and the same controller as the node."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from vla_core.control.controller import ArmController
from vla_core.errors import InvalidDataError
from vla_core.protocols import Environment, Planner, Policy, Subscriber
from vla_core.seeding import episode_rng
from vla_core.types import ActionChunk, Done, Observation, Subtask, TaskOutcome


@dataclass(frozen=True)
class RolloutResult:
    """How an episode ended."""

    outcome: TaskOutcome
    steps: int  # policy steps
    seconds: float  # of simulated time
    rejections: tuple[str, ...] = ()  # the guard's reasons, one a rejected chunk


class _Episode:
    """The loop's own state: the step count, chunks on their way, what was rejected."""

    def __init__(self, env: Environment, controller: ArmController, delay_steps: int,
                 subscribers: Sequence[Subscriber]) -> None:
        self.env = env
        self.controller = controller
        self.subscribers = subscribers
        self.history: list[ActionChunk] = []
        self.rejections: list[str] = []
        self.start_ns = env.now_ns()
        self._on_the_way: deque[ActionChunk | None] = deque([None] * delay_steps)

    @property
    def steady_s(self) -> float:
        """Simulated time since the reset [s], which is the steady clock in process."""
        return (self.env.now_ns() - self.start_ns) * 1e-9

    def deliver(self, chunk: ActionChunk | None) -> None:
        """Hand the controller the chunk that arrives now, `delay_steps` after it was made."""
        self._on_the_way.append(chunk)
        arrived = self._on_the_way.popleft()
        if arrived is None:
            return
        rejection = self.controller.on_chunk(arrived, self.env.now_ns(), self.steady_s)
        if rejection:
            self.rejections.append(rejection.reason)

    def report_joints(self) -> None:
        """Give the controller the measured joints."""
        q, dq = self.env.joint_state()
        self.controller.on_joint_state(q, dq, self.env.now_ns(), self.steady_s)

    def play(self) -> None:
        """Run the control periods of one policy step."""
        for _ in range(self.env.ticks_per_step):
            command = self.controller.tick(self.env.now_ns(), self.steady_s)
            self.env.apply(command)
            self.report_joints()
            for subscriber in self.subscribers:
                subscriber.on_command(command)


def rollout(
    env: Environment,
    controller: ArmController,
    policy: Policy,
    planner: Planner | None,
    instruction: str,
    *,
    seed: int,
    task: str,
    timeout_s: float,
    replan_steps: int = 1,
    action_delay_steps: int = 0,
    subscribers: Sequence[Subscriber] = (),
) -> RolloutResult:
    """Run one episode to the environment's verdict or the planner's Done.

    Without a planner the instruction is the one subtask. A chunk computed at a step arrives
    `action_delay_steps` later. Subscribers hear every policy step, `chunk` being the latest
    computed one.
    """
    _check_interval(env, controller, replan_steps)
    observation = env.reset(seed, task, timeout_s)
    episode = _begin(env, controller, policy, planner, action_delay_steps, subscribers)
    for subscriber in subscribers:
        subscriber.on_reset(observation, env.state(), instruction)
    step = 0
    while not env.outcome().done:
        if step > 0:
            observation = env.observe()
        subtask = _ask(planner, observation, instruction, episode.history)
        if isinstance(subtask, Done):
            break
        controller.on_subtask(subtask, episode.steady_s)
        _think(episode, policy, observation, subtask, step, replan_steps)
        episode.play()
        step += 1
    return _end(episode, step)


def _check_interval(env: Environment, controller: ArmController, replan_steps: int) -> None:
    """Refuse to replan so rarely that the controller would stop the arm in between."""
    step_s = env.ticks_per_step * env.control_period_s
    most = int(controller.config.max_chunk_silence_s / step_s)
    if not 1 <= replan_steps <= most:
        raise InvalidDataError(
            f'replan_steps {replan_steps}, allowed 1..{most}: the controller stops the arm '
            f'{controller.config.max_chunk_silence_s} s after the last chunk')


def _begin(
    env: Environment, controller: ArmController, policy: Policy, planner: Planner | None,
    delay_steps: int, subscribers: Sequence[Subscriber],
) -> _Episode:
    policy.reset()
    if planner is not None:
        planner.reset()
    episode = _Episode(env, controller, delay_steps, subscribers)
    controller.reset(env.joint_state()[0], env.now_ns(), episode.steady_s)
    return episode


def _ask(
    planner: Planner | None, observation: Observation, instruction: str,
    history: Sequence[ActionChunk],
) -> Subtask | Done:
    if planner is not None:
        return planner.next(observation, instruction, history)
    return Subtask(subtask_id='whole', episode_id=observation.episode_id,
                   instruction=instruction, text=instruction, stamp_ns=observation.stamp_ns)


def _think(
    episode: _Episode, policy: Policy, observation: Observation, subtask: Subtask,
    step: int, replan_steps: int,
) -> None:
    """Infer a chunk where one is due, deliver what arrives, tell the subscribers."""
    chunk = None
    if step % replan_steps == 0:
        previous = episode.history[-1] if episode.history else None
        rng = episode_rng(observation.episode_id, step)
        chunk = policy.infer(observation, subtask, previous=previous, rng=rng)
        episode.history.append(chunk)
    episode.deliver(chunk)
    for subscriber in episode.subscribers:
        subscriber.on_step(observation, episode.env.state(), subtask, episode.history[-1])


def _end(episode: _Episode, steps: int) -> RolloutResult:
    outcome = episode.env.outcome()
    for subscriber in episode.subscribers:
        subscriber.on_end(outcome)
    return RolloutResult(outcome, steps, episode.steady_s, tuple(episode.rejections))
