"""Messages as they came over the wire, turned into values of the suite."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from rosbags.serde import SerdeError
from vla_core.errors import InvalidDataError
from vla_core.spec import RobotSpec
from vla_core.types import ActionChunk, ControlStatus, Mode, Representation
from vla_recorder.bag.fields import NothingThere, taker
from vla_recorder.bag.images import as_colour, as_depth, picture_of
from vla_recorder.bag.source import Topic
from vla_recorder.bag.types import types_of
from vla_recorder.live.takes import takes_of_channel
from vla_recorder.recording.raw_channels import Channel

_BROKEN = (SerdeError, ValueError, AttributeError, IndexError, TypeError, UnicodeDecodeError)
Transform = tuple[str, str, int, np.ndarray]  # parent, child, stamp [ns], pose (7,)


class Decoder:
    """Decodes the messages of a robot's channels."""

    def __init__(
        self, robot: RobotSpec, channels: tuple[Channel, ...], definitions: Mapping[str, str],
    ) -> None:
        """`definitions` are the texts of message types that are not standard, by type."""
        self._arm = robot.joints.names
        self._store, problems = types_of(
            Topic(c.topic, c.kind, definitions.get(c.kind, '')) for c in channels)
        self._unknown = problems
        self._takers = {
            channel.topic: [(take.stream, taker(take))
                            for take in takes_of_channel(robot, channel)]
            for channel in channels if not channel.stream}

    def message(self, channel: Channel, data: bytes) -> Any:
        """Return the message with its fields; raise InvalidDataError naming the topic."""
        if channel.topic in self._unknown:
            raise InvalidDataError(f'{channel.topic}: {self._unknown[channel.topic]}')
        try:
            return self._store.deserialize_cdr(data, channel.kind)
        except _BROKEN as error:
            raise _bad(channel, error) from error

    def picture(self, channel: Channel, data: bytes) -> np.ndarray:
        """Return a picture: (H, W, 3) uint8 RGB, or depth (H, W) uint16 [mm] or float32 [m]."""
        form = as_depth if channel.topic.endswith('/depth') else as_colour
        message = self.message(channel, data)
        try:
            return form(picture_of(message))
        except _BROKEN as error:
            raise _bad(channel, error) from error

    def values(self, channel: Channel, data: bytes) -> list[tuple[str, np.ndarray]]:
        """Return what a message says of each stream; nothing of those it does not speak of."""
        takers = self._takers[channel.topic]
        message = self.message(channel, data) if takers else None
        found = []
        for stream, value_of in takers:
            try:
                found.append((stream, np.asarray(value_of(message))))
            except NothingThere:
                continue
            except _BROKEN as error:
                raise _bad(channel, error) from error
        return found

    def transforms(self, channel: Channel, data: bytes) -> list[Transform]:
        """Return the transforms of a TF message."""
        found = []
        for entry in self.message(channel, data).transforms:
            t, q = entry.transform.translation, entry.transform.rotation
            pose = np.array([t.x, t.y, t.z, q.x, q.y, q.z, q.w])
            found.append((entry.header.frame_id, entry.child_frame_id, _ns(entry.header.stamp),
                          pose))
        return found

    def commands(self, channel: Channel, data: bytes) -> list[tuple[int, np.ndarray]]:
        """Return the points of a trajectory: when each is due [ns], joints (J,) [rad]."""
        message = self.message(channel, data)
        if not set(self._arm) <= set(message.joint_names):
            return []  # the arm's controller refuses it, too
        order = [message.joint_names.index(name) for name in self._arm]
        start_ns = _ns(message.header.stamp)
        return [(start_ns + _ns(point.time_from_start), point.positions[order])
                for point in message.points if len(point.positions) > max(order)]

    def chunk(self, channel: Channel, data: bytes) -> ActionChunk:
        """Return a chunk."""
        m = self.message(channel, data)
        try:
            return ActionChunk(
                _ns(m.header.stamp), m.sequence, m.episode_id, m.subtask_id, m.source,
                Representation(m.representation), m.step_s,
                np.asarray(m.values, np.float32).reshape(m.rows, m.columns), m.progress,
                m.inference_s)
        except _BROKEN as error:
            raise _bad(channel, error) from error

    def status(self, channel: Channel, data: bytes) -> ControlStatus:
        """Return what the arm is allowed to do."""
        m = self.message(channel, data)
        try:
            return ControlStatus(_ns(m.header.stamp), Mode(m.mode), m.reason, m.source)
        except _BROKEN as error:
            raise _bad(channel, error) from error


def _ns(stamp: Any) -> int:
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def _bad(channel: Channel, error: Exception) -> InvalidDataError:
    return InvalidDataError(f'{channel.topic}: {str(error) or type(error).__name__}')
