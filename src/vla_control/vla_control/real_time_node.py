"""The control node's clockwork in real time: a steady timer and the arm's joint states."""

from sensor_msgs.msg import JointState
from vla_control.arm_node import Arm
from vla_control.schedule import TickSchedule
from vla_core.ros import qos
from vla_core.ros.convert import from_msg
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_core.ros.lockstep import JointSample
from vla_interfaces import msg

MAX_GAP_NS = 100_000_000  # an arm left alone for longer has come to rest by itself


class RealTimeDrive:
    """Runs the control periods that are due, whatever else arrives or dies."""

    def __init__(self, node: VlaLifecycleNode, arm: Arm, lead_s: float) -> None:
        self._node, self._arm = node, arm
        period_s = arm.spec.controller.period_s
        self._schedule = TickSchedule(round(period_s * 1e9), round(lead_s * 1e9))
        self._joints: JointSample | None = None
        self._last_ns = 0  # the latest tick
        self._episode: str | None = None
        self._begins_ns: int | None = None  # of an episode not yet begun, else None
        node.listen(JointState, 'joint_states', self._on_joint_state, qos.sensor(False))
        node.listen(msg.Subtask, 'subtask', self._on_subtask, qos.COMMAND)
        node.listen(msg.ActionChunk, 'action_chunk', self._on_chunk, qos.COMMAND)
        node.listen(msg.ActionChunk, 'teleop_chunk', self._on_chunk, qos.COMMAND)
        node.listen(msg.Tick, 'tick', self._on_tick, qos.EVENT)
        node.every(period_s, self._run_due)

    def _on_joint_state(self, message: JointState) -> None:
        sample = self._arm.sample(message)
        if sample is None:
            return
        now_s = self._node.steady_s()
        self._joints = sample
        self._schedule.on_joint_state(sample.stamp_ns, now_s)
        self._arm.controller.on_joint_state(
            sample.position, sample.velocity, sample.stamp_ns, now_s)
        self._run_due()

    def _on_subtask(self, message: msg.Subtask) -> None:
        self._arm.controller.on_subtask(from_msg(message), self._node.steady_s())

    def _on_chunk(self, message: msg.ActionChunk) -> None:
        now_s = self._node.steady_s()
        rejection = self._arm.controller.on_chunk(
            from_msg(message), self._schedule.now_ns(now_s), now_s)
        if rejection is not None:
            self._node.get_logger().warning(
                f'chunk rejected: {rejection.reason}', throttle_duration_sec=1.0)

    def _on_tick(self, message: msg.Tick) -> None:
        """Hear of a new episode of the simulation: its arm is somewhere else now."""
        tick = from_msg(message)
        if tick.episode_id != self._episode:
            self._episode, self._begins_ns = tick.episode_id, tick.stamp_ns
            self._run_due()

    def _run_due(self) -> None:
        now_s = self._node.steady_s()
        self._begin_episode(now_s)
        for now_ns in self._schedule.due(now_s, moving=self._arm.moving):
            if self._arm.controller.ready:
                self._take_up_after_gap(now_ns, now_s)
                self._arm.tick(now_ns, now_s)
                self._last_ns = now_ns

    def _take_up_after_gap(self, now_ns: int, now_s: float) -> None:
        """Begin where the arm is if this process stood still while the arm was moving."""
        if self._arm.moving and now_ns - self._last_ns > MAX_GAP_NS:
            self._node.get_logger().warning(
                f'no set-point for {(now_ns - self._last_ns) * 1e-9:.3f} s',
                throttle_duration_sec=1.0)
            self._arm.controller.reset(self._joints.position, self._joints.stamp_ns, now_s)

    def _begin_episode(self, now_s: float) -> None:
        """Take up the arm where the first joint state of a new episode says it is."""
        joints, begins_ns = self._joints, self._begins_ns
        if begins_ns is None or joints is None or joints.stamp_ns < begins_ns:
            return
        self._arm.controller.reset(joints.position, joints.stamp_ns, now_s)
        self._schedule.restart()
        self._begins_ns = None
