"""Laws of the guard: nonsense is rejected whole and with a reason, sense passes untouched."""

from dataclasses import replace

from arm_fakes import (
    assert_within_limits,
    bench,
    chunk,
    deltas,
    HOME,
    SPEC,
    stamp,
    STEP_S,
    SUBTASK,
)
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from vla_core.control.config import ControlConfig
from vla_core.control.guard import Guard
from vla_core.types import JointCommand, Mode, Representation

NOW = stamp(120)
GOOD = deltas((0.1, 0.1, 0.0))


def guard() -> Guard:
    return Guard(SPEC, ControlConfig())


def test_a_good_chunk_passes() -> None:
    assert guard().check(chunk(GOOD, 120), 'e', NOW) is None


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf, 1e308])
@pytest.mark.parametrize('column', [0, 4, 6])
def test_a_non_finite_value_anywhere_rejects(bad: float, column: int) -> None:
    values = GOOD.copy()
    values[7, column] = bad
    with np.errstate(over='ignore'):
        rejection = guard().check(chunk(values, 120), 'e', NOW)
    assert rejection.non_finite


@pytest.mark.parametrize(('fields', 'reason'), [
    ({'values': np.zeros((3, 8), np.float32)}, 'shape'),
    ({'values': np.zeros((0, 7), np.float32)}, 'shape'),
    ({'values': np.zeros(7, np.float32)}, 'shape'),
    ({'representation': Representation.JOINT_DELTA}, 'shape'),
    ({'representation': 'ee_delta_2'}, 'representation'),
    ({'step_s': 0.0}, 'step_s'),
    ({'step_s': float('nan')}, 'step_s'),
    ({'progress': float('nan')}, 'non-finite'),
    ({'episode_id': 'other'}, 'episode'),
    ({'stamp_ns': NOW - 400_000_000}, 'old'),
    ({'stamp_ns': NOW + 60_000_000}, 'future'),
])
def test_what_breaks_the_contract_is_rejected_and_named(fields: dict, reason: str) -> None:
    assert reason in guard().check(replace(chunk(GOOD, 120), **fields), 'e', NOW).reason


def test_a_sequence_must_grow_within_source_and_episode() -> None:
    watch = guard()
    watch.accept(chunk(GOOD, 120, sequence=5))
    assert 'sequence' in watch.check(chunk(GOOD, 120, sequence=5), 'e', NOW).reason
    assert watch.check(chunk(GOOD, 120, sequence=6), 'e', NOW) is None
    assert watch.check(chunk(GOOD, 120, sequence=0, source='teleop'), None, NOW) is None
    assert watch.check(chunk(GOOD, 120, sequence=0, episode_id='f'), 'f', NOW) is None


@pytest.mark.parametrize(('values', 'reason'), [
    (deltas((0.7, 0.0, 0.0)), 'm/s'),
    (deltas((0.0, 0.0, 0.0, 3.5)), 'rad/s'),
    (deltas((0.0, 0.0, 0.0), gripper=1.2), 'gripper'),
    (deltas((0.0, 0.0, 0.0), gripper=-0.2), 'gripper'),
])
def test_motion_past_the_limits_is_rejected_and_named(values: np.ndarray, reason: str) -> None:
    assert reason in bench().send(values).reason


def test_a_target_outside_the_workspace_is_rejected_and_named() -> None:
    arm = bench()
    down = np.array([[0.4, 0.0, 0.2, np.pi, 0, 0, 1], [0.4, 0.0, -0.03, np.pi, 0, 0, 1]])
    kind = Representation.EE_ABSOLUTE
    assert 'tool z' in arm.send(down, representation=kind, step_s=0.5).reason


def test_joint_targets_past_limits_are_rejected_and_named() -> None:
    kind = Representation.JOINT_ABSOLUTE
    far = np.array([[*HOME, 1.0]])
    far[0, 3] = 0.5
    assert 'panda_joint4' in bench().send(far, representation=kind, step_s=0.9).reason
    fast = np.array([[*(HOME + 0.5), 1.0]])
    assert 'rad/s' in bench().send(fast, representation=kind).reason


def test_rows_the_watchdog_will_not_let_play_are_neither_judged_nor_played() -> None:
    values = deltas((0.05, 0.0, 0.0))
    values[8:, 0] = 5.0
    arm = bench()
    assert arm.send(values) is None
    arm.play(120)
    assert np.linalg.norm(arm.tool - arm.controller.kinematics.forward(HOME)) < 0.03


def test_a_chunk_whose_rows_are_all_past_is_rejected() -> None:
    arm = bench()
    arm.play(30)
    assert 'late' in arm.send(deltas((0.1, 0.0), rows=2), late_ticks=25).reason


def command(position: np.ndarray, velocity: np.ndarray) -> JointCommand:
    return JointCommand(0, position, velocity, None, np.zeros(7))


@pytest.mark.parametrize(('position', 'velocity', 'reason'), [
    (HOME + 0.1, np.zeros(7), 'position step'),
    (HOME, np.full(7, 0.5), 'acceleration'),
    (HOME * np.nan, np.zeros(7), 'finite'),
    (np.full(7, 4.0), np.zeros(7), 'position of'),
])
def test_a_set_point_past_the_limits_is_named(
    position: np.ndarray, velocity: np.ndarray, reason: str
) -> None:
    before = command(HOME, np.zeros(7))
    assert guard().check_command(before, before) is None
    assert reason in guard().check_command(before, command(position, velocity))


huge = st.floats(width=32, allow_nan=True, allow_infinity=True)
small = st.floats(-0.06, 0.06)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(small | huge, min_size=7, max_size=7), min_size=1, max_size=6),
       st.integers(-10, 45), st.sampled_from([0.02, STEP_S, 0.2]))
def test_no_chunk_whatever_drives_the_arm_out_of_its_limits(
    rows: list[list[float]], late_ticks: int, step_s: float
) -> None:
    arm = bench()
    arm.play(50)
    arm.controller.on_subtask(SUBTASK, arm.steady_s)
    before = arm.send(np.array(rows), late_ticks=late_ticks, step_s=step_s)
    arm.play(20)
    arm.send(np.array(rows), late_ticks=0, step_s=step_s)
    arm.play(20)
    positions = np.array([c.position for c in arm.log])
    assert_within_limits(positions, np.array([c.velocity for c in arm.log]))
    assert arm.controller.status().mode is not Mode.FAULT
    if before is not None and not np.isfinite(np.float32(rows)).all():
        assert (positions == HOME).all()
