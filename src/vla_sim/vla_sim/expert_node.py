"""The scripted expert in the policy's place: a stateless function of SimState and Subtask.

It answers observations as a policy does, though it looks at the simulator's state of the same
instant instead: when perception dies it falls silent, too. With `speak: joy` it does not answer
as a policy but holds a pretended gamepad, so that all of teleoperation is tried without a hand.
"""

from dataclasses import dataclass, field
import time

import numpy as np
from sensor_msgs.msg import Joy
from vla_core.errors import InvalidDataError
from vla_core.ros import qos
from vla_core.ros.arrays import fast, from_time, header
from vla_core.ros.convert import from_msg, to_msg
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_core.ros.lockstep import Ack, POLICY, PolicyGate, Slots
from vla_core.ros.params import about, declare
from vla_core.ros.spin import run
from vla_core.seeding import policy_step
from vla_core.spec import load_robot
from vla_core.tasks import task
from vla_core.types import ActionChunk, Representation, SimState, Subtask
from vla_interfaces import msg
from vla_sim.catalogue import find_scene
from vla_sim.experts.chunk import expert_chunk
from vla_sim.scenes.scene import Scene
from vla_sim.unsteady_hand import UnsteadyHand


@dataclass(frozen=True)
class ExpertConfig:
    """Parameters of the expert node."""

    robot: str = field(default='panda', metadata=about('robot spec'))
    lockstep: bool = field(default=False, metadata=about('answer and acknowledge every step'))
    scene: str = field(default='bowl', metadata=about('scene whose tasks it can do'))
    rows: int = field(default=6, metadata=about('policy steps in a chunk', 1, 50))
    speak: str = field(default='chunk', metadata=about(
        'answer with action chunks, or hold a gamepad: scripted/joy', choices=('chunk', 'joy')))
    linear_m_s: float = field(
        default=0.3, metadata=about('joy: tool speed at full deflection', 0.01, 1.0))
    tremor: float = field(
        default=0.0, metadata=about('joy: how unsteady the hand is, 1 is all of it', 0.0, 1.0))
    turn_rad_s: float = field(
        default=1.2, metadata=about('joy: tool turn at full deflection', 0.05, 3.0))


class ExpertNode(VlaLifecycleNode):
    """Answers every observation with a chunk while a subtask is alive."""

    def __init__(self) -> None:
        super().__init__('policy')
        self._config = declare(self, ExpertConfig)

    def setup(self) -> None:
        """Make publishers and subscriptions."""
        self._spec = load_robot(self._config.robot)
        self._scene = find_scene(self._config.scene)
        self._hand = UnsteadyHand(self._config.tremor)
        self._begun = ('', '')  # episode and subtask whose first state is kept
        self._gate = PolicyGate()
        self._subtask: Subtask | None = None
        self._states: Slots[SimState] = Slots()  # not yet observed, in real time
        self._observed_ns = -1  # not yet answered, in real time
        if self._config.speak == 'joy':
            self._joys = self.talk(Joy, 'scripted/joy', qos.SENSOR_RELIABLE)
        else:
            self._chunks = self.talk(msg.ActionChunk, 'action_chunk', qos.COMMAND)
            self._acks = self.talk(msg.TickAck, 'tick_ack', qos.EVENT)
        self.listen(msg.SimState, 'sim_state', self._on_state, qos.COMMAND)
        self.listen(msg.Subtask, 'subtask', self._on_subtask, qos.COMMAND)
        if self._config.lockstep:
            self.listen(msg.TickAck, 'tick_ack', self._on_ack, qos.EVENT)
        else:
            self.listen(msg.Observation, 'observation', self._on_observation, qos.COMMAND)

    def _on_state(self, message: msg.SimState) -> None:
        state = from_msg(message)
        if self._config.lockstep:
            self._gate.on_observation(state)
            self._answer_step()
        else:
            self._states.put(state.stamp_ns, state)
            self._answer_observation()

    def _on_observation(self, message: msg.Observation) -> None:
        self._observed_ns = from_time(message.header.stamp)
        self._answer_observation()

    def _on_subtask(self, message: msg.Subtask) -> None:
        subtask = from_msg(message)
        self._subtask = subtask if subtask.ttl_s > 0.0 else None
        self._gate.on_subtask(subtask)
        self._answer_step()

    def _on_ack(self, message: msg.TickAck) -> None:
        self._gate.on_ack(from_msg(message))
        self._answer_step()

    def _answer_observation(self) -> None:
        """Answer once the observation and the state of its instant are here."""
        state, subtask = self._states.get(self._observed_ns), self._subtask
        if state is None:
            return
        self._states.forget(state.stamp_ns)
        of_now = subtask is not None and subtask.episode_id == state.episode_id
        self._speak(state, subtask if of_now else None)

    def _answer_step(self) -> None:
        step = self._gate.take() if self._config.lockstep else None
        if step is None:
            return
        self._speak(step.observation, step.subtask)
        if self._config.speak == 'chunk':
            self._acks.publish(to_msg(Ack(
                step.ack.stamp_ns, step.ack.tick, step.ack.episode_id, POLICY,
                int(step.subtask is not None))))

    def _speak(self, state: SimState, subtask: Subtask | None) -> None:
        chunk = None if subtask is None else self._chunk(state, subtask)
        if self._config.speak == 'joy':
            self._joys.publish(self._joy(state, None if chunk is None else chunk.values))
        elif chunk is not None:
            self._chunks.publish(to_msg(chunk))

    def _joy(self, state: SimState, rows: np.ndarray | None) -> Joy:
        """Return how a gamepad is held for the first of the rows; let go without any.

        Buttons: deadman, close, open.
        """
        if rows is None:
            return Joy(header=header(state.stamp_ns), axes=fast(np.zeros(6), 'f'),
                       buttons=[0, 0, 0])
        full = np.repeat([self._config.linear_m_s, self._config.turn_rad_s], 3)
        meant = rows[0, :6] / self._spec.policy.step_s / full
        axes = np.clip(meant + self._hand.shake(state.episode_id), -1.0, 1.0)
        grip = float(rows[0, 6])
        return Joy(header=header(state.stamp_ns), axes=fast(axes, 'f'),
                   buttons=[1, int(grip < 0.5), int(grip >= 0.5)])

    def _chunk(self, state: SimState, subtask: Subtask) -> ActionChunk:
        began = time.monotonic()
        if (subtask.episode_id, subtask.subtask_id) != self._begun:
            self._begun, self._start = (subtask.episode_id, subtask.subtask_id), state
        expert = self._scene.experts[find_task(self._scene, subtask.text)]
        rows, progress = expert_chunk(expert, state, self._start, self._config.rows)
        # Numbered by the clock: after a respawn the guard must not take them for old ones.
        sequence = policy_step(state.stamp_ns, 0, self._spec.policy.step_hz)
        return ActionChunk(
            stamp_ns=state.stamp_ns, sequence=sequence, episode_id=state.episode_id,
            subtask_id=subtask.subtask_id, source='expert',
            representation=Representation.EE_DELTA, step_s=self._spec.policy.step_s,
            values=rows, progress=progress, inference_s=time.monotonic() - began)


def find_task(scene: Scene, text: str) -> str:
    """Return the task of a scene that a sentence asks for; raise InvalidDataError for none."""
    for name in scene.tasks:
        if text in task(name).sentences:
            return name
    raise InvalidDataError(
        f'subtask: got {text!r}, allowed the sentences of {", ".join(scene.tasks)}')


def main() -> None:
    """Run the node."""
    raise SystemExit(run(ExpertNode))


if __name__ == '__main__':
    main()
