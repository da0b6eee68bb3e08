"""NumPy arrays in and out of message fields, on the fast path of rosidl's Python bindings.

Filling a sequence from bytes or a list checks each element (4.8 ms for a VGA image); an
`array.array` of the right type code is taken as it is.
"""

import array
from collections.abc import Sequence

from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3, Wrench
import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vla_core.errors import InvalidDataError, UnknownNameError

NS = 1_000_000_000
ENCODINGS = {  # encoding -> (dtype, channels)
    'rgb8': (np.uint8, 3), 'bgr8': (np.uint8, 3), 'mono8': (np.uint8, 1), '32FC1': (np.float32, 1),
}


def fast(values: np.ndarray, code: str) -> array.array:
    """Return `values` as an array.array of a type code ('B', 'f', 'd'), row-major."""
    result = array.array(code)
    result.frombytes(np.ascontiguousarray(values, dtype=code).tobytes())
    return result


def floats(values: Sequence[float]) -> np.ndarray:
    """Return a float64 sequence of a message as its own (N,) array."""
    return np.array(values, dtype=np.float64)


def to_time(stamp_ns: int) -> Time:
    """Return integer [ns] as a message stamp."""
    return Time(sec=int(stamp_ns // NS), nanosec=int(stamp_ns % NS))


def from_time(stamp: Time | Duration) -> int:
    """Return a message stamp or duration as integer [ns]."""
    return stamp.sec * NS + stamp.nanosec


def to_duration(span_ns: int) -> Duration:
    """Return integer [ns] as a message duration."""
    return Duration(sec=int(span_ns // NS), nanosec=int(span_ns % NS))


def header(stamp_ns: int, frame: str = '') -> Header:
    """Return a header."""
    return Header(stamp=to_time(stamp_ns), frame_id=frame)


def to_pose(pose: np.ndarray) -> Pose:
    """Return a (7,) pose, xyz [m] and xyzw, as a message."""
    x, y, z, qx, qy, qz, qw = (float(value) for value in pose)
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def from_pose(pose: Pose) -> np.ndarray:
    """Return a message as a (7,) float64 pose, xyz [m] and xyzw."""
    p, q = pose.position, pose.orientation
    return np.array([p.x, p.y, p.z, q.x, q.y, q.z, q.w], dtype=np.float64)


def to_image(image: np.ndarray, stamp_ns: int, frame: str = '') -> Image:
    """Return (H, W, 3) uint8 RGB, (H, W) uint8 or (H, W) float32 [m] as a message; one copy."""
    if image.dtype == np.float32 and image.ndim == 2:
        encoding = '32FC1'
    elif image.dtype == np.uint8 and (image.ndim == 2 or image.shape[2:] == (3,)):
        encoding = 'rgb8' if image.ndim == 3 else 'mono8'
    else:
        raise InvalidDataError(
            f'image: got {image.dtype} {image.shape}, '
            'allowed uint8 (H, W, 3), uint8 (H, W) or float32 (H, W)')
    data = array.array('B')
    data.frombytes(np.ascontiguousarray(image).reshape(-1).view(np.uint8))
    height, width = image.shape[:2]
    return Image(header=header(stamp_ns, frame), height=height, width=width, encoding=encoding,
                 step=len(data) // max(height, 1), is_bigendian=0, data=data)


def from_image(message: Image) -> np.ndarray:
    """Return a view of a message's pixels: RGB (H, W, 3) uint8, or (H, W) uint8 or float32."""
    if message.encoding not in ENCODINGS:
        raise UnknownNameError('image encoding', message.encoding, ENCODINGS)
    dtype, channels = ENCODINGS[message.encoding]
    height, width = message.height, message.width
    used = width * channels * np.dtype(dtype).itemsize
    if message.step < used or len(message.data) != message.step * height:
        raise InvalidDataError(
            f'image: got {len(message.data)} bytes with step {message.step}, '
            f'allowed {height} rows of at least {used} bytes')
    rows = np.frombuffer(message.data, np.uint8).reshape(height, message.step)[:, :used]
    pixels = rows.view(dtype).reshape(height, width, channels)
    if message.encoding == 'bgr8':
        return pixels[..., ::-1]
    return pixels if channels > 1 else pixels[..., 0]


def to_wrench(wrench: np.ndarray) -> Wrench:
    """Return (6,) force [N] and torque [Nm] as a message."""
    fx, fy, fz, tx, ty, tz = (float(value) for value in wrench)
    return Wrench(force=Vector3(x=fx, y=fy, z=fz), torque=Vector3(x=tx, y=ty, z=tz))


def from_wrench(wrench: Wrench) -> np.ndarray:
    """Return a message's force [N] and torque [Nm] as (6,) float64."""
    f, t = wrench.force, wrench.torque
    return np.array([f.x, f.y, f.z, t.x, t.y, t.z], dtype=np.float64)
