"""Follow joint trajectories as ros2_control's JointTrajectoryController does.

The one implementation behind the ROS facade and the in-process environment, so a set-point
moves the simulated arm alike in both. Stamps are integer nanoseconds and only differences of
them become floats, so an absolute offset of the clock changes no bit.

Source: ros2_controllers, joint_trajectory_controller (validation, replacement from the desired
state, linear and cubic interpolation); control_msgs/FollowJointTrajectory (error codes).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from vla_core.errors import VlaError
from vla_core.types import JointCommand

_SLOWED = 0.9  # share of the acceleration limit a late point is slowed to
_SHORTEST_NS = 1_000_000


class ErrorCode(IntEnum):
    """Error codes of control_msgs/action/FollowJointTrajectory."""

    SUCCESSFUL = 0
    INVALID_GOAL = -1
    INVALID_JOINTS = -2
    OLD_HEADER_TIMESTAMP = -3
    PATH_TOLERANCE_VIOLATED = -4
    GOAL_TOLERANCE_VIOLATED = -5


class RejectedTrajectoryError(VlaError, ValueError):
    """A trajectory the controller refuses; `code` is the one of FollowJointTrajectory."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class FollowerConfig:
    """What a follower accepts, and how it stops."""

    allow_nonzero_end_velocity: bool = True  # streamed set-points end in motion
    stop_acceleration: float | np.ndarray = 5.0  # [rad/s^2], scalar or (J,), past the end
    stamp_tolerance_ns: int = 1000  # ticks are whole ns, their period is not
    velocity_limit: np.ndarray | None = None  # (J,) [rad/s]; None: follow whatever is asked
    acceleration_limit: np.ndarray | None = None  # (J,) [rad/s^2], over a control period
    period_s: float = 1.0 / 120.0  # control period


@dataclass(frozen=True)
class Trajectory:
    """Way-points of named joints; a start of 0 means on arrival."""

    joints: tuple[str, ...]
    start_ns: int
    times_ns: Sequence[int]  # (N,) from the start, strictly growing
    positions: np.ndarray  # (N, J) float64 [rad]
    velocities: np.ndarray | None = None  # (N, J) float64 [rad/s]; None: linear segments

    @staticmethod
    def to_reach(
        joints: tuple[str, ...], command: JointCommand, period_s: float
    ) -> 'Trajectory':
        """Return the one-point trajectory that reaches `command` one period after its stamp."""
        return Trajectory(
            joints, command.stamp_ns, (round(period_s * 1e9),),
            np.asarray(command.position, dtype=np.float64)[None],
            np.asarray(command.velocity, dtype=np.float64)[None])


@dataclass(frozen=True)
class DesiredState:
    """Where the controller wants the joints to be at one instant."""

    position: np.ndarray  # (J,) float64 [rad]
    velocity: np.ndarray  # (J,) float64 [rad/s]


class TrajectoryFollower:
    """Validate trajectories, let the newest replace the running one, and sample it.

    A new trajectory starts from the desired state at its arrival, not from the measured one.
    Past its end the joints brake at `stop_acceleration` and hold, so a publisher that dies in
    mid-motion leaves an arm that stops smoothly. With limits, a first point that arrives too
    late to be reached within them is reached later (ros2_control: enforce_command_limits).
    """

    def __init__(
        self, joints: Sequence[str], position: np.ndarray, config: FollowerConfig | None = None
    ) -> None:
        self.joints = tuple(joints)
        self.config = config or FollowerConfig()
        self.reset(position)

    def reset(self, position: np.ndarray) -> None:
        """Forget the running trajectory and hold `position` (J,) [rad]."""
        hold = np.array(position, dtype=np.float64)
        self._times = [0]
        self._points = [DesiredState(hold, np.zeros_like(hold))]
        self._linear = True

    @property
    def end_ns(self) -> int:
        """Return when the running trajectory reaches its last point [ns]."""
        return self._times[-1]

    @property
    def goal(self) -> np.ndarray:
        """Return the last way-point's position (J,) [rad]."""
        return self._points[-1].position

    def accept(self, trajectory: Trajectory, now_ns: int) -> None:
        """Replace the running trajectory; raise RejectedTrajectoryError and keep it if invalid."""
        order = self._order(trajectory.joints)
        positions, velocities = self._values(trajectory, order)
        times = [int(time) for time in trajectory.times_ns]
        start = trajectory.start_ns or now_ns
        self._check_times(times, start, now_ns)
        here = self.sample(now_ns)
        self._linear = velocities is None
        still = np.zeros_like(positions)
        velocities = still if velocities is None else velocities
        ahead = [i for i, time in enumerate(times) if start + time > now_ns] or [-1]
        self._points = [here] + [DesiredState(positions[i], velocities[i]) for i in ahead]
        late = self._delay_ns(start + times[ahead[0]] - now_ns)
        self._times = [now_ns] + [start + times[i] + late for i in ahead]

    def _delay_ns(self, duration_ns: int) -> int:
        """Return how much later than asked the first point can be reached within the limits."""
        if self.config.acceleration_limit is None or self._linear:
            return 0
        begin, end = self._points[:2]
        if self._fits(begin, end, max(duration_ns, 1) * 1e-9, 1.0):
            return 0
        slow_ns = max(duration_ns, _SHORTEST_NS)
        while not self._fits(begin, end, slow_ns * 1e-9, _SLOWED):
            slow_ns = slow_ns * 6 // 5
        return slow_ns - duration_ns

    def _fits(
        self, begin: DesiredState, end: DesiredState, duration: float, share: float
    ) -> bool:
        """Say whether no control period of a cubic segment needs more than the limits allow.

        Acceleration along a cubic is linear in time, so its first and last period decide.
        """
        period = min(duration, self.config.period_s)
        allowed = share * self.config.acceleration_limit * period
        c2, c3 = _coefficients(begin, end, duration)
        times = np.array([[period], [duration - period], [0.5 * duration]])
        first, last, middle = begin.velocity + times * (2.0 * c2 + 3.0 * times * c3)
        gains = np.abs([first - begin.velocity, end.velocity - last])
        return bool((gains <= allowed).all()
                    and (np.abs(middle) <= self.config.velocity_limit).all())

    def stop(self, now_ns: int) -> None:
        """Drop the running trajectory: brake and hold."""
        here = self.sample(now_ns)
        self._times, self._points, self._linear = [now_ns], [here], False

    def sample(self, time_ns: int) -> DesiredState:
        """Return the desired state at `time_ns`; before the start it is the first state's."""
        if time_ns <= self._times[0]:
            return self._points[0]
        if time_ns >= self._times[-1]:
            return self._after_end(time_ns - self._times[-1])
        right = next(i for i, time in enumerate(self._times) if time > time_ns)
        left = right - 1
        duration = (self._times[right] - self._times[left]) * 1e-9
        elapsed = (time_ns - self._times[left]) * 1e-9
        segment = _linear if self._linear else _cubic
        return segment(self._points[left], self._points[right], elapsed, duration)

    def _after_end(self, past_ns: int) -> DesiredState:
        last = self._points[-1]
        if past_ns <= self.config.stamp_tolerance_ns or not last.velocity.any():
            return last
        speed = np.abs(last.velocity)
        brake = self.config.stop_acceleration
        elapsed = np.minimum(past_ns * 1e-9, speed / brake)
        sign = np.sign(last.velocity)
        return DesiredState(
            last.position + sign * (speed * elapsed - 0.5 * brake * elapsed**2),
            sign * (speed - brake * elapsed))

    def _order(self, names: Sequence[str]) -> list[int]:
        if tuple(names) == self.joints:
            return list(range(len(self.joints)))
        if sorted(names) != sorted(self.joints):
            raise RejectedTrajectoryError(
                ErrorCode.INVALID_JOINTS,
                f'joint names: got {list(names)}, allowed each once: {list(self.joints)}')
        return [list(names).index(name) for name in self.joints]

    def _values(
        self, trajectory: Trajectory, order: list[int]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        shape = (len(trajectory.times_ns), len(self.joints))
        if shape[0] == 0:
            raise RejectedTrajectoryError(
                ErrorCode.INVALID_GOAL, 'trajectory: got no points, allowed one or more')
        positions = _checked('positions', trajectory.positions, shape)[:, order]
        if trajectory.velocities is None:
            return positions, None
        velocities = _checked('velocities', trajectory.velocities, shape)[:, order]
        if velocities[-1].any() and not self.config.allow_nonzero_end_velocity:
            raise RejectedTrajectoryError(
                ErrorCode.INVALID_GOAL,
                f'end velocity: got {velocities[-1].tolist()}, allowed zero for every joint')
        return positions, velocities

    def _check_times(self, times: list[int], start_ns: int, now_ns: int) -> None:
        growing = all(a < b for a, b in zip(times, times[1:], strict=False))
        if times[0] < 0 or not growing:
            raise RejectedTrajectoryError(
                ErrorCode.INVALID_GOAL,
                f'time_from_start: got {times} ns, allowed strictly increasing from 0')
        if start_ns + times[-1] < now_ns:
            raise RejectedTrajectoryError(
                ErrorCode.OLD_HEADER_TIMESTAMP,
                f'trajectory end: got {(now_ns - start_ns - times[-1]) * 1e-9:.4f} s in the '
                'past, allowed ends in the future')


def _checked(what: str, values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise RejectedTrajectoryError(
            ErrorCode.INVALID_GOAL, f'{what}: got shape {array.shape}, allowed {shape}')
    if not np.isfinite(array).all():
        raise RejectedTrajectoryError(
            ErrorCode.INVALID_GOAL, f'{what}: got non-finite numbers, allowed finite ones')
    return array


def _linear(
    left: DesiredState, right: DesiredState, elapsed: float, duration: float
) -> DesiredState:
    slope = (right.position - left.position) / duration
    return DesiredState(left.position + slope * elapsed, slope)


def _cubic(
    left: DesiredState, right: DesiredState, elapsed: float, duration: float
) -> DesiredState:
    """Return where the cubic that meets both ends in position and velocity is."""
    c2, c3 = _coefficients(left, right, duration)
    position = left.position + elapsed * (left.velocity + elapsed * (c2 + elapsed * c3))
    return DesiredState(position, left.velocity + elapsed * (2.0 * c2 + 3.0 * elapsed * c3))


def _coefficients(
    left: DesiredState, right: DesiredState, duration: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return those (J,) of the square and the cube of the time in that cubic."""
    rise = right.position - left.position
    c2 = (3.0 * rise / duration - 2.0 * left.velocity - right.velocity) / duration
    c3 = (left.velocity + right.velocity - 2.0 * rise / duration) / duration**2
    return c2, c3
