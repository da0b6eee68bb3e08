"""Laws of the mux: who moves the arm, and what is said when nobody may."""

import numpy as np
from vla_core.control.config import ControlConfig
from vla_core.control.gripper import GripperGate
from vla_core.control.mux import Mux
from vla_core.control.pacer import Pacer
from vla_core.spec import load_robot
from vla_core.types import Mode, Subtask

SPEC = load_robot('panda')


def mux(ttl_s: float = 20.0) -> Mux:
    """Return a mux at 0 s whose policy has the arm."""
    made = Mux(SPEC, ControlConfig())
    made.hear_subtask(Subtask('s', 'e', 'i', 't', ttl_s=ttl_s), 0.0)
    made.hear_chunk('default', 0.0)
    return made


def test_the_policy_moves_the_arm_while_everything_is_fresh() -> None:
    assert mux().decide(0.05, running=True).mode is Mode.POLICY


def test_priority_is_stop_then_fault_then_teleop_then_policy() -> None:
    arm = mux()
    arm.hear_chunk('teleop', 0.0)
    assert arm.decide(0.05, running=True).mode is Mode.TELEOP
    assert arm.refusal('default', 0.05) == 'teleop has the arm'
    arm.fault('broken')
    assert arm.decide(0.05, running=True).mode is Mode.FAULT
    arm.stop('button')
    assert arm.decide(0.05, running=True).mode is Mode.ESTOP
    arm.release_stop()
    arm.clear_fault()
    assert arm.decide(0.05, running=True).mode is Mode.TELEOP


def test_who_took_the_arm_keeps_it_in_silence_until_it_is_handed_back() -> None:
    arm = mux()
    arm.hear_chunk('teleop/gamepad', 0.0)
    assert arm.refusal('default', 5.0) == 'teleop/gamepad has the arm'
    assert arm.decide(0.05, running=True).source == 'teleop/gamepad'
    silent = arm.decide(0.3, running=False)
    assert silent.mode is Mode.HOLD and 'joint states' in silent.reason
    arm.hear_joint_state(5.0)
    assert arm.decide(5.0, running=False).reason == 'teleop/gamepad: no chunk for 5.00 s'
    assert arm.hand_back() == 'teleop/gamepad'
    assert arm.refusal('default', 5.0) == '' and arm.hand_back() == ''


def test_of_two_devices_the_first_has_the_arm_until_it_is_silent() -> None:
    arm = mux()
    arm.hear_chunk('teleop/gamepad', 0.0)
    assert arm.refusal('teleop/keyboard', 0.1) == 'teleop/gamepad has the arm'
    assert arm.refusal('teleop/gamepad', 0.1) == ''
    assert arm.refusal('teleop/keyboard', 0.4) == ''
    arm.hear_chunk('teleop/keyboard', 0.4)
    assert arm.refusal('teleop/gamepad', 0.5) == 'teleop/keyboard has the arm'


def test_a_reset_as_after_a_gap_does_not_take_the_arm_from_a_person() -> None:
    arm = mux()
    arm.hear_chunk('teleop', 0.0)
    arm.reset(1.0)
    arm.hear_subtask(Subtask('s', 'e', 'i', 't'), 1.0)
    assert arm.refusal('default', 1.0) == 'teleop has the arm'
    assert arm.decide(1.0, running=False).reason == 'teleop has the arm'
    arm.hand_back()
    assert arm.refusal('default', 1.0) == ''


def test_each_staleness_holds_and_names_itself() -> None:
    assert 'joint states: none for 0.20 s' in mux().decide(0.2, running=True).reason
    silent = mux()
    silent.hear_joint_state(0.31)
    assert silent.decide(0.31, running=True).reason == 'default: no chunk for 0.31 s'
    lapsed = mux(ttl_s=0.05)
    assert 'subtask not renewed' in lapsed.decide(0.06, running=True).reason
    over = mux().decide(0.05, running=False)
    assert over.mode is Mode.HOLD and 'run out' in over.reason
    assert Mux(SPEC, ControlConfig()).decide(0.0, running=False).reason == 'no chunk yet'


def test_a_rejection_holds_until_the_next_good_chunk() -> None:
    arm = mux()
    arm.hear_rejection('default', 'row 3: too fast')
    assert arm.decide(0.05, running=True).reason == 'default: chunk rejected: row 3: too fast'
    arm.hear_chunk('default', 0.06)
    assert arm.decide(0.06, running=True).mode is Mode.POLICY


def test_teleop_needs_no_planner() -> None:
    arm = Mux(SPEC, ControlConfig())
    assert arm.refusal('default', 0.0) == 'planner: no subtask'
    assert arm.refusal('teleop', 0.0) == ''
    arm.hear_chunk('teleop', 0.0)
    assert arm.decide(0.05, running=True).mode is Mode.TELEOP


def test_a_reset_keeps_faults() -> None:
    arm = mux()
    arm.fault('first')
    arm.fault('second')
    arm.reset(1.0)
    assert arm.decide(1.0, running=False).reason == 'first'


def test_the_gripper_gate_sends_each_change_once() -> None:
    gate = GripperGate(ControlConfig())
    values = [None, 0.5, 1.0, 0.9, 0.5, 0.45, 0.3, 0.0, 0.55, None, 0.61, 1.0]
    assert [gate.update(value) for value in values] == [
        None, None, 1.0, None, None, None, 0.0, None, None, None, 1.0, None]


def test_the_pacer_is_the_clock_where_the_clock_is_exact() -> None:
    pacer = Pacer(120)
    first = 7 * 1_000_000_000 // 240
    pacer.reset(first)
    for tick in range(5000):
        now = (7 + 2 * tick) * 1_000_000_000 // 240
        assert abs(pacer.tick(now) - now) <= 1


def test_the_pacer_smooths_jitter_and_jumps_gaps() -> None:
    pacer, stamps = Pacer(120), []
    for tick in range(400):
        stamps.append(pacer.tick(tick * 25_000_000 // 3 + (tick * 7919 % 5) * 1_000_000))
    assert np.ptp(np.diff(stamps)) < 500_000
    late = stamps[-1] + 3_000_000_000
    assert pacer.tick(late) == late
