"""The node that alone may move the arm: ArmController at the control rate, in its own process."""

from collections.abc import Callable
from dataclasses import dataclass, field
import sys
from typing import Any

import numpy as np
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool, Trigger
from vla_control.backends import TrajectoryBackend
from vla_control.schedule import TickSchedule
from vla_core.control.controller import ArmController
from vla_core.ros import qos
from vla_core.ros.convert import from_msg, to_msg
from vla_core.ros.diagnostics import ERROR, OK, WARN
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_core.ros.lockstep import Ack, CONTROL, ControlGate, ControlInput, JointSample
from vla_core.ros.params import about, declare
from vla_core.ros.robot_msgs import joint_state_from_msg
from vla_core.ros.spin import run
from vla_core.spec import load_robot
from vla_core.types import Mode
from vla_interfaces import msg

LEVELS = {Mode.HOLD: WARN, Mode.FAULT: ERROR, Mode.ESTOP: ERROR}
STATUS_PERIOD_S = 0.1
STILL = 1e-6  # [rad/s]


@dataclass(frozen=True)
class NodeConfig:
    """Parameters of the control node."""

    robot: str = field(
        default='panda', metadata=about('robot spec: a shipped name or the path of a YAML file'))
    lockstep: bool = field(
        default=False, metadata=about("step on the simulation's ticks instead of a timer"))
    lead_s: float = field(
        default=0.04, metadata=about('set-points leave so long before they are due [s]', 0.0, 0.5))


class ControlNode(VlaLifecycleNode):
    """Wires topics to ArmController; decides nothing itself."""

    def __init__(self) -> None:
        super().__init__('control')
        self._backend: TrajectoryBackend | None = None

    def setup(self) -> None:
        """Make the controller, its back-end and its topics."""
        config = declare(self, NodeConfig)
        self._spec = load_robot(config.robot)
        self._controller = ArmController(self._spec)
        self._backend = TrajectoryBackend(self, self._spec)
        self._episode: str | None = None
        self._begins_ns: int | None = None  # of an episode not yet begun, else None
        self._joints: JointSample | None = None
        self._moving = False
        self._shown: tuple[Mode, str] | None = None
        self._shown_s = 0.0
        self._status = self.talk(msg.ControlStatus, 'control_status', qos.COMMAND)
        self.serve(Trigger, '~/clear_fault', self._on_clear_fault)
        self.serve(SetBool, '~/estop', self._on_estop)
        if config.lockstep:
            self._setup_lockstep()
        else:
            self._setup_real_time(config)

    def teardown(self) -> None:
        """Release the back-end."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def go_safe(self, error: Exception) -> None:
        """Stop the arm: what failed here may have been what keeps it safe."""
        self._controller.stop(f'control node failed: {type(error).__name__}: {error}')

    # --- real time ----------------------------------------------------------------------------

    def _setup_real_time(self, config: NodeConfig) -> None:
        period_s = self._spec.controller.period_s
        self._schedule = TickSchedule(round(period_s * 1e9), round(config.lead_s * 1e9))
        self.listen(JointState, 'joint_states', self._on_joint_state, qos.sensor(False))
        self.listen(msg.Subtask, 'subtask', self._on_subtask, qos.COMMAND)
        self.listen(msg.ActionChunk, 'action_chunk', self._on_chunk, qos.COMMAND)
        self.listen(msg.Tick, 'tick', self._on_tick, qos.EVENT)
        self.every(period_s, self._run_due)

    def _on_joint_state(self, message: JointState) -> None:
        sample = self._sample(message)
        if sample is None:
            return
        now_s = self.steady_s()
        self._joints = sample
        self._schedule.on_joint_state(sample.stamp_ns, now_s)
        self._controller.on_joint_state(sample.position, sample.velocity, sample.stamp_ns, now_s)
        self._run_due()

    def _on_subtask(self, message: msg.Subtask) -> None:
        self._controller.on_subtask(from_msg(message), self.steady_s())

    def _on_chunk(self, message: msg.ActionChunk) -> None:
        now_s = self.steady_s()
        rejection = self._controller.on_chunk(
            from_msg(message), self._schedule.now_ns(now_s), now_s)
        if rejection is not None:
            self.get_logger().warn(f'chunk rejected: {rejection.reason}', throttle_duration_sec=1.0)

    def _on_tick(self, message: msg.Tick) -> None:
        """Begin a new episode of the simulation: its arm is somewhere else now."""
        tick = from_msg(message)
        if tick.episode_id != self._episode:
            self._episode, self._begins_ns = tick.episode_id, tick.stamp_ns
            self._run_due()

    def _run_due(self) -> None:
        now_s = self.steady_s()
        self._begin_episode(now_s)
        for now_ns in self._schedule.due(now_s, moving=self._moving):
            if self._controller.ready:
                self._send(now_ns, now_s)

    def _begin_episode(self, now_s: float) -> None:
        """Take up the arm where the first joint state of a new episode says it is."""
        joints, begins_ns = self._joints, self._begins_ns
        if begins_ns is None or joints is None or joints.stamp_ns < begins_ns:
            return
        self._controller.reset(joints.position, joints.stamp_ns, now_s)
        self._schedule.restart()
        self._begins_ns = None

    # --- lockstep -----------------------------------------------------------------------------

    def _setup_lockstep(self) -> None:
        self._gate = ControlGate()
        self._connected = False
        self._start_ns = 0
        self._acks = self.talk(msg.TickAck, 'tick_ack', qos.EVENT)
        gate = self._gate
        self.listen(JointState, 'joint_states', self._gated(self._sample, gate.on_joints),
                    qos.sensor(True))
        self.listen(msg.Subtask, 'subtask', self._gated(from_msg, gate.on_subtask), qos.COMMAND)
        self.listen(msg.ActionChunk, 'action_chunk', self._gated(from_msg, gate.on_chunk),
                    qos.COMMAND)
        self.listen(msg.TickAck, 'tick_ack', self._gated(from_msg, gate.on_ack), qos.EVENT)
        self.listen(msg.Tick, 'tick', self._gated(from_msg, gate.on_tick), qos.EVENT)
        self.every(STATUS_PERIOD_S, self._advance)

    def _gated(
        self, decode: Callable[[Any], Any], take: Callable[[Any], None]
    ) -> Callable[[Any], None]:
        def hear(message: Any) -> None:
            value = decode(message)
            if value is not None:
                take(value)
                self._advance()
        return hear

    def _advance(self) -> None:
        """Carry out the running tick once everything it needs is here."""
        self._connected = self._connected or not self._backend.missing()
        if self._gate.missing() or not self._connected:
            return
        given = self._gate.take()
        tick = given.tick
        steady_s = self._steady_of(given)
        self._hear(given, steady_s)
        sent = self._send(tick.stamp_ns, steady_s)
        self._acks.publish(to_msg(Ack(tick.stamp_ns, tick.tick, tick.episode_id, CONTROL, sent)))

    def _steady_of(self, given: ControlInput) -> float:
        """Return simulated time since the episode began [s], as the rollout counts it."""
        tick, joints = given.tick, given.joints
        if tick.episode_id != self._episode:
            self._episode, self._start_ns = tick.episode_id, tick.stamp_ns
            self._controller.reset(joints.position, joints.stamp_ns, 0.0)
        return (tick.stamp_ns - self._start_ns) * 1e-9

    def _hear(self, given: ControlInput, steady_s: float) -> None:
        tick, joints = given.tick, given.joints
        self._controller.on_joint_state(
            joints.position, joints.velocity, joints.stamp_ns, steady_s)
        if tick.observe:
            self._controller.on_subtask(given.subtask, steady_s)
        if given.chunk is not None:
            self._controller.on_chunk(given.chunk, tick.stamp_ns, steady_s)

    # --- both ---------------------------------------------------------------------------------

    def _sample(self, message: JointState) -> JointSample | None:
        """Return the arm's joints; None for a message of other joints only."""
        if not set(message.name) & set(self._spec.joints.names):
            return None
        return JointSample(*joint_state_from_msg(message, self._spec.joints.names))

    def _send(self, now_ns: int, steady_s: float) -> int:
        command = self._controller.tick(now_ns, steady_s)
        self._moving = bool(np.abs(command.velocity).max() > STILL)
        sent = self._backend.send(command)
        self._report()
        return sent

    def _report(self) -> None:
        """Publish the status on change and at 10 Hz."""
        status, now_s = self._controller.status(), self.steady_s()
        shown = (status.mode, status.source)
        if shown == self._shown and now_s - self._shown_s < STATUS_PERIOD_S:
            return
        self._shown, self._shown_s = shown, now_s
        self._status.publish(to_msg(status))
        self.diagnostics.set('arm', LEVELS.get(status.mode, OK),
                             f'{status.mode.name} {status.reason}'.strip(), source=status.source)

    def _on_clear_fault(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        del request
        before = self._controller.status()
        self._controller.clear_fault()
        response.success = True
        response.message = f'cleared: {before.reason}' if before.mode == Mode.FAULT else 'no fault'
        return response

    def _on_estop(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if request.data:
            self._controller.stop('emergency stop')
        else:
            self._controller.release_stop()
        response.success = True
        response.message = 'stopped' if request.data else 'released: holding until a fresh chunk'
        return response


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(ControlNode, args)


if __name__ == '__main__':
    sys.exit(main())
