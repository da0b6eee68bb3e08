"""Laws of the whole controller: it rests when anything dies, and says why."""

from arm_fakes import assert_within_limits, Bench, bench, deltas, HOME, SPEC, SUBTASK, TICKS
import numpy as np
import pytest
from vla_core.control.controller import ArmController
from vla_core.types import Mode

RATE = SPEC.controller.rate_hz


def moving(steps: int = 4) -> Bench:
    """Return a bench in the middle of a fast motion that a policy renews every step."""
    arm = bench()
    for _ in range(steps):
        assert arm.send(deltas((0.3, 0.3, 0.1))) is None
        arm.play(TICKS)
    assert np.abs(arm.log[-1].velocity).max() > 0.3
    return arm


def assert_rests(arm: Bench, within_s: float, reason: str) -> None:
    """Check that the arm is at rest in time, within limits all the way, and says why."""
    start = len(arm.log)
    arm.play(round(within_s * RATE) + TICKS, joint_states=reason != 'joint states')
    rest = [not command.velocity.any() for command in arm.log[start:]]
    assert all(rest[round(within_s * RATE):])
    status = arm.controller.status()
    assert status.mode in (Mode.HOLD, Mode.FAULT, Mode.ESTOP) and reason in status.reason
    assert_within_limits(np.array([c.position for c in arm.log]),
                         np.array([c.velocity for c in arm.log]))


def test_a_killed_policy_leaves_the_arm_at_rest_within_half_a_second() -> None:
    assert_rests(moving(), 0.5, 'policy: no chunk for')


def test_dead_joint_states_bring_the_arm_to_rest() -> None:
    arm = moving()
    assert_rests(arm, 0.4, 'joint states')


def test_a_dead_planner_brings_the_arm_to_rest_at_the_ttl() -> None:
    arm = bench()
    for _ in range(round(SUBTASK.ttl_s * 12) - 3):
        arm.send(deltas((0.0, 0.0)))
        arm.play(TICKS)
    assert arm.controller.status().mode is Mode.POLICY
    refused = None
    for _ in range(6):
        refused = arm.send(deltas((0.2, 0.0)))
        arm.play(TICKS)
    assert 'subtask not renewed' in refused.reason
    assert_rests(arm, 0.2, 'planner: subtask not renewed')


def test_an_emergency_stop_brings_the_arm_to_rest_and_keeps_it_there() -> None:
    arm = moving()
    arm.controller.stop('button pressed')
    assert_rests(arm, 0.3, 'button pressed')
    assert arm.send(deltas((0.1, 0.0))).reason == 'button pressed'
    arm.controller.release_stop()
    assert arm.send(deltas((0.1, 0.0))) is None


def test_a_rejected_chunk_holds_until_a_good_one() -> None:
    arm = moving()
    assert arm.send(deltas((2.0, 0.0))) is not None
    assert_rests(arm, 0.3, 'chunk rejected: row 0')
    assert arm.send(deltas((0.1, 0.0))) is None
    arm.play(1)
    assert arm.controller.status().mode is Mode.POLICY


def test_three_non_finite_chunks_in_a_row_latch_a_fault() -> None:
    arm = moving()
    for _ in range(3):
        assert arm.controller.status().mode is not Mode.FAULT
        arm.send(deltas((np.nan, 0.0)))
        arm.play(1)
    assert_rests(arm, 0.3, 'non-finite')
    assert arm.send(deltas((0.1, 0.0))) is not None
    arm.controller.clear_fault()
    assert arm.send(deltas((0.1, 0.0))) is None


def test_other_chunks_between_non_finite_ones_latch_nothing() -> None:
    arm = bench()
    for _ in range(4):
        arm.send(deltas((np.nan, 0.0)))
        arm.play(1)
        arm.send(deltas((0.0, 0.0)))
        arm.play(1)
    assert arm.controller.status().mode is Mode.POLICY


def test_a_chunk_that_runs_out_decelerates() -> None:
    arm = bench()
    arm.send(deltas((0.2, 0.0), rows=1))
    arm.play(TICKS + 20)
    assert not arm.log[-1].velocity.any()
    assert 'run out' in arm.controller.status().reason


def test_an_impossible_set_point_faults_and_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    arm = moving()
    last = arm.log[-1].position
    monkeypatch.setattr(type(arm.controller._guard), 'check_command', lambda *_: 'impossible')
    assert (arm.play(1).position == last).all()
    monkeypatch.undo()
    arm.play(1)
    assert arm.controller.status().mode is Mode.FAULT
    assert 'impossible' in arm.controller.status().reason


def test_the_gripper_goal_comes_once_and_with_its_row() -> None:
    arm, rows = bench(), deltas((0.0, 0.0))
    rows[2:, 6] = 0.0
    for _ in range(4):
        arm.send(rows)
        arm.play(TICKS)
        rows = np.vstack([rows[1:], rows[-1:]])
    goals = [(tick, c.gripper) for tick, c in enumerate(arm.log) if c.gripper is not None]
    assert goals == [(0, 1.0), (2 * TICKS, 0.0)]


def test_the_controller_starts_at_the_first_joint_state() -> None:
    arm = ArmController(SPEC)
    assert not arm.ready
    arm.on_joint_state(HOME * np.nan, HOME, 5, 0.0)
    assert not arm.ready
    arm.on_joint_state(HOME, np.zeros(7), 5, 0.0)
    assert (arm.tick(5, 0.0).position == HOME).all()


def test_a_repeated_joint_state_is_not_a_fresh_one() -> None:
    arm = bench()
    for _ in range(20):
        arm.controller.on_joint_state(HOME, np.zeros(7), 0, arm.steady_s)
        arm.play(1, joint_states=False)
    assert 'joint states' in arm.controller.status().reason
