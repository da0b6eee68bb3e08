"""Laws of teleoperation through the arm controller: what a hand does, and what the arm does then.

The arm is ideal: it is where its set-points are. Time is that of the robot, in whole ticks.
"""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from vla_control.teleop.config import TeleopConfig
from vla_control.teleop.signals import Displacement, Jog, JointGoal, Signal, Twist
from vla_control.teleop.teleoperator import ArmNow, Teleoperator
from vla_core.control.controller import ArmController
from vla_core.geometry import delta_between, rotate
from vla_core.kinematics import Kinematics
from vla_core.spec import load_robot
from vla_core.types import ActionChunk, Mode, Representation, Subtask

SPEC = load_robot('panda')
LIMITS = SPEC.joints
KINEMATICS = Kinematics(SPEC)
NS = 1_000_000_000
RATE = SPEC.controller.rate_hz
FAST = TeleopConfig(speed=1.0)
FORWARD = Signal(Twist(np.array([1.0, 0, 0, 0, 0, 0])))
NOTHING = Signal(None)


class Bench:
    """A controller, a person's device read at 30 Hz, and a policy at 12 Hz."""

    def __init__(self, config: TeleopConfig = FAST, device: str = 'gamepad') -> None:
        self.controller = ArmController(SPEC)
        self.person = Teleoperator(device, SPEC, config)
        self.signal: Signal | None = NOTHING
        self.policy_moves = False
        self.tick_count = 0
        self.q, self.dq = SPEC.joints.home.copy(), np.zeros(len(SPEC.joints.names))
        self.positions, self.velocities, self.modes = [self.q], [self.dq], []
        self.controller.reset(self.q, 0, 0.0)

    @property
    def now_ns(self) -> int:
        return self.tick_count * NS // RATE

    @property
    def tool(self) -> np.ndarray:
        return KINEMATICS.forward(self.q)

    def run(self, seconds: float) -> 'Bench':
        for _ in range(round(seconds * RATE)):
            self._tick()
        return self

    def answer(self) -> ActionChunk | None:
        chunk = self.person.answer(self.signal, ArmNow(self.now_ns, self.q, self.tool))
        if self.signal is not None and (self.signal.gripper is not None or self.signal.words):
            self.signal = replace(self.signal, gripper=None, words=())
        if chunk is not None:
            self.controller.on_chunk(chunk, self.now_ns, self.now_ns / NS)
        return chunk

    def _tick(self) -> None:
        steady_s = self.now_ns / NS
        self.controller.on_joint_state(self.q, self.dq, self.now_ns, steady_s)
        if self.tick_count % (RATE // 30) == 0:
            self.answer()
        if self.policy_moves and self.tick_count % (RATE // 12) == 0:
            self.controller.on_subtask(Subtask('s', 'e', 'i', 't'), steady_s)
            rows = np.tile(np.array([0, 0.015, 0, 0, 0, 0.05, 1.0], np.float32), (6, 1))
            rows *= np.where(self.tick_count // 200 % 2, -1, 1)
            rows[:, 6] = 1.0
            self.controller.on_chunk(ActionChunk(
                self.now_ns, self.tick_count, 'e', 's', 'default', Representation.EE_DELTA,
                1 / 12, rows, 0.0), self.now_ns, steady_s)
        command = self.controller.tick(self.now_ns, steady_s)
        self.q, self.dq = command.position, command.velocity
        self.positions.append(self.q)
        self.velocities.append(self.dq)
        self.modes.append(self.controller.status().mode)
        self.tick_count += 1

    def assert_within_limits(self) -> None:
        steps = np.diff(np.array(self.positions), axis=0) * RATE
        gains = np.diff(np.array(self.velocities), axis=0) * RATE
        assert (np.abs(steps) <= LIMITS.velocity * 1.000001).all()
        assert (np.abs(gains) <= LIMITS.acceleration * 1.000001).all()


def test_deflection_moves_the_tool_at_the_speed_that_is_set() -> None:
    bench = Bench(TeleopConfig(speed=0.4, linear_m_s=0.25))
    bench.signal = FORWARD
    bench.run(0.5)
    start = bench.tool
    bench.run(1.0)
    moved = delta_between(start, bench.tool)
    assert moved[0] == pytest.approx(0.1, rel=0.02) and np.abs(moved[1:]).max() < 2e-3
    bench.assert_within_limits()


@pytest.mark.parametrize('axis', range(6))
@pytest.mark.parametrize('signal', [NOTHING, None])
def test_a_released_deadman_or_a_lost_device_stops_the_arm_within_a_fifth_of_a_second(
    axis: int, signal: Signal | None,
) -> None:
    bench = Bench()
    bench.signal = Signal(Twist(np.eye(6)[axis]))
    bench.run(0.6)
    assert np.abs(bench.dq).max() > 0.05
    bench.signal = signal
    bench.answer()  # the node answers at once
    bench.run(0.2)
    assert np.abs(bench.dq).max() < 1e-3
    bench.run(1.0)
    bench.assert_within_limits()
    assert bench.modes[-1] is (Mode.TELEOP if signal else Mode.HOLD)


def test_a_device_that_dies_in_silence_stops_with_its_last_chunk() -> None:
    bench = Bench()
    bench.signal = FORWARD
    bench.run(0.6)
    bench.person.answer = lambda *arguments: None  # killed: no last word
    bench.run(0.35)
    assert np.abs(bench.dq).max() < 1e-3 and bench.modes[-1] is Mode.HOLD
    bench.assert_within_limits()


def test_taking_over_and_handing_back_keep_every_limit_and_leave_nothing_to_chance() -> None:
    bench = Bench()
    bench.policy_moves = True
    bench.run(1.0)
    assert bench.modes[-1] is Mode.POLICY
    bench.signal = Signal(Twist(np.array([-1.0, -1.0, 1.0, 0.5, 0, -1.0])))
    bench.run(0.7)
    assert bench.modes[-1] is Mode.TELEOP
    bench.signal = NOTHING
    bench.run(1.5)
    assert bench.modes[-1] is Mode.TELEOP and np.abs(bench.dq).max() < 1e-3  # still the person's
    bench.person.hear('hand_back')
    bench.controller.hand_back()
    bench.run(1.0)
    assert bench.modes[-1] is Mode.POLICY and np.abs(bench.dq).max() > 0.01
    bench.assert_within_limits()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whatever_hands_and_policy_do_stays_within_limits(seed: int) -> None:
    rng, bench = np.random.default_rng(seed), Bench()
    bench.policy_moves = True
    hold = 0
    for _ in range(12):
        kind = rng.integers(6)
        if kind == 0:
            bench.signal = Signal(Twist(rng.uniform(-1, 1, 6)))
        elif kind == 1:
            bench.signal = Signal(Jog(rng.uniform(-1, 1, 7)))
        elif kind == 2:
            hold += 1
            bench.signal = Signal(Displacement(hold, rng.normal(0, 0.3, 6)))
        elif kind == 3:
            bench.person.hear('take')
            bench.signal = Signal(JointGoal(SPEC.joints.home + rng.normal(0, 0.4, 7)))
        else:
            bench.signal = NOTHING if kind == 4 else None
        if rng.random() < 0.3:
            bench.person.hear('hand_back')
            bench.controller.hand_back()
        bench.run(rng.uniform(0.02, 0.6))
    bench.assert_within_limits()
    assert Mode.FAULT not in bench.modes


@pytest.mark.parametrize('axis', range(3))
@pytest.mark.parametrize('way', [-1.0, 1.0])
def test_pushing_against_an_edge_of_the_workspace_slides_along_it(axis: int, way: float) -> None:
    bench, push = Bench(), np.zeros(6)
    push[axis] = way
    bench.signal = Signal(Twist(push))
    bench.run(2.0)
    assert bench.modes[-1] is Mode.TELEOP
    push[(axis + 1) % 3] = 0.3 if axis != 1 else -0.2
    bench.signal, before = Signal(Twist(push)), bench.tool
    bench.run(0.4)
    assert abs(bench.tool - before)[(axis + 1) % 3] > 0.01
    bench.assert_within_limits()


def test_in_the_tools_frame_deflection_follows_the_tools_axes() -> None:
    bench = Bench()
    bench.person.hear('frame')
    start = bench.tool
    bench.signal = Signal(Twist(np.array([0, 0, 1.0, 0, 0, 0])))
    bench.run(0.5)
    moved = (bench.tool - start)[:3]
    axis = rotate(start[3:], np.array([0, 0, 1.0]))
    assert moved @ axis > 0.05 and np.linalg.norm(moved - (moved @ axis) * axis) < 3e-3


def test_in_joint_mode_deflection_moves_joints_and_a_digit_does_in_any_mode() -> None:
    bench = Bench()
    bench.person.hear('mode')
    bench.signal = FORWARD
    bench.run(1.0)
    moved = bench.q - SPEC.joints.home
    assert moved[0] > 0.3 and np.abs(moved[1:]).max() < 1e-6
    bench.person.hear('mode')
    bench.signal = Signal(Jog(np.eye(7)[6]))
    bench.run(1.0)
    assert bench.q[6] - SPEC.joints.home[6] > 0.3


def test_a_leader_arm_is_reached_slowly_and_then_followed() -> None:
    bench = Bench(device='leader')
    goal = SPEC.joints.home + 0.6
    bench.signal = Signal(JointGoal(goal))
    bench.run(0.5)
    assert np.allclose(bench.q, SPEC.joints.home)  # it says something always: nobody took it yet
    bench.person.hear('take')
    bench.run(1.0)
    assert np.abs(bench.velocities).max() <= FAST.joint_rad_s * 1.05
    bench.run(1.5)
    assert np.allclose(bench.q, goal, atol=1e-3)
    bench.signal = Signal(JointGoal(goal - 0.5))
    bench.run(0.7)
    assert np.abs(bench.velocities).max() > FAST.joint_rad_s
    bench.assert_within_limits()


def test_a_hand_moves_the_tool_while_it_holds_and_can_reach_back() -> None:
    bench = Bench()
    start = bench.tool
    bench.signal = Signal(Displacement(1, np.array([0, 0.1, 0, 0, 0, 0.3])))
    bench.run(2.0)
    assert np.allclose(delta_between(start, bench.tool), [0, 0.1, 0, 0, 0, 0.3], atol=2e-3)
    bench.signal = NOTHING
    bench.run(0.3)
    bench.signal = Signal(Displacement(2, np.array([0, 0.1, 0, 0, 0, 0])))
    bench.run(2.0)
    assert np.allclose(delta_between(start, bench.tool), [0, 0.2, 0, 0, 0, 0.3], atol=3e-3)


def test_a_hand_that_reaches_out_of_the_workspace_is_followed_to_its_edge() -> None:
    bench = Bench()
    bench.signal = Signal(Displacement(1, np.array([0, 2.0, 0, 0, 0, 0])))
    bench.run(4.0)
    assert bench.tool[1] == pytest.approx(SPEC.policy.workspace_upper[1] - 0.005, abs=5e-3)
    assert bench.modes[-1] is Mode.TELEOP


def test_a_hand_that_reaches_beyond_the_arm_is_followed_as_soon_as_it_comes_back() -> None:
    bench = Bench()
    bench.signal = Signal(Displacement(1, np.array([2.0, 0, 0.2, 0, 0, 0])))
    bench.run(4.0)
    far = bench.tool[0]
    bench.signal = Signal(Displacement(1, np.array([0.1, 0, 0, 0, 0, 0])))
    bench.run(3.0)
    assert bench.tool[0] < far - 0.1 and bench.modes[-1] is Mode.TELEOP
    bench.assert_within_limits()


def test_speed_goes_up_and_down_within_bounds() -> None:
    person = Teleoperator('keyboard', SPEC, TeleopConfig(speed=0.5))
    for _ in range(20):
        person.hear('faster')
    assert person.steering.speed == 1.0
    for _ in range(40):
        person.hear('slower')
    assert person.steering.speed == 0.05


def test_the_gripper_of_before_is_forgotten_with_the_arm() -> None:
    bench = Bench()
    bench.signal = Signal(None, gripper=0.0)
    assert bench.answer().values[0, 6] == 0.0
    assert bench.answer().values[0, 6] == 0.0  # until it is told otherwise
    bench.person.hear('hand_back')
    bench.signal = FORWARD
    assert bench.answer().values[0, 6] == 0.5  # as it is


def test_a_stick_held_while_handing_back_does_not_take_the_arm_again() -> None:
    bench = Bench()
    bench.signal = FORWARD
    bench.run(0.3)
    bench.person.hear('hand_back')
    bench.controller.hand_back()
    bench.policy_moves = True
    bench.run(0.5)
    assert bench.modes[-1] is Mode.POLICY and not bench.person.engaged
    bench.signal = NOTHING
    bench.run(0.1)
    bench.signal = FORWARD
    bench.run(0.2)
    assert bench.modes[-1] is Mode.TELEOP


def test_another_scene_begins_without_the_gripper_and_the_hold_of_the_last() -> None:
    bench = Bench()
    bench.signal = Signal(Displacement(1, np.array([0, 0.1, 0, 0, 0, 0])), gripper=0.0)
    bench.run(1.0)
    bench.person.hear('renew')
    bench.controller.reset(SPEC.joints.home, bench.now_ns, bench.now_ns / NS)
    bench.q, bench.positions, bench.velocities = SPEC.joints.home.copy(), [], []
    start = bench.tool
    assert bench.answer().values[0, 6] == 0.5
    bench.run(1.0)  # the hand has not moved since
    assert np.allclose(delta_between(start, bench.tool), 0.0, atol=1e-3)


def test_a_control_node_that_begins_anew_hears_again_whose_the_arm_is() -> None:
    bench = Bench()
    bench.signal = FORWARD
    bench.run(0.3)
    bench.signal = None
    bench.answer()
    claim = bench.person.claim(ArmNow(bench.now_ns, bench.q, bench.tool))
    assert claim.source == 'teleop/gamepad' and not claim.values[:, :6].any()
    bench.person.hear('hand_back')
    assert bench.person.claim(ArmNow(bench.now_ns, bench.q, bench.tool)) is None


def test_every_chunk_is_newer_than_the_one_before_also_after_a_restart() -> None:
    bench = Bench()
    bench.signal = FORWARD
    numbers = [bench.answer().sequence for _ in range(3)]
    bench.run(0.1)
    bench.person = Teleoperator('gamepad', SPEC, FAST)
    numbers.append(bench.answer().sequence)
    assert numbers == sorted(set(numbers))
