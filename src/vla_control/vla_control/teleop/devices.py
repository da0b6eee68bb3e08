"""The devices by name: what each speaks on which topic, and how it is made."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType

from vla_control.teleop.config import TeleopConfig
from vla_control.teleop.joy import GAMEPAD, Joystick, SCRIPTED, SPACEMOUSE
from vla_control.teleop.keys import Keyboard
from vla_control.teleop.leader import LeaderArm
from vla_control.teleop.pose import HandPose
from vla_control.teleop.signals import Device
from vla_core.errors import UnknownNameError
from vla_core.spec import RobotSpec

_SCRIPTED_SILENCE_S = 0.35  # it speaks at the rate of the policy, on a machine that is busy


@dataclass(frozen=True)
class DeviceKind:
    """One kind of device."""

    text: str  # one line for people
    topic: str  # relative
    message: str
    make: Callable[[RobotSpec, TeleopConfig], Device]
    hint: str  # what to start where nothing comes
    controls: str = ''  # how it moves the arm, for people; empty: as its keys say


DEVICES = MappingProxyType({
    'keyboard': DeviceKind(
        'the keys of this terminal', 'keys', 'std_msgs/String',
        lambda spec, config: Keyboard(len(spec.joints.names), config),
        'ros2 run vla_bringup console_node'),
    'gamepad': DeviceKind(
        'an Xbox-like gamepad: sensor_msgs/Joy', 'joy', 'sensor_msgs/Joy',
        lambda spec, config: Joystick(GAMEPAD, config),
        'ros2 run joy joy_node, or a gamepad at /dev/input/js0', """\
gamepad  LB hold to move   left stick x y   right stick z yaw   D-pad roll pitch
         with LB: A close  B open    RB hand back   triggers speed   stick clicks frame, mode
         START start, stop   Y success   X failure   BACK redo   guide discard"""),
    'spacemouse': DeviceKind(
        'a 3D mouse: sensor_msgs/Joy of the driver spacenav', 'spacenav/joy', 'sensor_msgs/Joy',
        lambda spec, config: Joystick(SPACEMOUSE, config), 'ros2 run spacenav spacenav_node',
        '3D mouse push and turn the cap; left button close, right open, both hand back'),
    'leader': DeviceKind(
        'a leader arm: sensor_msgs/JointState with the names of the arm', 'leader/joint_states',
        'sensor_msgs/JointState', lambda spec, config: LeaderArm(spec.joints.names, config),
        "the leader arm's driver", 'leader   move it: the arm comes slowly, then follows'),
    'pose': DeviceKind(
        'phone or VR: geometry_msgs/PoseStamped, and std_msgs/Bool while it is held', 'hand/pose',
        'geometry_msgs/PoseStamped', lambda spec, config: HandPose(config),
        'the app that publishes hand/pose and hand/hold',
        'hand     hold to move; hand/hold must be repeated while it is held'),
    'expert': DeviceKind(
        'the scripted expert at a pretended gamepad, in simulation', 'scripted/joy',
        'sensor_msgs/Joy', lambda spec, config: Joystick(
            SCRIPTED, replace(config, silence_s=max(config.silence_s, _SCRIPTED_SILENCE_S))),
        'the simulated graph', 'expert   drives by itself'),
})


def find_device(name: str) -> DeviceKind:
    """Return a kind of device; raise UnknownNameError with the allowed names."""
    if name not in DEVICES:
        raise UnknownNameError('device', name, DEVICES)
    return DEVICES[name]
