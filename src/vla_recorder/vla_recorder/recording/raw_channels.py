"""What there is to hear of a robot: every topic of its spec and of the suite's own nodes.

Messages stay as they came over the wire (CDR, little endian) until a format needs their
values; only the stamp of their header is read here, at its fixed place.
"""

from dataclasses import dataclass
from enum import Enum
import struct

from vla_core.episode import DEPTH_PREFIX, IMAGE_PREFIX, TACTILE_PREFIX
from vla_core.errors import InvalidDataError
from vla_core.spec import RobotSpec

_TIME = struct.Struct('<iI')
_LITTLE_ENDIAN = (b'\x00\x01', b'\x00\x03')  # CDR, and its parameter-list form


class Stamp(Enum):
    """Where a message of a type has its stamp: byte after the CDR header, or nowhere."""

    HEADER = 4
    FIRST = 8  # the header of the first entry of a sequence, as in tf2_msgs/TFMessage
    NONE = 0  # when it was heard must do


@dataclass(frozen=True)
class Channel:
    """One topic to record."""

    topic: str  # relative: the node's namespace is the robot's
    kind: str  # e.g. 'sensor_msgs/msg/Image'
    stream: str = ''  # of vla_core.episode, where pictures of the topic go
    rate_hz: float | None = None  # as declared; None where nobody promised one
    stamp: Stamp = Stamp.HEADER
    regular: bool = True  # comes by the clock, not when something happens
    latched: bool = False  # said once, before the episode: it is repeated at its beginning
    fast: bool = False  # up to 1 kHz


def channels_of(robot: RobotSpec) -> tuple[Channel, ...]:
    """Return every topic of a robot, sensors first."""
    image = 'sensor_msgs/msg/Image'
    cameras = tuple(
        channel for name, camera in robot.cameras.items() for channel in (
            Channel(f'{name}/image', image, IMAGE_PREFIX + name, camera.rate_hz),
            Channel(f'{name}/depth', image, DEPTH_PREFIX + name),
            Channel(f'{name}/camera_info', 'sensor_msgs/msg/CameraInfo')))
    gels = tuple(Channel(f'tactile/{finger}/image', image, TACTILE_PREFIX + finger)
                 for finger in robot.tactile)
    return (
        *cameras, *gels,
        Channel('joint_states', 'sensor_msgs/msg/JointState', fast=True),
        Channel('tf', 'tf2_msgs/msg/TFMessage', stamp=Stamp.FIRST, fast=True),
        Channel('tf_static', 'tf2_msgs/msg/TFMessage', stamp=Stamp.NONE,
                regular=False, latched=True),
        Channel('wrench', 'geometry_msgs/msg/WrenchStamped', fast=True),
        Channel('robot_description', 'std_msgs/msg/String', stamp=Stamp.NONE,
                regular=False, latched=True),
        Channel(f'{robot.controller.name}/joint_trajectory',
                'trajectory_msgs/msg/JointTrajectory', regular=False, fast=True),
        Channel('action_chunk', 'vla_interfaces/msg/ActionChunk', regular=False),
        Channel('teleop_chunk', 'vla_interfaces/msg/ActionChunk', regular=False),
        Channel('subtask', 'vla_interfaces/msg/Subtask', regular=False),
        Channel('control_status', 'vla_interfaces/msg/ControlStatus', regular=False,
                latched=True),
        Channel('task_outcome', 'vla_interfaces/msg/TaskOutcome', regular=False),
        # Its stamps are of the clocks of many nodes.
        Channel('diagnostics', 'diagnostic_msgs/msg/DiagnosticArray', stamp=Stamp.NONE,
                regular=False),
    )


def stamp_ns(channel: Channel, data: bytes, heard_ns: int) -> int:
    """Return the stamp of a message [ns], which is `heard_ns` where the type has none."""
    if channel.stamp is Stamp.NONE:
        return heard_ns
    if data[:2] not in _LITTLE_ENDIAN or len(data) < channel.stamp.value + _TIME.size:
        raise InvalidDataError(
            f'{channel.topic}: got {len(data)} bytes that begin with {data[:4]!r}, '
            f'allowed a little-endian CDR {channel.kind}')
    seconds, nanoseconds = _TIME.unpack_from(data, channel.stamp.value)
    return seconds * 1_000_000_000 + nanoseconds
