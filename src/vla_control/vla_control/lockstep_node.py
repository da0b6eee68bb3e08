"""The control node's clockwork in lockstep: one control period a tick of the simulation."""

from collections.abc import Callable
from typing import Any

from sensor_msgs.msg import JointState
from vla_control.arm_node import Arm
from vla_core.ros import qos
from vla_core.ros.convert import from_msg, to_msg
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_core.ros.lockstep import Ack, CONTROL, ControlGate, ControlInput
from vla_interfaces import msg

RETRY_S = 0.1  # until the arm's controllers listen


class LockstepDrive:
    """Carries out a tick once all of it is here, and acknowledges it.

    The steady clock is the simulated time since the episode began, as in the rollout.
    """

    def __init__(self, node: VlaLifecycleNode, arm: Arm) -> None:
        self._arm = arm
        self._gate = gate = ControlGate()
        self._connected = False
        self._episode: str | None = None
        self._start_ns = 0
        self._acks = node.talk(msg.TickAck, 'tick_ack', qos.EVENT)
        for kind, topic, decode, take, profile in (
            (JointState, 'joint_states', arm.sample, gate.on_joints, qos.sensor(True)),
            (msg.Subtask, 'subtask', from_msg, gate.on_subtask, qos.COMMAND),
            (msg.ActionChunk, 'action_chunk', from_msg, gate.on_chunk, qos.COMMAND),
            (msg.ActionChunk, 'teleop_chunk', from_msg, gate.on_chunk, qos.COMMAND),
            (msg.TickAck, 'tick_ack', from_msg, gate.on_ack, qos.EVENT),
            (msg.Tick, 'tick', from_msg, gate.on_tick, qos.EVENT),
        ):
            node.listen(kind, topic, self._hearing(decode, take), profile)
        node.every(RETRY_S, self._advance)

    def _hearing(
        self, decode: Callable[[Any], Any], take: Callable[[Any], None]
    ) -> Callable[[Any], None]:
        def hear(message: Any) -> None:
            value = decode(message)
            if value is not None:
                take(value)
                self._advance()
        return hear

    def _advance(self) -> None:
        self._connected = self._connected or not self._arm.missing()
        given = self._gate.take() if self._connected else None
        if given is None:
            return
        tick = given.tick
        steady_s = self._begin(given)
        self._hear(given, steady_s)
        sent = self._arm.tick(tick.stamp_ns, steady_s)
        self._acks.publish(to_msg(Ack(tick.stamp_ns, tick.tick, tick.episode_id, CONTROL, sent)))

    def _begin(self, given: ControlInput) -> float:
        """Begin a new episode if this tick is its first; return the steady time [s]."""
        tick, joints = given.tick, given.joints
        if tick.episode_id != self._episode:
            self._episode, self._start_ns = tick.episode_id, tick.stamp_ns
            self._arm.controller.reset(joints.position, joints.stamp_ns, 0.0)
        return (tick.stamp_ns - self._start_ns) * 1e-9

    def _hear(self, given: ControlInput, steady_s: float) -> None:
        controller, joints = self._arm.controller, given.joints
        controller.on_joint_state(joints.position, joints.velocity, joints.stamp_ns, steady_s)
        if given.tick.observe:
            controller.on_subtask(given.subtask, steady_s)
        if given.chunk is not None:
            controller.on_chunk(given.chunk, given.tick.stamp_ns, steady_s)
