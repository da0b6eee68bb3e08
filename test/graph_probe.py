"""Run the real graph in a test and hear what passes in it.

What a sample says about time is its stamp (the arm's time) and when it was published (this
host's clock, which the middleware attaches), never when this process came round to reading it:
on a busy machine that is later.
"""

from collections.abc import Callable, Sequence
import contextlib
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
import json
from pathlib import Path
import threading

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory
from vla_bringup.graph import NodeSpec
from vla_bringup.supervisor import Supervisor, SupervisorConfig
from vla_core import types
from vla_core.ros.arrays import from_time
from vla_core.ros.convert import from_msg
from vla_core.ros.robot_msgs import joint_state_from_msg
from vla_core.spec import load_robot
from vla_interfaces.msg import ControlStatus, Observation

SPEC = load_robot('panda')
EVERYTHING = QoSProfile(
    depth=10_000, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE)
NS = 1e9


@dataclass(frozen=True)
class Joints:
    """Measured joints of one instant."""

    stamp_s: float  # the arm's time
    sent_s: float  # this host's clock
    position: np.ndarray  # (J,) float64 [rad]
    velocity: np.ndarray  # (J,) float64 [rad/s]


@dataclass(frozen=True)
class SetPoint:
    """Where and how fast control wants the joints to be."""

    stamp_s: float  # the arm's time at which it is due
    position: np.ndarray  # (J,) float64 [rad]
    velocity: np.ndarray  # (J,) float64 [rad/s]


@dataclass(frozen=True)
class Status:
    """What the arm was allowed to do from an instant on."""

    sent_s: float  # this host's clock
    mode: int
    reason: str


@dataclass
class Record:
    """What was heard of a run."""

    joints: list[Joints] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    set_points: list[SetPoint] = field(default_factory=list)
    rows: list[dict] = field(default_factory=list)  # of the session
    events: list[dict] = field(default_factory=list)  # of operator, teleop and session
    touch: list[bytes] = field(default_factory=list)  # gel pictures and wrench, an observation


def touch_bytes(seen: types.Observation) -> bytes:
    """Return every bit that the fingertips felt."""
    return b''.join(seen.tactile[finger].tobytes() for finger in sorted(seen.tactile)) + (
        seen.wrench.tobytes())


class Probe:
    """Hears the arm in a thread and a ROS context of its own."""

    def __init__(
        self, domain: int, record: Record, on_joints: Callable[[Joints], None]
    ) -> None:
        self._record, self._on_joints = record, on_joints
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = rclpy.create_node('probe', context=self._context)
        for kind, topic, hear in (
            (JointState, 'joint_states', self._hear_joints),
            (Observation, 'observation', self._hear_observation),
            (ControlStatus, 'control_status', self._hear_status),
            (JointTrajectory, f'{SPEC.controller.name}/joint_trajectory', self._hear_set_point),
        ):
            self._node.create_subscription(kind, topic, hear, EVERYTHING)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._context.try_shutdown()
        self._thread.join(10.0)

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            while self._context.ok():
                self._executor.spin_once(timeout_sec=0.2)

    def _hear_joints(self, message: JointState, info: dict) -> None:
        stamp_ns, position, velocity = joint_state_from_msg(message, SPEC.joints.names)
        joints = Joints(stamp_ns / NS, info['source_timestamp'] / NS, position, velocity)
        self._record.joints.append(joints)
        self._on_joints(joints)

    def _hear_observation(self, message: Observation) -> None:
        seen = from_msg(message)
        if seen.wrench is not None:
            self._record.touch.append(touch_bytes(seen))

    def _hear_status(self, message: ControlStatus, info: dict) -> None:
        self._record.statuses.append(
            Status(info['source_timestamp'] / NS, message.mode, message.reason))

    def _hear_set_point(self, message: JointTrajectory) -> None:
        point, = message.points
        due_ns = from_time(message.header.stamp) + from_time(point.time_from_start)
        self._record.set_points.append(
            SetPoint(due_ns / NS, np.array(point.positions), np.array(point.velocities)))


class GraphRun:
    """A graph under its supervisor, from start to end, with a probe that is there before it."""

    def __init__(
        self, nodes: Sequence[NodeSpec], folder: Path, *,
        on_joints: Callable[[Joints], None] = lambda joints: None,
        on_line: Callable[[str, str], None] = lambda name, line: None,
        config: SupervisorConfig | None = None,
        beside: Callable[[int], AbstractContextManager] = contextlib.nullcontext,
    ) -> None:
        """`beside` is entered with the ROS domain while the graph runs."""
        self.record = Record()
        self._beside = beside
        self._on_joints, self._on_line = on_joints, on_line
        self._log = folder / 'log.txt'
        self.supervisor = Supervisor(nodes, self._log.open('w'), self._hear_line, config)

    @property
    def text(self) -> str:
        """Return all nodes' log lines so far."""
        return self._log.read_text()

    def play(self) -> Record:
        """Run to the end, which must be a good one; return what was heard."""
        probe = Probe(self.supervisor.domain, self.record, self._on_joints)
        with self._beside(self.supervisor.domain):
            try:
                code = self.supervisor.run()
            finally:
                probe.close()
        assert code == 0, self.text
        return self.record

    def _hear_line(self, name: str, line: str) -> None:
        if line.startswith('{"event"'):
            self.record.events.append(json.loads(line))
        if name == 'session' and line.startswith('{"event": "row"'):
            self.record.rows.append(json.loads(line))
        self._on_line(name, line)
