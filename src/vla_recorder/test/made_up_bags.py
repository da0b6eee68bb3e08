"""Somebody else's bag, made with rosbags: topics of 30, 100 and 1000 Hz, and types of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

START_NS = 1_700_000_000_000_000_000
LATE_NS = 3_000_000  # a message is recorded this long after its header stamp
DEFINITION = 'std_msgs/Header header\nuint8 opening\nfloat32[2] newton\n'
GRIPPER = 'robot_msgs/msg/GripperState'
STORE = get_typestore(Stores.ROS2_JAZZY)
STORE.register(get_types_from_msg(DEFINITION, GRIPPER))
TYPES = STORE.types
Row = tuple[int, str, Any]  # log time [ns], topic, message


def header(stamp_ns: int) -> Any:
    seconds, nanoseconds = divmod(stamp_ns, 10**9)
    return TYPES['std_msgs/msg/Header'](
        TYPES['builtin_interfaces/msg/Time'](seconds, nanoseconds), 'frame')


def text(words: str) -> Any:
    return TYPES['std_msgs/msg/String'](words)


def picture(k: int, phase: int = 0) -> np.ndarray:
    row, column = np.mgrid[0:48, 0:64]
    return np.stack([row * 4 + k, column * 3 + phase, np.full_like(row, 50)], -1).astype(np.uint8)


def raw_image(stamp_ns: int, pixels: np.ndarray, encoding: str) -> Any:
    rows = np.ascontiguousarray(pixels).reshape(len(pixels), -1).view(np.uint8)
    padded = np.pad(rows, ((0, 0), (0, 5)))  # drivers pad rows
    return TYPES['sensor_msgs/msg/Image'](
        header(stamp_ns), *pixels.shape[:2], encoding, 0, padded.shape[1], padded.reshape(-1))


def packed_image(stamp_ns: int, pixels: np.ndarray, ending: str = '.png') -> Any:
    data = cv2.imencode(ending, pixels[..., ::-1])[1].reshape(-1)
    return TYPES['sensor_msgs/msg/CompressedImage'](header(stamp_ns), ending[1:], data)


def joints(stamp_ns: int, seconds: float) -> Any:
    position = np.array([7.0, 2 * seconds, seconds, 3 * seconds])
    return TYPES['sensor_msgs/msg/JointState'](
        header(stamp_ns), ['finger', 'elbow', 'shoulder', 'wrist'], position,
        np.zeros(4), np.zeros(0))


def transform(stamp_ns: int, child: str, x: float) -> Any:
    return TYPES['geometry_msgs/msg/TransformStamped'](
        header(stamp_ns), child, TYPES['geometry_msgs/msg/Transform'](
            TYPES['geometry_msgs/msg/Vector3'](x, 0.0, 0.5),
            TYPES['geometry_msgs/msg/Quaternion'](0.0, 0.0, 0.0, 1.0)))


def twist(stamp_ns: int, value: float) -> Any:
    vector = TYPES['geometry_msgs/msg/Vector3']
    return TYPES['geometry_msgs/msg/TwistStamped'](header(stamp_ns), TYPES[
        'geometry_msgs/msg/Twist'](vector(value, 0.0, 0.0), vector(0.0, 0.0, -value)))


def rows(seconds: float = 2.0) -> Iterator[Row]:
    """Yield the messages of a bag with two episodes, of one half of the time each."""
    half = int(seconds * 5e8)
    for at, topic, words in (
            (0, '/instruction', 'fold the towel'), (0, '/episode', 'first'),
            (half, '/episode', ''), (half + 10**8, '/episode', 'second'),
            (0, '/subtask', 'grasp'), (half + 2 * 10**8, '/subtask', 'fold')):
        yield START_NS + at, topic, text(words)
    tf = TYPES['tf2_msgs/msg/TFMessage']
    for k in range(int(seconds * 1000)):
        at = START_NS + k * 1_000_000
        now = k / 1000
        yield at + LATE_NS, '/joint_states', joints(at, now)
        if k % 10 == 0:
            yield at + LATE_NS, '/command', twist(at, now)
            yield at + LATE_NS, '/tf', tf([transform(at, 'camera', 9.0)])
            yield at + LATE_NS, '/tf', tf([transform(at, 'base', 9.0), transform(at, 'tool', now)])
        if k % 20 == 0:
            yield at + LATE_NS, '/gripper', TYPES[GRIPPER](
                header(at), k // 20 % 256, np.zeros(2, np.float32))
    for k in range(int(seconds * 30)):
        at = START_NS + k * 33_333_333
        yield at + LATE_NS, '/front/image_raw/compressed', packed_image(at, picture(k))
        yield at + LATE_NS + 1, '/wrist/image_raw', raw_image(at, picture(k, 9)[..., ::-1], 'bgr8')
        yield at + LATE_NS + 2, '/wrist/depth', raw_image(
            at, np.full((24, 32), k, np.uint16), '16UC1')


def write_bag(path: Path, storage: StoragePlugin, messages: Iterator[Row],
              mode: CompressionMode = CompressionMode.NONE) -> Path:
    """Write messages by their log time as a rosbag2 folder."""
    writer = Writer(path, version=9, storage_plugin=storage)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for log_ns, topic, message in sorted(messages, key=lambda row: row[0]):
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], log_ns, STORE.serialize_cdr(message, kind))
    return path
