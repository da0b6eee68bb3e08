"""The sensor topics of a robot, and how a message of one reaches an ObservationAssembler."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.spec import RobotSpec
from vla_perception.assembler import ObservationAssembler
from vla_perception.images import decode_rgb
from vla_recorder.bag.types import decode, standard_types
from vla_recorder.recording.raw_channels import Channel, channels_of

ENCODINGS = ('rgb8', 'bgr8')  # of pictures that the perception node takes
NS = 1_000_000_000
STATIC = 'tf_static'
TF = 'tf'
JOINTS = 'joint_states'
WRENCH = 'wrench'


def sensors_of(robot: RobotSpec, *, touch: bool) -> Mapping[str, Channel]:
    """Return what perception listens to, by topic relative to the namespace."""
    names = [f'{camera}/image' for camera in robot.cameras] + [JOINTS, TF, STATIC]
    if touch:
        names += [f'tactile/{finger}/image' for finger in robot.tactile] + [WRENCH]
    channels = {channel.topic: channel for channel in channels_of(robot)}
    return {name: channels[name] for name in names}


def reference_topic(robot: RobotSpec) -> str:
    """Return the topic whose frames are the instants of the observations."""
    return f'{next(iter(robot.cameras))}/image'


class Ear:
    """Hands messages in CDR to an assembler, as the perception node does with decoded ones."""

    def __init__(self, assembler: ObservationAssembler, sensors: Mapping[str, Channel]) -> None:
        self._assembler = assembler
        self._sensors = sensors
        self._hear: dict[str, Callable[[Any], None]] = {
            JOINTS: self._joints, TF: self._transforms, STATIC: self._static,
            WRENCH: self._wrench}
        for camera in assembler.spec.cameras:
            self._hear[f'{camera}/image'] = self._camera(camera)
        for finger in assembler.spec.tactile:
            self._hear[f'tactile/{finger}/image'] = self._finger(finger)

    def hear(self, topic: str, data: bytes | memoryview) -> None:
        """Take a message; raise InvalidDataError for one that perception would refuse."""
        message = decode(standard_types(), data, self._sensors[topic].kind)
        self._hear[topic](message)

    def _camera(self, camera: str) -> Callable[[Any], None]:
        return lambda message: self._assembler.on_image(
            camera, _ns(message.header.stamp), _picture(message))

    def _finger(self, finger: str) -> Callable[[Any], None]:
        return lambda message: self._assembler.on_tactile(
            finger, _ns(message.header.stamp), _picture(message))

    def _joints(self, message: Any) -> None:
        self._assembler.on_joint_state(
            _ns(message.header.stamp), message.name, message.position, message.velocity)

    def _wrench(self, message: Any) -> None:
        f, t = message.wrench.force, message.wrench.torque
        self._assembler.on_wrench(
            _ns(message.header.stamp), np.array([f.x, f.y, f.z, t.x, t.y, t.z]))

    def _transforms(self, message: Any) -> None:
        for entry in message.transforms:
            self._assembler.on_transform(
                entry.header.frame_id, entry.child_frame_id, _ns(entry.header.stamp),
                _pose(entry.transform))

    def _static(self, message: Any) -> None:
        for entry in message.transforms:
            self._assembler.on_static_transform(
                entry.header.frame_id, entry.child_frame_id, _pose(entry.transform))


def _picture(message: Any) -> np.ndarray:
    if message.encoding not in ENCODINGS:
        raise UnknownNameError('image encoding', message.encoding, ENCODINGS)
    if len(message.data) != message.step * message.height:
        raise InvalidDataError(
            f'image: got {len(message.data)} bytes with step {message.step}, '
            f'allowed {message.height} rows of that')
    return decode_rgb(message.height, message.width, message.encoding, message.step,
                      message.data)


def _pose(transform: Any) -> np.ndarray:
    t, q = transform.translation, transform.rotation
    return np.array([t.x, t.y, t.z, q.x, q.y, q.z, q.w], dtype=np.float64)


def _ns(stamp: Any) -> int:
    return stamp.sec * NS + stamp.nanosec
