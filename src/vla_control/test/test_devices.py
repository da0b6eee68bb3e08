"""What each device says, and that nonsense of a device is named and moves nothing."""

import os
from pathlib import Path
import struct

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from vla_control.teleop.config import TeleopConfig
from vla_control.teleop.devices import DEVICES, find_device
from vla_control.teleop.joy import GAMEPAD, Joystick, SCRIPTED, SPACEMOUSE
from vla_control.teleop.joystick import JoystickFile, JoystickState
from vla_control.teleop.keys import Keyboard
from vla_control.teleop.leader import LeaderArm
from vla_control.teleop.pose import HandPose
from vla_control.teleop.signals import Displacement, Jog, JointGoal, Signal, Twist
from vla_core.errors import InvalidDataError, VlaError
from vla_core.spec import load_robot

CONFIG = TeleopConfig()
SPEC = load_robot('panda')
REST = ([0.0] * 8, [0] * 11)


def pressed(*buttons: int) -> list[int]:
    return [int(number in buttons) for number in range(11)]


def gamepad() -> Joystick:
    device = Joystick(GAMEPAD, CONFIG)
    device.on_joy(*REST, 0.0)
    return device


# --- keyboard ---------------------------------------------------------------------------------

def test_a_key_moves_for_a_moment_and_keys_pressed_together_add_up() -> None:
    keys = Keyboard(7, CONFIG)
    assert keys.read(0.0) is None  # no terminal yet
    keys.on_key('w', 0.0)
    keys.on_key('r', 0.05)
    assert keys.read(0.1).motion.axes.tolist() == [1, 0, 1, 0, 0, 0]
    assert keys.read(0.19).motion.axes.tolist() == [0, 0, 1, 0, 0, 0]
    assert keys.read(0.3) == Signal(None)
    keys.on_key('w', 0.3)
    keys.on_key('s', 0.3)
    assert not keys.read(0.31).motion.axes.any()
    keys.on_key('space', 0.32)
    assert keys.read(0.33).motion is None


def test_a_terminal_that_says_nothing_any_more_is_gone() -> None:
    keys = Keyboard(7, CONFIG)
    keys.on_key('w', 0.0)
    keys.on_key('', 0.1)
    assert keys.read(0.55) is not None and keys.read(0.7) is None


def test_digits_jog_a_joint_and_z_turns_them_round() -> None:
    keys = Keyboard(6, CONFIG)
    keys.on_key('2', 0.0)
    assert isinstance(keys.read(0.0).motion, Jog) and keys.read(0.0).motion.joints[1] == 1.0
    keys.on_key('z', 0.0)
    assert keys.read(0.0).motion.joints[1] == -1.0
    keys.on_key('7', 1.0)  # this arm has six
    assert keys.read(1.0).motion is None


def test_the_gripper_is_told_once() -> None:
    keys = Keyboard(7, CONFIG)
    keys.on_key('g', 0.0)
    assert [keys.read(0.0).gripper, keys.read(0.0).gripper] == [0.0, None]


@given(st.lists(st.tuples(st.text(max_size=3), st.floats(0, 0.2)), max_size=20))
def test_no_key_is_too_strange(presses: list[tuple[str, float]]) -> None:
    keys, now = Keyboard(7, CONFIG), 0.0
    for key, after in presses:
        now += after
        keys.on_key(key, now)
        signal = keys.read(now)
        assert signal.motion is None or np.abs(
            getattr(signal.motion, 'axes', getattr(signal.motion, 'joints', 0))).max() <= 1.0


# --- joysticks --------------------------------------------------------------------------------

def test_without_the_deadman_a_gamepad_moves_nothing() -> None:
    device = gamepad()
    device.on_joy([0, 1.0, 0, 0, 0, 0, 0, 0], pressed(), 0.0)
    assert device.read(0.0) == Signal(None)
    device.on_joy([0.05, 1.0, 0, 0, 0, 0, 0, -1.0], pressed(4), 0.1)
    assert device.read(0.1).motion.axes.tolist() == [1, 0, 0, 0, -1, 0]  # 0.05 is no deflection
    assert device.read(0.31) is None  # unplugged


def test_buttons_say_each_word_once() -> None:
    device = gamepad()
    device.on_joy(REST[0], pressed(3, 7), 0.01)
    device.on_joy(REST[0], pressed(3, 7), 0.02)
    assert set(device.read(0.02).words) == {'success', 'start'}
    assert device.read(0.02).words == ()
    device.on_joy([0, 0, 0, 0, 0, -1.0, 0, 0], pressed(0), 0.03)
    assert device.read(0.03) == Signal(None, None, ('faster',))  # no gripper without the deadman
    device.on_joy(REST[0], pressed(4), 0.04)
    device.on_joy(REST[0], pressed(0, 4), 0.05)
    assert device.read(0.05).gripper == 0.0


def test_a_button_held_when_the_device_appears_says_nothing() -> None:
    device = Joystick(GAMEPAD, CONFIG)
    device.on_joy(REST[0], pressed(3), 0.0)
    assert device.read(0.0).words == ()


def test_the_scripted_hand_says_the_gripper_as_long_as_it_holds_it() -> None:
    device = Joystick(SCRIPTED, CONFIG)
    for now_s in (0.0, 0.1):
        device.on_joy([0.0] * 6, [1, 0, 1], now_s)
        assert device.read(now_s).gripper == 1.0
    device.on_joy([0.0] * 6, [1, 1, 0], 0.2)
    assert device.read(0.2).gripper == 0.0


def test_a_3d_mouse_moves_when_it_is_moved_and_hands_back_with_both_buttons() -> None:
    mouse = Joystick(SPACEMOUSE, CONFIG)
    mouse.on_joy([0.0] * 6, [0, 0], 0.0)
    assert mouse.read(0.0) == Signal(None)
    mouse.on_joy([0, 0, 0.5, 0, 0, 0], [1, 0], 0.05)
    said = mouse.read(0.05)
    assert (said.motion.axes[2], said.gripper) == (0.5, 0.0)
    mouse.on_joy([0.0] * 6, [1, 1], 0.1)
    assert mouse.read(0.1).words == ('hand_back',)


@pytest.mark.parametrize(('layout', 'axes', 'buttons', 'named'), [
    (GAMEPAD, [0.0] * 4, pressed(), 'got 4 axes'),
    (GAMEPAD, [0.0] * 8, [0, 0], 'got 2 buttons'),
    (SPACEMOUSE, [np.nan] * 6, [0, 0], 'finite'),
    (SCRIPTED, [], [], 'got 0 axes'),
])
def test_another_kind_of_joystick_is_refused(layout, axes, buttons, named) -> None:
    with pytest.raises(InvalidDataError, match=named):
        Joystick(layout, CONFIG).on_joy(axes, buttons, 0.0)


# --- leader arm and hand ----------------------------------------------------------------------

def test_a_leader_arm_says_where_it_is_in_any_order_of_names() -> None:
    leader = LeaderArm(SPEC.joints.names, CONFIG)
    names = [*reversed(SPEC.joints.names), 'gripper']
    leader.on_joints(names, np.array([*reversed(range(7)), 0.1]), 0.0)
    said = leader.read(0.0)
    assert isinstance(said.motion, JointGoal) and said.motion.joints.tolist() == list(range(7))
    assert said.gripper == 0.0 and leader.read(0.0).gripper is None
    leader.on_joints(names, np.array([*reversed(range(7)), 0.5]), 0.1)  # neither open nor closed
    assert leader.read(0.1).gripper is None
    assert leader.read(0.4) is None


@pytest.mark.parametrize(('names', 'position'), [
    (SPEC.joints.names[:6], np.zeros(6)), (SPEC.joints.names, np.zeros(6)),
    (SPEC.joints.names, np.full(7, np.nan))])
def test_another_leader_arm_is_refused(names, position) -> None:
    with pytest.raises(InvalidDataError, match='leader arm: got'):
        LeaderArm(SPEC.joints.names, CONFIG).on_joints(names, position, 0.0)


def at(x: float) -> np.ndarray:
    return np.array([x, 2, 3, 0, 0, 0, 1])


def test_a_hand_counts_from_where_it_took_hold() -> None:
    hand = HandPose(CONFIG)
    hand.on_pose(at(1.0), 0.0)
    assert hand.read(0.0) == Signal(None)
    for now_s, x in ((0.05, 1.0), (0.1, 1.05), (0.15, 1.1)):  # it says so with every pose
        hand.on_hold(True, now_s)
        hand.on_pose(at(x), now_s)
    first = hand.read(0.15).motion
    assert isinstance(first, Displacement) and np.allclose(first.delta, [0.1, 0, 0, 0, 0, 0])
    hand.on_hold(False, 0.15)
    assert hand.read(0.15) == Signal(None)
    hand.on_hold(True, 0.2)
    hand.on_pose(at(5.0), 0.2)
    again = hand.read(0.2).motion
    assert again.hold > first.hold and not again.delta.any()
    hand.on_hold(True, 0.9)
    hand.on_pose(at(9.0), 0.9)  # out of sight meanwhile
    assert not hand.read(0.9).motion.delta.any()


def test_a_hand_that_does_not_say_any_more_that_it_holds_has_let_go() -> None:
    hand = HandPose(CONFIG)
    hand.on_hold(True, 0.0)
    for step in range(10):
        hand.on_pose(at(0.1 * step), 0.05 * step)
    assert hand.read(0.45) == Signal(None)
    hand.on_hold(True, 0.5)
    hand.on_pose(at(2.0), 0.5)
    assert not hand.read(0.5).motion.delta.any()


@pytest.mark.parametrize('pose', [[0, 0, 0, 0, 0, 0, 0], [np.nan, 0, 0, 0, 0, 0, 1]])
def test_a_pose_that_is_none_is_refused(pose) -> None:
    with pytest.raises(InvalidDataError, match='pose: got'):
        HandPose(CONFIG).on_pose(np.array(pose, float), 0.0)


# --- /dev/input/js* ---------------------------------------------------------------------------

def event(kind: int, number: int, value: int) -> bytes:
    return struct.pack('<IhBB', 0, value, kind, number)


def test_joystick_events_become_axes_and_buttons_as_the_driver_joy_has_them() -> None:
    state = JoystickState()
    state.take(event(0x82, 1, 0) + event(0x02, 1, -32767) + event(0x81, 2, 0) + event(0x01, 2, 1))
    assert (state.axes, state.buttons) == ([0.0, 1.0], [0, 0, 1])


def test_a_joystick_that_is_unplugged_says_so(tmp_path: Path) -> None:
    path = tmp_path / 'js0'
    os.mkfifo(path)
    keep = os.open(path, os.O_RDWR)  # as the kernel does while it is plugged in
    joystick = JoystickFile(path)
    assert joystick.read() and joystick.state.axes == []
    os.write(keep, event(0x02, 0, 32767))
    assert joystick.read() and joystick.state.axes == [-1.0]
    os.close(keep)
    assert not joystick.read()
    joystick.close()


def test_a_joystick_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match='joystick: got .*js9'):
        JoystickFile(tmp_path / 'js9')


# --- all --------------------------------------------------------------------------------------

def test_every_device_is_found_by_name_and_silent_at_first() -> None:
    for name in DEVICES:
        assert find_device(name).make(SPEC, CONFIG).read(0.0) is None
    with pytest.raises(VlaError, match="unknown device 'ouija'"):
        find_device('ouija')


def test_twists_of_a_gamepad_never_exceed_full_deflection() -> None:
    device = gamepad()
    device.on_joy([9.0] * 8, pressed(4), 0.0)
    motion = device.read(0.0).motion
    assert isinstance(motion, Twist) and np.abs(motion.axes).max() == 1.0
