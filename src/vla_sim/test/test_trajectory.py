"""Laws of the trajectory follower: validation, replacement, interpolation, stopping."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from vla_core.types import JointCommand
from vla_sim.trajectory import (
    ErrorCode,
    FollowerConfig,
    RejectedTrajectoryError,
    Trajectory,
    TrajectoryFollower,
)

JOINTS = ('a', 'b')
SECOND = 1_000_000_000
numbers = st.floats(-3.0, 3.0)
pairs = st.tuples(numbers, numbers).map(np.array)


def follower(**config: object) -> TrajectoryFollower:
    return TrajectoryFollower(JOINTS, np.zeros(2), FollowerConfig(**config))


def trajectory(**changes: object) -> Trajectory:
    fields = {
        'joints': JOINTS, 'start_ns': 0, 'times_ns': (SECOND, 2 * SECOND),
        'positions': np.array([[1.0, 2.0], [2.0, 4.0]]), 'velocities': None, **changes}
    return Trajectory(**fields)


@pytest.mark.parametrize(('changes', 'code'), [
    ({'joints': ('a', 'c')}, ErrorCode.INVALID_JOINTS),
    ({'joints': ('a',)}, ErrorCode.INVALID_JOINTS),
    ({'joints': ('a', 'a')}, ErrorCode.INVALID_JOINTS),
    ({'times_ns': ()}, ErrorCode.INVALID_GOAL),
    ({'times_ns': (SECOND, SECOND)}, ErrorCode.INVALID_GOAL),
    ({'times_ns': (-1, SECOND)}, ErrorCode.INVALID_GOAL),
    ({'positions': np.full((2, 2), np.nan)}, ErrorCode.INVALID_GOAL),
    ({'positions': np.zeros((2, 3))}, ErrorCode.INVALID_GOAL),
    ({'velocities': np.full((2, 2), np.inf)}, ErrorCode.INVALID_GOAL),
    ({'start_ns': SECOND}, ErrorCode.OLD_HEADER_TIMESTAMP),
])
def test_an_invalid_trajectory_is_refused_with_its_code(changes: dict, code: ErrorCode) -> None:
    arm = follower()
    with pytest.raises(RejectedTrajectoryError, match='allowed') as refusal:
        arm.accept(trajectory(**changes), 10 * SECOND)
    assert refusal.value.code == code
    assert (arm.sample(20 * SECOND).position == 0).all()


def test_a_moving_end_is_refused_where_it_is_not_allowed() -> None:
    moving = trajectory(velocities=np.ones((2, 2)))
    with pytest.raises(RejectedTrajectoryError, match='end velocity'):
        follower(allow_nonzero_end_velocity=False).accept(moving, 0)
    follower().accept(moving, 0)


def test_joints_are_matched_by_name_not_by_order() -> None:
    arm = follower()
    arm.accept(trajectory(joints=('b', 'a')), 0)
    assert arm.sample(SECOND).position.tolist() == [2.0, 1.0]


def test_positions_alone_are_followed_in_straight_lines() -> None:
    arm = follower()
    arm.accept(trajectory(), 0)
    halfway = arm.sample(SECOND // 2)
    assert halfway.position.tolist() == [0.5, 1.0]
    assert halfway.velocity.tolist() == [1.0, 2.0]


@settings(deadline=None)
@given(pairs, pairs, pairs, pairs)
def test_every_way_point_is_met_in_position_and_velocity(
    p0: np.ndarray, p1: np.ndarray, v0: np.ndarray, v1: np.ndarray
) -> None:
    arm = follower()
    points, speeds = np.stack([p0, p1]), np.stack([v0, v1])
    arm.accept(trajectory(positions=points, velocities=speeds), 0)
    for index, time in enumerate((SECOND, 2 * SECOND)):
        before, state = arm.sample(time - 1), arm.sample(time)
        np.testing.assert_array_equal(state.position, points[index])
        np.testing.assert_array_equal(state.velocity, speeds[index])
        np.testing.assert_allclose(before.position, state.position, atol=1e-6)
        np.testing.assert_allclose(before.velocity, state.velocity, atol=1e-6)


@settings(deadline=None)
@given(st.integers(0, 3 * SECOND), pairs)
def test_replacing_never_makes_the_desired_state_jump(time: int, goal: np.ndarray) -> None:
    arm = follower()
    arm.accept(trajectory(velocities=np.ones((2, 2))), 0)
    before = arm.sample(time)
    arm.accept(
        trajectory(positions=np.stack([goal, goal]), velocities=np.zeros((2, 2))), time)
    after = arm.sample(time)
    np.testing.assert_array_equal(before.position, after.position)
    np.testing.assert_array_equal(before.velocity, after.velocity)


@settings(deadline=None)
@given(pairs)
def test_past_the_end_the_joints_brake_within_the_limit_and_hold(speed: np.ndarray) -> None:
    arm = follower(stop_acceleration=5.0)
    arm.accept(trajectory(velocities=np.stack([speed, speed])), 0)
    times = range(2 * SECOND, 4 * SECOND, SECOND // 100)
    speeds = np.array([arm.sample(time).velocity for time in times])
    assert np.abs(np.diff(speeds, axis=0)).max() <= 5.0 * 0.01 + 1e-9
    np.testing.assert_allclose(speeds[-1], 0.0, atol=1e-12)


@settings(deadline=None)
@given(st.integers(0, 10**6), pairs, pairs)
def test_an_offset_of_the_clock_changes_no_bit(
    seconds: int, position: np.ndarray, velocity: np.ndarray
) -> None:
    def run(offset: int) -> list[bytes]:
        arm = follower()
        command = JointCommand(offset, position, velocity, None, np.zeros(7))
        arm.accept(Trajectory.to_reach(JOINTS, command, 1 / 120), offset)
        return [arm.sample(offset + t * SECOND // 240).position.tobytes() for t in range(4)]

    assert run(0) == run(seconds * SECOND)


def test_a_point_that_is_due_at_once_is_held() -> None:
    arm = follower()
    arm.accept(trajectory(times_ns=(0,), positions=np.array([[1.0, 2.0]])), 5)
    assert arm.sample(6).position.tolist() == [1.0, 2.0]


def test_a_reset_holds_the_given_position() -> None:
    arm = follower()
    arm.accept(trajectory(), 0)
    arm.reset(np.array([0.3, 0.4]))
    assert arm.sample(SECOND).position.tolist() == [0.3, 0.4]


@settings(deadline=None)
@given(pairs, st.integers(1, SECOND // 10))
def test_a_point_that_comes_too_late_is_reached_later_within_the_limits(
    goal: np.ndarray, due: int
) -> None:
    limits = {'velocity_limit': np.full(2, 2.0), 'acceleration_limit': np.full(2, 10.0)}
    arm = follower(**limits)
    arm.accept(trajectory(
        times_ns=(due,), positions=goal[None], velocities=np.zeros((1, 2))), 0)
    times = np.arange(0, arm.end_ns + SECOND // 50, SECOND // 120)
    speeds = np.array([arm.sample(int(time)).velocity for time in times])
    assert np.abs(speeds).max() <= 2.0
    assert np.abs(np.diff(speeds, axis=0)).max() * 120 <= 10.0 + 1e-3
    np.testing.assert_array_equal(arm.sample(arm.end_ns).position, goal)


def test_a_motion_at_the_limit_is_not_slowed() -> None:
    limits = {'velocity_limit': np.full(2, 2.0), 'acceleration_limit': np.full(2, 10.0)}
    arm = follower(**limits)
    step, speed = SECOND // 120, 9.5 / 120  # the executor keeps 5 % clear of the limit
    arm.accept(trajectory(
        times_ns=(step,), positions=np.full((1, 2), 0.5 * 9.5 / 120**2),
        velocities=np.full((1, 2), speed)), 0)
    assert arm.end_ns == step
