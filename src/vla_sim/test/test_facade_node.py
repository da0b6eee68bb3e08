"""Laws of the arm's follow_joint_trajectory action, against a follower without physics."""

from collections.abc import Callable, Iterator, Sequence
import math
import os
import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')
FollowJointTrajectory = pytest.importorskip('control_msgs.action').FollowJointTrajectory

from action_msgs.msg import GoalStatus  # noqa: E402
from control_msgs.msg import JointTolerance  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rclpy.experimental.events_executor import EventsExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint  # noqa: E402
from vla_core.ros.arrays import to_duration  # noqa: E402
from vla_core.ros.lifecycle import VlaLifecycleNode  # noqa: E402
from vla_core.spec import load_robot  # noqa: E402
from vla_sim.facade_node import TrajectoryFacade  # noqa: E402
from vla_sim.trajectory import ErrorCode, TrajectoryFollower  # noqa: E402

PATIENCE_S = 30.0
SPEC = load_robot('panda')
HOME = SPEC.joints.home
PERIOD_NS = 8_333_333
START_NS = 1_000_000_000
BLOCKED = np.full(7, 9.0)  # [rad] joints that do not follow


class ArmNode(VlaLifecycleNode):
    """The facade of an arm whose joints are where they should be, or where they are held."""

    def __init__(self) -> None:
        super().__init__('arm')
        self.now_ns = START_NS
        self.held: np.ndarray | None = None  # (J,) float64 [rad]

    def setup(self) -> None:
        self.follower = TrajectoryFollower(SPEC.joints.names, HOME)
        self.facade = TrajectoryFacade(
            self, SPEC, self.follower, lambda: self.now_ns, lambda stamp_ns: None)

    def teardown(self) -> None:
        self.facade.destroy()

    def advance(self) -> None:
        self.now_ns += PERIOD_NS
        here = self.follower.sample(self.now_ns).position
        self.facade.update(here if self.held is None else self.held)


class Table:
    """An arm and its client on one executor, in a ROS domain of its own."""

    def __init__(self) -> None:
        rclpy.init(domain_id=1 + os.getpid() % 100)
        self.arm, self.peer = ArmNode(), Node('peer')
        self.arm.start()
        name = f'{SPEC.controller.name}/follow_joint_trajectory'
        self.client = ActionClient(self.peer, FollowJointTrajectory, name)
        self.executor = EventsExecutor()
        for node in (self.arm, self.peer):
            self.executor.add_node(node)
        self.feedback: list = []
        self.until(self.client.server_is_ready)

    def until(self, condition: Callable[[], object]) -> None:
        """Let time pass, one control period a turn, until the condition holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, 'waited in vain'
            self.executor.spin_once(timeout_sec=0.002)
            self.arm.advance()

    def send(self, goal: FollowJointTrajectory.Goal) -> object:
        """Return the handle of a goal that was answered."""
        future = self.client.send_goal_async(
            goal, feedback_callback=lambda message: self.feedback.append(message.feedback))
        self.until(future.done)
        return future.result()

    def result(self, handle: object) -> tuple[int, int]:
        """Return a goal's status and error code at its end."""
        future = handle.get_result_async()
        self.until(future.done)
        return future.result().status, future.result().result.error_code

    def close(self) -> None:
        """End all of it."""
        for node in (self.arm, self.peer):
            self.executor.remove_node(node)
        self.executor.shutdown()
        self.client.destroy()
        self.arm.destroy_node()
        self.peer.destroy_node()
        rclpy.shutdown()


@pytest.fixture(scope='module')
def made() -> Iterator[Table]:
    one = Table()
    yield one
    one.close()


@pytest.fixture
def table(made: Table) -> Table:
    """Return a table whose arm rests at home, with nobody's goal."""
    made.arm.facade.drop('the next test begins')
    made.arm.follower.reset(HOME)
    made.arm.held = None
    made.feedback.clear()
    return made


def goal(
    positions: Sequence[np.ndarray] = (HOME + 0.1, HOME + 0.2),
    times_s: Sequence[float] = (0.25, 0.5), names: Sequence[str] = SPEC.joints.names,
    **fields: object,
) -> FollowJointTrajectory.Goal:
    points = [
        JointTrajectoryPoint(
            positions=list(map(float, row)), time_from_start=to_duration(round(s * 1e9)))
        for row, s in zip(positions, times_s)]
    return FollowJointTrajectory.Goal(
        trajectory=JointTrajectory(joint_names=list(names), points=points), **fields)


def test_a_goal_that_is_reached_succeeds_and_tells_its_progress(table: Table) -> None:
    status, code = table.result(table.send(goal()))
    assert (status, code) == (GoalStatus.STATUS_SUCCEEDED, ErrorCode.SUCCESSFUL)
    assert np.allclose(table.arm.follower.sample(table.arm.now_ns).position, HOME + 0.2)
    assert len(table.feedback) > 3
    assert list(table.feedback[0].joint_names) == list(SPEC.joints.names)
    shares = [feedback.desired.positions[0] for feedback in table.feedback]
    assert shares == sorted(shares)
    assert not any(np.abs(feedback.error.positions).max() for feedback in table.feedback)


@pytest.mark.parametrize('bad', [
    {'names': [*SPEC.joints.names[:-1], 'elbow']},
    {'names': SPEC.joints.names[:-1], 'positions': [HOME[:-1]] * 2},
    {'times_s': (0.5, 0.5)},
    {'times_s': (0.5, 0.25)},
    {'positions': [HOME, np.full(7, math.nan)]},
    {'positions': [HOME[:-1]] * 2},
    {'positions': [], 'times_s': []},
], ids=['wrong name', 'name missing', 'equal times', 'falling times', 'NaN', 'too short', 'empty'])
def test_an_invalid_goal_is_rejected_and_the_arm_stays(table: Table, bad: dict) -> None:
    assert not table.send(goal(**bad)).accepted
    assert np.array_equal(table.arm.follower.sample(table.arm.now_ns).position, HOME)


def test_an_invalid_goal_leaves_the_running_one(table: Table) -> None:
    running = table.send(goal(times_s=(5.0, 10.0)))
    assert not table.send(goal(times_s=(0.5, 0.5))).accepted
    assert table.result(running) == (GoalStatus.STATUS_SUCCEEDED, ErrorCode.SUCCESSFUL)


def test_a_newer_goal_ends_the_running_one(table: Table) -> None:
    first = table.send(goal(times_s=(50.0, 100.0)))
    second = table.send(goal([HOME - 0.1], [0.5]))
    assert table.result(first) == (GoalStatus.STATUS_ABORTED, ErrorCode.INVALID_GOAL)
    assert table.result(second) == (GoalStatus.STATUS_SUCCEEDED, ErrorCode.SUCCESSFUL)
    assert np.allclose(table.arm.follower.sample(table.arm.now_ns).position, HOME - 0.1)


def test_a_canceled_goal_stops_the_arm(table: Table) -> None:
    running = table.send(goal(times_s=(50.0, 100.0)))
    canceled = running.cancel_goal_async()
    table.until(canceled.done)
    assert table.result(running) == (GoalStatus.STATUS_CANCELED, ErrorCode.SUCCESSFUL)
    stopped = table.arm.follower.sample(table.arm.now_ns + PERIOD_NS * 120)
    assert not stopped.velocity.any()


@pytest.mark.parametrize(('tolerance', 'code'), [
    ('path_tolerance', ErrorCode.PATH_TOLERANCE_VIOLATED),
    ('goal_tolerance', ErrorCode.GOAL_TOLERANCE_VIOLATED),
])
def test_joints_that_do_not_follow_violate_the_tolerance(
    table: Table, tolerance: str, code: ErrorCode
) -> None:
    table.arm.held = BLOCKED
    allowed = [JointTolerance(name=name, position=0.05) for name in SPEC.joints.names]
    handle = table.send(goal(**{tolerance: allowed}))
    assert table.result(handle) == (GoalStatus.STATUS_ABORTED, code)
