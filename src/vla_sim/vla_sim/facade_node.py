"""The arm's ros2_control names in simulation, so that a real arm is a launch argument.

Source: ros2_controllers, joint_trajectory_controller and gripper_controllers (jazzy);
franka_gripper for the meaning of GripperCommand.position (the travel of one finger).
"""

from collections.abc import Callable, Sequence
from typing import Any

from control_msgs.action import FollowJointTrajectory, GripperCommand
from control_msgs.msg import JointTolerance
import numpy as np
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from vla_core.ros import qos
from vla_core.ros.arrays import from_time, to_time
from vla_core.spec import RobotSpec
from vla_sim.robot import Arm
from vla_sim.trajectory import ErrorCode, RejectedTrajectoryError, Trajectory, TrajectoryFollower

_REACHED_M = 0.0015  # of one finger
_STILL_M_S = 0.002
_STILL_TICKS = 24  # control periods without motion until a gripper counts as stalled
_FEEDBACK_TICKS = 6  # control periods in one feedback of a trajectory: 20 Hz


class _Goals:
    """An action's running goal and the results of those that have ended.

    A goal stays ACCEPTED while it runs and is executed once its end is known: a coroutine that
    awaits on the EventsExecutor is polled without pause and takes a whole core.
    """

    def __init__(
        self, node: Node, kind: type, name: str, on_goal: Callable, drop: Callable
    ) -> None:
        self._results: dict[bytes, tuple[bool, Any]] = {}
        self._drop = drop
        self.running: ServerGoalHandle | None = None
        self._server = ActionServer(
            node, kind, name, self._close, goal_callback=on_goal,
            handle_accepted_callback=self._begin,
            cancel_callback=lambda _: CancelResponse.ACCEPT)

    def destroy(self) -> None:
        """Release the action server."""
        self._server.destroy()

    def finish(self, succeeded: bool, result: Any) -> None:
        """End the running goal."""
        handle, self.running = self.running, None
        self._results[bytes(handle.goal_id.uuid)] = (succeeded, result)
        handle.execute()

    def _begin(self, handle: ServerGoalHandle) -> None:
        self._drop()
        self.running = handle

    def _close(self, handle: ServerGoalHandle) -> Any:
        succeeded, result = self._results.pop(bytes(handle.goal_id.uuid))
        if handle.is_cancel_requested:
            handle.canceled()
        elif succeeded:
            handle.succeed()
        else:
            handle.abort()
        return result


class TrajectoryFacade:
    """`<controller>/joint_trajectory` and `<controller>/follow_joint_trajectory`."""

    def __init__(
        self, node: Node, spec: RobotSpec, follower: TrajectoryFollower,
        now_ns: Callable[[], int], heard: Callable[[int], None],
    ) -> None:
        """Serve `follower`; `heard` is told the header stamp [ns] of every message."""
        self._node, self._follower = node, follower
        self._now_ns, self._heard = now_ns, heard
        self._tolerance: dict[str, np.ndarray] = {}
        self._updates = 0  # of the running goal
        name = spec.controller.name
        node.listen(JointTrajectory, f'{name}/joint_trajectory', self._on_topic, qos.SET_POINT)
        self._goals = _Goals(
            node, FollowJointTrajectory, f'{name}/follow_joint_trajectory', self._on_goal,
            lambda: self.drop('a newer goal arrived'))

    def destroy(self) -> None:
        """Release the action server."""
        self._goals.destroy()

    def drop(self, reason: str) -> None:
        """Abort the running goal, if any."""
        self._finish(ErrorCode.INVALID_GOAL, reason)

    def update(self, position: np.ndarray) -> None:
        """Judge the running goal by the measured position (J,) [rad]; call it every period."""
        if self._goals.running is None:
            return
        if self._goals.running.is_cancel_requested:
            self._follower.stop(self._now_ns())
            self._finish(ErrorCode.SUCCESSFUL, 'canceled')
            return
        desired = self._follower.sample(self._now_ns()).position
        error = np.abs(desired - position)
        self._tell(desired, position)
        if self._now_ns() < self._follower.end_ns:
            self._check_path(error)
        elif (error > self._tolerance['goal']).any():
            self._wait_or_fail(error)
        else:
            self._finish(ErrorCode.SUCCESSFUL, 'goal reached')

    def _on_topic(self, message: JointTrajectory) -> None:
        try:
            self._follower.accept(_trajectory(message), self._now_ns())
        except RejectedTrajectoryError as error:
            self._node.get_logger().error(
                f'trajectory refused: {error}', throttle_duration_sec=1.0)
        else:
            self.drop('a newer trajectory arrived')
        self._heard(from_time(message.header.stamp))

    def _on_goal(self, goal: FollowJointTrajectory.Goal) -> GoalResponse:
        try:
            self._follower.accept(_trajectory(goal.trajectory), self._now_ns())
        except RejectedTrajectoryError as error:
            self._node.get_logger().error(f'goal refused ({error.code.name}): {error}')
            return GoalResponse.REJECT
        self.drop('a newer goal arrived')
        names, self._updates = self._follower.joints, 0
        self._tolerance = {
            'path': _tolerances(names, goal.path_tolerance),
            'goal': _tolerances(names, goal.goal_tolerance),
            'time': np.array(from_time(goal.goal_time_tolerance))}
        return GoalResponse.ACCEPT

    def _tell(self, desired: np.ndarray, actual: np.ndarray) -> None:
        """Publish feedback at a rate for people: positions (J,) [rad]."""
        if self._updates % _FEEDBACK_TICKS == 0:
            self._goals.running.publish_feedback(_feedback(
                self._follower.joints, self._now_ns(), desired, actual))
        self._updates += 1

    def _check_path(self, error: np.ndarray) -> None:
        if (error > self._tolerance['path']).any():
            self._follower.stop(self._now_ns())
            self._finish(ErrorCode.PATH_TOLERANCE_VIOLATED, f'path error {error.max():.4f} rad')

    def _wait_or_fail(self, error: np.ndarray) -> None:
        if self._now_ns() > self._follower.end_ns + int(self._tolerance['time']):
            self._finish(ErrorCode.GOAL_TOLERANCE_VIOLATED, f'goal error {error.max():.4f} rad')

    def _finish(self, code: ErrorCode, text: str) -> None:
        if self._goals.running is not None:
            self._goals.finish(
                code == ErrorCode.SUCCESSFUL,
                FollowJointTrajectory.Result(error_code=int(code), error_string=text))


class GripperFacade:
    """`franka_gripper/gripper_action`: the newest goal wins; a grip counts as stalled."""

    def __init__(
        self, node: Node, spec: RobotSpec, arm: Callable[[], Arm], heard: Callable[[], None]
    ) -> None:
        self._node, self._arm, self._heard = node, arm, heard
        self._travel_m = spec.gripper.finger_travel_m
        self._force_n = spec.gripper.force_n
        self._still = 0
        self._goals = _Goals(
            node, GripperCommand, spec.gripper.action, self._on_goal, self.drop)

    def destroy(self) -> None:
        """Release the action server."""
        self._goals.destroy()

    def drop(self) -> None:
        """Abort the running goal, if any."""
        self._finish(stalled=False, reached=False)

    def update(self) -> None:
        """Judge the running goal; call it every control period."""
        if self._goals.running is None:
            return
        position, velocity = self._arm().finger_state()
        self._still = self._still + 1 if np.abs(velocity).max() < _STILL_M_S else 0
        goal_m = self._arm().gripper_goal * self._travel_m
        if np.abs(position - goal_m).max() <= _REACHED_M:
            self._finish(stalled=False, reached=True)
        elif self._still >= _STILL_TICKS:
            self._finish(stalled=True, reached=False)
        elif self._goals.running.is_cancel_requested:
            self._arm().set_gripper(float(position.mean()) / self._travel_m)
            self._finish(stalled=False, reached=False)

    def _on_goal(self, goal: GripperCommand.Goal) -> GoalResponse:
        position = goal.command.position
        if not 0.0 <= position <= self._travel_m:  # also refuses NaN
            self._node.get_logger().error(
                f'gripper position: got {position}, allowed 0 to {self._travel_m} m')
            self._heard()
            return GoalResponse.REJECT
        self.drop()
        self._still = 0
        self._arm().set_gripper(position / self._travel_m)
        self._heard()
        return GoalResponse.ACCEPT

    def _finish(self, *, stalled: bool, reached: bool) -> None:
        if self._goals.running is None:
            return
        position, _ = self._arm().finger_state()
        self._goals.finish(stalled or reached, GripperCommand.Result(
            position=float(position.mean()), effort=self._force_n if stalled else 0.0,
            stalled=stalled, reached_goal=reached))


def _feedback(
    names: Sequence[str], stamp_ns: int, desired: np.ndarray, actual: np.ndarray
) -> FollowJointTrajectory.Feedback:
    feedback = FollowJointTrajectory.Feedback(
        joint_names=list(names),
        desired=JointTrajectoryPoint(positions=desired.tolist()),
        actual=JointTrajectoryPoint(positions=actual.tolist()),
        error=JointTrajectoryPoint(positions=(desired - actual).tolist()))
    feedback.header.stamp = to_time(stamp_ns)
    return feedback


def _trajectory(message: JointTrajectory) -> Trajectory:
    points: Sequence[Any] = message.points
    moving = bool(points) and all(len(point.velocities) for point in points)
    return Trajectory(
        tuple(message.joint_names), from_time(message.header.stamp),
        [from_time(point.time_from_start) for point in points],
        _rows([point.positions for point in points]),
        _rows([point.velocities for point in points]) if moving else None)


def _rows(rows: Sequence[Sequence[float]]) -> np.ndarray:
    if len({len(row) for row in rows}) > 1:
        raise RejectedTrajectoryError(
            ErrorCode.INVALID_GOAL, 'points: got rows of different lengths, allowed one length')
    return np.array([list(row) for row in rows], dtype=np.float64)


def _tolerances(names: Sequence[str], entries: Sequence[JointTolerance]) -> np.ndarray:
    """Return (J,) [rad] allowed position errors; unnamed joints and zeros are unlimited."""
    given = {entry.name: entry.position for entry in entries if entry.position > 0.0}
    return np.array([given.get(name, np.inf) for name in names])
