"""Laws of chunk execution: limits always, anchors exactly, no jump ever."""

from arm_fakes import assert_within_limits, bench, chunk, deltas, HOME, SPEC, stamp, STEP_S, TICKS
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from vla_core.control.config import ControlConfig
from vla_core.control.executor import ChunkExecutor
from vla_core.control.plan import resolve
from vla_core.geometry import apply_delta, delta_between, pose_distance, quat_to_rotvec
from vla_core.kinematics import Kinematics
from vla_core.types import ActionChunk, Representation

KINEMATICS = Kinematics(SPEC)
LIMITS = SPEC.joints
SLANT = (0.16, -0.2, 0.1, 0.1, 0.3, -0.4)  # [m/s], [rad/s]


def executor() -> ChunkExecutor:
    return ChunkExecutor(SPEC, ControlConfig(), KINEMATICS)


def wild_chunk(rng: np.random.Generator, tick: int) -> ActionChunk:
    """Return a chunk of any representation, size, lateness and violence."""
    kind = list(Representation)[rng.integers(4)]
    joint = kind in (Representation.JOINT_DELTA, Representation.JOINT_ABSOLUTE)
    values = rng.normal(size=(rng.integers(1, 13), 8 if joint else 7)) * 10 ** rng.uniform(-4, 1)
    if kind is Representation.EE_ABSOLUTE:
        values[:, :3] += (0.4, 0.0, 0.4)
    if kind is Representation.JOINT_ABSOLUTE:
        values[:, :7] += HOME
    late = int(rng.integers(-6, 42))
    return chunk(values, max(tick - late, 0), representation=kind,
                 step_s=float(rng.choice([STEP_S, 1 / 30, 0.3])))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whatever_is_played_stays_within_limits(seed: int) -> None:
    rng, runner = np.random.default_rng(seed), executor()
    start = rng.uniform(KINEMATICS.lower, KINEMATICS.upper)
    runner.reset(start, 0)
    positions, velocities = [start], [np.zeros(7)]
    for tick in range(150):
        if rng.random() < 0.15:
            runner.start(runner.resolve(wild_chunk(rng, tick)))
        if rng.random() < 0.02:
            runner.hold()
        runner.step(stamp(tick))
        positions.append(runner.position)
        velocities.append(runner.velocity)
    assert_within_limits(np.array(positions), np.array(velocities))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_hold_leads_to_rest_and_stays_there(seed: int) -> None:
    rng, runner = np.random.default_rng(seed), executor()
    for tick in range(40):
        if tick % 10 == 0:
            runner.start(runner.resolve(wild_chunk(rng, tick)))
        runner.step(stamp(tick))
    runner.hold()
    for tick in range(40, 100):
        runner.step(stamp(tick))
    rest = runner.position
    runner.step(stamp(100))
    assert not runner.velocity.any() and (runner.position == rest).all()


# Shares of full speed a policy step: near what joint 2's 7.5 rad/s^2 lets an outstretched arm do.
SPEEDS = (0.0, 0.12, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0, 1.0, 0.85, 0.7, 0.55, 0.4, 0.25, 0.12, 0.0)


@pytest.mark.parametrize('foresight', [1, len(SPEEDS)])
@pytest.mark.parametrize('velocity', [(0.4, 0.0, 0.0), SLANT, (0.0, 0.25, -0.3)])
def test_row_0_is_reached_when_due(velocity: tuple[float, ...], foresight: int) -> None:
    arm, row = bench(), deltas(velocity, rows=1)[0]
    for step in range(len(SPEEDS)):
        shares = (SPEEDS[step:step + foresight] + SPEEDS[-1:] * 12)[:12]
        if foresight == 1:  # a policy that believes it will go on like this
            shares = [SPEEDS[step]] * 12
        rows = np.array([[*(share * row[:6]), 1.0] for share in shares])
        goal = apply_delta(arm.controller.tool_target, rows[0, :6])
        assert arm.send(rows) is None
        arm.play(TICKS)
        distance, angle = pose_distance(arm.tool, goal)
        assert distance < 0.002 and angle < 0.01


def test_a_chunk_left_alone_visits_every_row_in_time() -> None:
    arm, rows = bench(), deltas(SLANT)
    rows[:, :6] *= np.array(SPEEDS[2:14])[:, None]
    goal = arm.controller.tool_target
    arm.send(rows)
    for row in rows[:3]:
        goal = apply_delta(goal, row[:6].astype(np.float32))
        arm.play(TICKS)
        assert pose_distance(arm.tool, goal)[0] < 0.002


@pytest.mark.parametrize('late_ticks', [3, 7, 12, 20])
def test_a_late_chunk_lands_on_the_anchors_of_its_observation(late_ticks: int) -> None:
    arm = bench()
    for _ in range(5):
        arm.send(deltas((0.1, 0.1)))
        arm.play(TICKS)
    anchor = arm.controller.tool_target
    arm.play(late_ticks)
    rows = deltas((0.15, 0.05, 0.05))
    assert arm.send(rows, late_ticks=late_ticks) is None
    skipped = 1 + -(-late_ticks // TICKS)
    arm.play(skipped * TICKS - late_ticks + TICKS)
    goal = anchor
    for row in rows[:skipped + 1]:
        goal = apply_delta(goal, row[:6])
    assert pose_distance(arm.tool, goal)[0] < 0.002


def test_after_a_hold_a_late_chunk_goes_on_from_where_the_arm_is() -> None:
    arm = bench()
    arm.send(deltas((0.2, 0.0, 0.0)))
    arm.play(60)  # silence has brought it to rest
    rest = arm.tool
    assert arm.send(deltas((0.0, 0.1, 0.0)), late_ticks=38) is None
    arm.play(TICKS)
    moved = delta_between(rest, arm.tool)
    assert abs(moved[0]) < 0.002 and 0.002 < moved[1] < 0.012


def test_a_cross_fade_is_continuous_in_velocity() -> None:
    arm = bench()
    arm.send(deltas((0.2, 0.1, 0.0)))
    arm.play(15)
    arm.send(deltas((-0.1, 0.1, 0.1)), late_ticks=6)
    arm.play(20)
    velocity = np.array([command.velocity for command in arm.log])
    steps = np.abs(np.diff(velocity, axis=0)) * SPEC.controller.rate_hz
    assert (steps <= LIMITS.acceleration).all()


def test_delta_chunks_go_where_the_equal_absolute_chunks_go() -> None:
    rows = deltas(SLANT)
    here, absolute = KINEMATICS.forward(HOME), []
    for row in rows:
        here = apply_delta(here, row[:6])
        absolute.append([*here[:3], *quat_to_rotvec(here[3:]), 1.0])
    ends = []
    for values, kind in ((rows, Representation.EE_DELTA), (absolute, Representation.EE_ABSOLUTE)):
        arm = bench()
        assert arm.send(values, representation=kind) is None
        arm.play(25)
        ends.append(arm.tool)
    assert pose_distance(*ends)[0] < 1e-5


def test_joint_deltas_go_where_the_equal_joint_targets_go() -> None:
    step = np.array([0.02, -0.01, 0.02, 0.03, 0.0, 0.01, -0.02])
    moves = np.tile([*step, 1.0], (6, 1))
    places = np.array([[*(HOME + (k + 1) * step), 1.0] for k in range(6)])
    ends = []
    for values, kind in ((moves, Representation.JOINT_DELTA),
                         (places, Representation.JOINT_ABSOLUTE)):
        arm = bench()
        assert arm.send(values, representation=kind) is None
        ends.append(arm.play(25).position)
    assert np.abs(ends[0] - ends[1]).max() < 1e-6
    assert np.abs(ends[0] - (HOME + 2.5 * step)).max() < 2e-3


def test_the_same_inputs_give_the_same_bits_at_any_time() -> None:
    logs = []
    for offset in (0, 7, 1001, 240 * 3600 * 50 + 1):
        arm = bench(offset)
        for step in range(4):
            arm.send(deltas((0.2, 0.1 * step, -0.1), rows=6), late_ticks=step)
            arm.play(TICKS)
        logs.append(np.array([[*c.position, *c.velocity, *c.tool_target] for c in arm.log]))
    assert all((log == logs[0]).all() for log in logs)


def test_turns_beyond_half_a_circle_stay_continuous() -> None:
    rows = np.zeros((16, 7), dtype=np.float32)
    rows[:, 5] = 0.3
    plan = resolve(chunk(rows), KINEMATICS.forward(HOME))
    steps = np.diff(plan.waypoints[:, 3:], axis=0)
    assert np.allclose(np.linalg.norm(steps, axis=1), 0.3, atol=1e-6)
