"""The arm's own messages: joint states, transforms, trajectories, camera info."""

from collections.abc import Sequence
import struct

from geometry_msgs.msg import Transform, TransformStamped, Vector3, WrenchStamped
import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, JointState
from tf2_msgs.msg import TFMessage
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from vla_core.errors import InvalidDataError
from vla_core.ros.arrays import (
    fast,
    floats,
    from_time,
    header,
    NS,
    to_duration,
    to_pose,
    to_wrench,
)
from vla_core.types import JointCommand

LITTLE_ENDIAN = b'\x00\x01'  # how plain CDR begins
_COUNT, _TIME, _POSE = struct.Struct('<I'), struct.Struct('<iI'), struct.Struct('<7d')


def joint_state_to_msg(
    stamp_ns: int, names: Sequence[str], position: np.ndarray, velocity: np.ndarray
) -> JointState:
    """Return (N,) positions [rad or m] and velocities of the named joints as a message."""
    return JointState(header=header(stamp_ns), name=list(names),
                      position=fast(position, 'd'), velocity=fast(velocity, 'd'))


def joint_state_from_msg(
    message: JointState, names: Sequence[str]
) -> tuple[int, np.ndarray, np.ndarray]:
    """Return stamp [ns], position (N,) and velocity (N,) of `names`, in that order.

    Raises InvalidDataError when a joint is missing or the arrays do not match the names.
    """
    count = len(message.name)
    if len(message.position) != count or len(message.velocity) != count:
        raise InvalidDataError(
            f'joint_states: got {len(message.position)} positions and {len(message.velocity)} '
            f'velocities, allowed {count} each, one a name')
    missing = [name for name in names if name not in message.name]
    if missing:
        raise InvalidDataError(f'joint_states: got no {", ".join(missing)}, allowed all joints')
    order = [message.name.index(name) for name in names]
    return (from_time(message.header.stamp), floats(message.position)[order],
            floats(message.velocity)[order])


def transform_to_msg(
    parent: str, child: str, stamp_ns: int, pose: np.ndarray
) -> TransformStamped:
    """Return the (7,) pose of `child` in `parent` as a stamped transform."""
    message = to_pose(pose)
    place = Vector3(x=message.position.x, y=message.position.y, z=message.position.z)
    return TransformStamped(
        header=header(stamp_ns, parent), child_frame_id=child,
        transform=Transform(translation=place, rotation=message.orientation))


def transforms_to_msg(entries: Sequence[tuple[str, str, int, np.ndarray]]) -> TFMessage:
    """Return (parent, child, stamp_ns, pose) entries as one TF message."""
    return TFMessage(transforms=[transform_to_msg(*entry) for entry in entries])


def transforms_from_msg(message: TFMessage) -> list[tuple[str, str, int, np.ndarray]]:
    """Return a TF message as (parent, child, stamp_ns, (7,) pose) entries."""
    return [_entry(transform) for transform in message.transforms]


def transforms_from_cdr(data: bytes) -> list[tuple[str, str, int, np.ndarray]]:
    """Return what `transforms_from_msg` does out of a TF message as it came over the wire.

    rclpy makes seven Python objects of each transform: 0.9 ms for the 14 links of an arm, this
    takes a tenth of it. Raises InvalidDataError for bytes that are no TF message.
    """
    if data[:2] != LITTLE_ENDIAN:
        return transforms_from_msg(deserialize_message(data, TFMessage))
    try:
        count, = _COUNT.unpack_from(data, 4)
        entries, at = [], 8
        for _ in range(count):
            entry, at = _transform_at(data, at)
            entries.append(entry)
    except (struct.error, UnicodeDecodeError) as error:
        raise InvalidDataError(f'tf: got {len(data)} bytes, allowed a TFMessage ({error})'
                               ) from error
    return entries


def _transform_at(
    data: bytes, at: int,
) -> tuple[tuple[str, str, int, np.ndarray], int]:
    """Return the entry at a byte and where it ends; numbers align behind the 4 bytes of CDR."""
    at += -at % 4
    seconds, nanoseconds = _TIME.unpack_from(data, at)
    parent, at = _text_at(data, at + 8)
    child, at = _text_at(data, at + -at % 4)
    at += -(at - 4) % 8
    pose = np.array(_POSE.unpack_from(data, at), dtype=np.float64)
    return (parent, child, seconds * NS + nanoseconds, pose), at + _POSE.size


def _text_at(data: bytes, at: int) -> tuple[str, int]:
    length, = _COUNT.unpack_from(data, at)
    end = at + 4 + length
    if not 1 <= length <= len(data) - at - 4:
        raise struct.error(f'a text of {length} bytes')
    return data[at + 4:end - 1].decode(), end


def _entry(message: TransformStamped) -> tuple[str, str, int, np.ndarray]:
    return (message.header.frame_id, message.child_frame_id,
            from_time(message.header.stamp), pose_from_transform(message.transform))


def pose_from_transform(message: Transform) -> np.ndarray:
    """Return a transform as a (7,) float64 pose, xyz [m] and xyzw."""
    t, q = message.translation, message.rotation
    return np.array([t.x, t.y, t.z, q.x, q.y, q.z, q.w], dtype=np.float64)


def wrench_to_msg(stamp_ns: int, frame: str, wrench: np.ndarray) -> WrenchStamped:
    """Return (6,) force [N] and torque [Nm], measured in `frame`."""
    return WrenchStamped(header=header(stamp_ns, frame), wrench=to_wrench(wrench))


def command_to_msg(
    command: JointCommand, names: Sequence[str], period_ns: int
) -> JointTrajectory:
    """Return a set-point as a trajectory of one point that is due one period after its stamp."""
    point = JointTrajectoryPoint(
        positions=fast(command.position, 'd'), velocities=fast(command.velocity, 'd'),
        time_from_start=to_duration(period_ns))
    return JointTrajectory(
        header=header(command.stamp_ns), joint_names=list(names), points=[point])


def camera_info_to_msg(
    stamp_ns: int, frame: str, width: int, height: int, matrix: np.ndarray
) -> CameraInfo:
    """Return an undistorted camera: `matrix` (3, 3) float64 intrinsics [px]."""
    projection = np.hstack([matrix, np.zeros((3, 1))])
    return CameraInfo(
        header=header(stamp_ns, frame), width=width, height=height, distortion_model='plumb_bob',
        d=fast(np.zeros(5), 'd'), k=matrix.reshape(-1).astype(np.float64),
        r=np.eye(3).reshape(-1), p=projection.reshape(-1).astype(np.float64))
