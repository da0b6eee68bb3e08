"""Perception and control as nodes, each against a fake peer in the same process."""

from collections.abc import Callable, Iterator
import os
import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('vla_interfaces.msg')

from control_msgs.action import GripperCommand  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from rclpy.action import ActionServer  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import Image, JointState  # noqa: E402
from std_srvs.srv import SetBool, Trigger  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402
from vla_control.control_node import ControlNode  # noqa: E402
from vla_core.errors import UnknownNameError  # noqa: E402
from vla_core.geometry import delta_between  # noqa: E402
from vla_core.kinematics import Kinematics  # noqa: E402
from vla_core.ros import qos  # noqa: E402
from vla_core.ros.arrays import from_time, to_image  # noqa: E402
from vla_core.ros.convert import from_msg, to_msg  # noqa: E402
from vla_core.ros.lifecycle import VlaLifecycleNode  # noqa: E402
from vla_core.ros.lockstep import Ack, PLANNER, POLICY  # noqa: E402
from vla_core.ros.robot_msgs import joint_state_to_msg, transforms_to_msg  # noqa: E402
from vla_core.spec import load_robot  # noqa: E402
from vla_core.types import ActionChunk, Mode, Representation, Subtask, Tick  # noqa: E402
from vla_interfaces import msg  # noqa: E402
from vla_perception.perception_node import PerceptionNode  # noqa: E402

TIMEOUT_S = 30.0
SPEC = load_robot('panda')
STAMP = 5_000_000_000
PERIOD_NS = round(1e9 / SPEC.controller.rate_hz)


class Bench:
    """The node under test and a peer on one executor, in a ROS domain of its own."""

    def __init__(self, make: Callable[[], VlaLifecycleNode], lockstep: bool) -> None:
        self.context = rclpy.get_default_context()
        self.peer = Node('peer')
        self.node = make()
        self.node.set_parameters([])
        self.node.declare_parameter('lockstep', lockstep)
        self.executor = SingleThreadedExecutor()
        for node in (self.peer, self.node):
            self.executor.add_node(node)

    def hear(self, kind: type, topic: str) -> list:
        """Return a list that fills with what arrives on a topic."""
        heard: list = []
        self.peer.create_subscription(kind, topic, heard.append, qos.RECORD)
        return heard

    def until(
        self, condition: Callable[[], object], act: Callable[[], None] | None = None
    ) -> None:
        """Spin, doing `act` at 20 Hz, until the condition holds."""
        deadline, due = time.monotonic() + TIMEOUT_S, 0.0
        while not condition():
            assert time.monotonic() < deadline, 'timed out'
            if act is not None and time.monotonic() >= due:
                due = time.monotonic() + 0.05
                act()
            self.executor.spin_once(timeout_sec=0.02)

    def call(self, kind: type, service: str, request: object, act: Callable[[], None]) -> object:
        """Return a service's answer; `act` goes on meanwhile."""
        client = self.peer.create_client(kind, service)
        self.until(client.service_is_ready, act)
        future = client.call_async(request)
        self.until(future.done, act)
        self.peer.destroy_client(client)
        return future.result()

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.peer.destroy_node()


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    """Return a function that makes a Bench; everything is closed afterwards."""
    rclpy.init(domain_id=10 + os.getpid() % 90)
    made: list[Bench] = []

    def make(node: Callable[[], VlaLifecycleNode], lockstep: bool = True) -> Bench:
        made.append(Bench(node, lockstep))
        return made[-1]

    yield make
    for entry in made:
        entry.close()
    rclpy.try_shutdown()


class Sensors:
    """Publishes a robot at rest at its home pose."""

    def __init__(self, peer: Node, cameras: tuple[str, ...]) -> None:
        self.chain = Kinematics(SPEC).chain(SPEC.joints.home)
        profile = qos.SENSOR_RELIABLE
        self.images = {name: peer.create_publisher(Image, f'{name}/image', profile)
                       for name in cameras}
        self.joints = peer.create_publisher(JointState, 'joint_states', profile)
        self.tf = peer.create_publisher(TFMessage, 'tf', profile)
        self.tick = peer.create_publisher(msg.Tick, 'tick', qos.EVENT)

    def publish(self, stamp_ns: int, tick: Tick | None = None) -> None:
        names = (*SPEC.joints.names, *SPEC.gripper.joints)
        position = np.concatenate([SPEC.joints.home, [0.02, 0.02]])
        self.joints.publish(joint_state_to_msg(stamp_ns, names, position, np.zeros(9)))
        self.tf.publish(transforms_to_msg(
            [(parent, child, stamp_ns, pose) for parent, child, pose in self.chain]))
        for name, publisher in self.images.items():
            camera = SPEC.cameras[name]
            picture = np.full((camera.height, camera.width, 3), 7, np.uint8)
            publisher.publish(to_image(picture, stamp_ns, camera.frame))
        if tick is not None:
            self.tick.publish(to_msg(tick))


def clock(start_ns: int = STAMP) -> Callable[[], int]:
    """Return a function that gives a stamp one control period later at every call."""
    stamps = iter(range(start_ns, start_ns + 10**12, PERIOD_NS))
    return lambda: next(stamps)


def test_perception_observes_exactly_the_ticks_instant(bench: Callable[..., Bench]) -> None:
    table = bench(PerceptionNode)
    sensors, heard = Sensors(table.peer, tuple(SPEC.cameras)), table.hear(
        msg.Observation, 'observation')
    table.node.start()
    now = clock()

    def act() -> None:
        stamp = now()
        sensors.publish(stamp, Tick(stamp, 0, 'lift-1', observe=True))

    table.until(lambda: heard, act)
    observation = from_msg(heard[0])
    assert observation.episode_id == 'lift-1'
    assert set(observation.images) == set(SPEC.cameras)
    assert np.array_equal(observation.joint_position, SPEC.joints.home)
    home = Kinematics(SPEC).forward(SPEC.joints.home)
    assert np.abs(delta_between(observation.tool_pose, home)).max() < 1e-9
    assert observation.gripper == pytest.approx(0.5)
    assert max(observation.age_s.values()) == 0.0


def test_perception_names_the_camera_that_is_missing(bench: Callable[..., Bench]) -> None:
    table = bench(PerceptionNode, lockstep=False)
    sensors = Sensors(table.peer, ('static',))
    heard = table.hear(DiagnosticArray, 'diagnostics')
    observations = table.hear(msg.Observation, 'observation')
    table.node.start()
    now = clock()
    table.until(lambda: any(
        status.level == DiagnosticStatus.ERROR and 'wrist' in status.message
        and 'static' not in status.message
        for array in heard for status in array.status), lambda: sensors.publish(now()))
    assert not observations


def test_control_answers_a_tick_with_a_set_point_and_an_ack(bench: Callable[..., Bench]) -> None:
    table = bench(ControlNode)
    sensors = Sensors(table.peer, ())
    acks = table.hear(msg.TickAck, 'tick_ack')
    commands = table.hear(JointTrajectory, f'{SPEC.controller.name}/joint_trajectory')
    gripper = ActionServer(
        table.peer, GripperCommand, SPEC.gripper.action, lambda _: GripperCommand.Result())
    table.node.start()
    now = clock()

    def act() -> None:
        stamp = now()
        sensors.publish(stamp, Tick(stamp, 1, 'lift-1', observe=False))

    table.until(lambda: acks and commands, act)
    answered = from_time(acks[0].header.stamp)
    assert (acks[0].node, acks[0].sent, acks[0].episode_id) == ('control', 1, 'lift-1')
    assert from_time(commands[0].header.stamp) == answered
    assert np.allclose(commands[0].points[0].positions, SPEC.joints.home)
    assert from_time(commands[0].points[0].time_from_start) == PERIOD_NS
    gripper.destroy()


def test_control_says_when_joint_states_stop(bench: Callable[..., Bench]) -> None:
    table = bench(ControlNode, lockstep=False)
    sensors, heard = Sensors(table.peer, ()), table.hear(msg.ControlStatus, 'control_status')
    table.node.start()
    now = clock()
    table.until(lambda: any('no chunk' in status.reason for status in heard),
                lambda: sensors.publish(now()))
    table.until(lambda: heard[-1].reason.startswith('joint states: none'))
    assert heard[-1].mode == Mode.HOLD


class Commands:
    """The planner's and the policy's word to control: stay, with as many rows as a chunk has."""

    def __init__(self, peer: Node) -> None:
        self.subtask = peer.create_publisher(msg.Subtask, 'subtask', qos.COMMAND)
        self.chunk = peer.create_publisher(msg.ActionChunk, 'action_chunk', qos.COMMAND)

    def publish(self, stamp_ns: int, value: float = 0.0) -> None:
        self.subtask.publish(to_msg(Subtask(
            's', 'lift-1', 'lift it', 'lift it', stamp_ns=stamp_ns, ttl_s=TIMEOUT_S)))
        rows = np.zeros((6, 7), np.float32)
        rows[:, 0] = value
        self.chunk.publish(to_msg(ActionChunk(
            stamp_ns, stamp_ns // PERIOD_NS, 'lift-1', 's', 'fake', Representation.EE_DELTA,
            SPEC.policy.step_s, rows, 0.5)))


class Driven:
    """Control in lockstep with a fake simulation, planner and policy."""

    def __init__(self, table: Bench) -> None:
        self.value = 0.0  # of the chunks' first column
        self.heard = table.hear(msg.ControlStatus, 'control_status')
        self.commands = table.hear(JointTrajectory, f'{SPEC.controller.name}/joint_trajectory')
        self._sensors, self._commands = Sensors(table.peer, ()), Commands(table.peer)
        self._promise = table.peer.create_publisher(msg.TickAck, 'tick_ack', qos.EVENT)
        self._now = clock()

    def act(self) -> None:
        """Publish one observe tick and all that control waits for."""
        stamp = self._now()
        self._sensors.publish(stamp, Tick(stamp, stamp // PERIOD_NS, 'lift-1', observe=True))
        self._commands.publish(stamp, self.value)
        for node in (PLANNER, POLICY):
            self._promise.publish(to_msg(Ack(stamp, stamp // PERIOD_NS, 'lift-1', node, 1)))

    def shows(self, mode: Mode, words: str = '') -> bool:
        """Say whether the newest status has this mode, and such words in its reason."""
        return bool(self.heard) and self.heard[-1].mode == mode and words in self.heard[-1].reason


@pytest.fixture
def driven(bench: Callable[..., Bench]) -> Iterator[tuple[Bench, Driven]]:
    table = bench(ControlNode)
    gripper = ActionServer(
        table.peer, GripperCommand, SPEC.gripper.action, lambda _: GripperCommand.Result())
    robot = Driven(table)
    table.node.start()
    table.until(lambda: robot.shows(Mode.POLICY), robot.act)
    yield table, robot
    gripper.destroy()


def test_an_emergency_stop_lasts_until_it_is_released(driven: tuple[Bench, Driven]) -> None:
    table, robot = driven
    answer = table.call(SetBool, 'control/estop', SetBool.Request(data=True), robot.act)
    assert answer.success
    table.until(lambda: robot.shows(Mode.ESTOP, 'emergency stop'), robot.act)
    seen = len(robot.commands)
    table.until(lambda: len(robot.commands) > seen + 30, robot.act)  # chunks go on, to no avail
    assert robot.shows(Mode.ESTOP)
    table.call(SetBool, 'control/estop', SetBool.Request(data=False), robot.act)
    table.until(lambda: robot.shows(Mode.POLICY), robot.act)


def test_a_fault_lasts_until_it_is_cleared(driven: tuple[Bench, Driven]) -> None:
    table, robot = driven
    robot.value = float('nan')
    table.until(lambda: robot.shows(Mode.FAULT, 'non-finite'), robot.act)
    robot.value, seen = 0.0, len(robot.commands)
    table.until(lambda: len(robot.commands) > seen + 30, robot.act)
    assert robot.shows(Mode.FAULT)
    answer = table.call(Trigger, 'control/clear_fault', Trigger.Request(), robot.act)
    assert answer.success and 'non-finite' in answer.message
    table.until(lambda: robot.shows(Mode.POLICY), robot.act)
    again = table.call(Trigger, 'control/clear_fault', Trigger.Request(), robot.act)
    assert again.message == 'no fault'


def test_a_wrong_parameter_is_one_line_that_names_the_choices(bench: Callable[..., Bench]) -> None:
    table = bench(PerceptionNode)
    table.node.declare_parameter('robot', 'pandda')
    with pytest.raises(UnknownNameError, match='panda'):
        table.node.start()


def test_a_failing_callback_is_reported_and_the_node_lives_on(bench: Callable[..., Bench]) -> None:
    table = bench(PerceptionNode)
    heard, arrived = table.hear(DiagnosticArray, 'diagnostics'), table.hear(
        msg.Observation, 'observation')
    sensors = Sensors(table.peer, tuple(SPEC.cameras))
    table.node.start()
    now = clock()
    broken = Image(encoding='yuv', width=1, height=1, step=1)
    table.until(lambda: any('yuv' in status.message for array in heard
                            for status in array.status),
                lambda: sensors.images['static'].publish(broken))

    def act() -> None:
        stamp = now()
        sensors.publish(stamp, Tick(stamp, 0, 'lift-1', observe=True))

    table.until(lambda: arrived, act)
    assert table.node.get_parameter('lockstep').type_ == Parameter.Type.BOOL
