"""The node around a policy: Observation and Subtask in, ActionChunk out."""

from collections import deque
from dataclasses import dataclass, field
import sys

import numpy as np
from vla_core.ros import qos
from vla_core.ros.convert import from_msg, to_msg
from vla_core.ros.diagnostics import ERROR, OK, WARN
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_core.ros.lockstep import Ack, POLICY, PolicyGate
from vla_core.ros.params import about, declare
from vla_core.ros.spin import run
from vla_core.spec import load_robot
from vla_core.types import Observation, Subtask
from vla_interfaces import msg
from vla_policy.policy import load_policy
from vla_policy.session import PolicySession
from vla_policy.worker import NewestWorker


@dataclass(frozen=True)
class PolicyConfig:
    """Parameters of the policy node."""

    robot: str = field(
        default='panda', metadata=about('robot spec: a shipped name or the path of a YAML file'))
    policy: str = field(
        default='default', metadata=about("'default' or the path of a checkpoint folder"))
    head: str = field(
        default='', metadata=about("action head; '' is the checkpoint's own choice"))
    threads: int = field(default=1, metadata=about('threads of an inference', 1, 64))
    lockstep: bool = field(
        default=False, metadata=about('answer and acknowledge every observation'))


class PolicyNode(VlaLifecycleNode):
    """Wires topics to PolicySession; without a live subtask it says nothing, and the arm rests."""

    def __init__(self) -> None:
        super().__init__('policy')
        self._worker: NewestWorker[Observation] | None = None
        self._answering: Ack | None = None  # the lockstep step in hand

    def setup(self) -> None:
        """Load the policy; raise the reason when it cannot be."""
        config = declare(self, PolicyConfig)
        spec = load_robot(config.robot)
        policy = load_policy(config.policy, spec, config.head or None, config.threads)
        self._session = PolicySession(policy, spec.policy.step_hz, absolute=not config.lockstep)
        self._latencies: deque[float] = deque(maxlen=100)  # [s]
        self._replaced = 0
        self._chunks = self.talk(msg.ActionChunk, 'action_chunk', qos.COMMAND)
        self.get_logger().info(f'policy {policy.name!r} is loaded')
        if config.lockstep:
            self._setup_lockstep()
        else:
            self._setup_real_time()

    def teardown(self) -> None:
        """End the inference thread."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    # --- real time ----------------------------------------------------------------------------

    def _setup_real_time(self) -> None:
        self._subtask: tuple[Subtask, float] | None = None  # and steady time of arrival [s]
        self._worker = NewestWorker(self.guarded(self._infer))
        self.listen(msg.Observation, 'observation', self._on_observation, qos.COMMAND)
        self.listen(msg.Subtask, 'subtask', self._on_subtask, qos.COMMAND)

    def _on_observation(self, message: msg.Observation) -> None:
        self._replaced += self._worker.submit(from_msg(message))

    def _on_subtask(self, message: msg.Subtask) -> None:
        self._subtask = (from_msg(message), self.steady_s())

    def _infer(self, observation: Observation) -> None:
        """Answer one observation, on the worker's thread."""
        self._session.see(observation)
        subtask = self._live_subtask(observation.episode_id)
        if subtask is not None:
            self._answer(observation, subtask)

    def _live_subtask(self, episode_id: str) -> Subtask | None:
        if self._subtask is None:
            return None
        subtask, since_s = self._subtask
        if subtask.episode_id != episode_id:
            return None
        if self.steady_s() - since_s >= subtask.ttl_s:
            self.diagnostics.set('subtask', WARN, 'lapsed', ttl_s=subtask.ttl_s)
            return None
        self.diagnostics.set('subtask', OK, subtask.text)
        return subtask

    # --- lockstep -----------------------------------------------------------------------------

    def _setup_lockstep(self) -> None:
        self._gate = PolicyGate()
        self._acks = self.talk(msg.TickAck, 'tick_ack', qos.EVENT)
        self.listen(msg.Observation, 'observation', self._on_step, qos.COMMAND)
        self.listen(msg.Subtask, 'subtask', self._on_step_subtask, qos.COMMAND)
        self.listen(msg.TickAck, 'tick_ack', self._on_ack, qos.EVENT)

    def _on_step(self, message: msg.Observation) -> None:
        self._gate.on_observation(from_msg(message))
        self._advance()

    def _on_step_subtask(self, message: msg.Subtask) -> None:
        self._gate.on_subtask(from_msg(message))
        self._advance()

    def _on_ack(self, message: msg.TickAck) -> None:
        self._gate.on_ack(from_msg(message))
        self._advance()

    def _advance(self) -> None:
        """Answer the running step once the planner has had its say on it."""
        step = self._gate.take()
        if step is None:
            return
        self._answering = step.ack
        self._session.see(step.observation)
        if step.subtask is not None:
            self._answer(step.observation, step.subtask)
        self._acknowledge(int(step.subtask is not None))

    def _acknowledge(self, sent: int) -> None:
        asked, self._answering = self._answering, None
        self._acks.publish(
            to_msg(Ack(asked.stamp_ns, asked.tick, asked.episode_id, POLICY, sent)))

    def go_safe(self, error: Exception) -> None:
        """Say nothing, so the arm rests; a step in lockstep is acknowledged as unanswered."""
        self.diagnostics.set('inference', ERROR, f'{type(error).__name__}: {error}')
        if self._answering is not None:
            self._acknowledge(0)

    # --- both ---------------------------------------------------------------------------------

    def _answer(self, observation: Observation, subtask: Subtask) -> None:
        began_s = self.steady_s()
        self._chunks.publish(to_msg(self._session.answer(observation, subtask)))
        self._latencies.append(self.steady_s() - began_s)
        p50, p99 = np.percentile(self._latencies, (50, 99))
        self.diagnostics.set('inference', OK, 'answering', p50_s=round(float(p50), 4),
                             p99_s=round(float(p99), 4), replaced=self._replaced)


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(PolicyNode, args)


if __name__ == '__main__':
    sys.exit(main())
