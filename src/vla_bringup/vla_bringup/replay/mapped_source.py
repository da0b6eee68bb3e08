"""Somebody else's bag as the sensor messages of a robot of ours, through a map of its topics."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
import heapq
from itertools import count, repeat
from pathlib import Path
from typing import Any

import numpy as np
from vla_bringup.replay.script import Sensed
from vla_bringup.replay.sensors import JOINTS, NS, TF, WRENCH
from vla_core.episode import (
    Episode,
    GRIPPER,
    IMAGE_PREFIX,
    JOINT_POSITION,
    JOINT_VELOCITY,
    TACTILE_PREFIX,
    TOOL_POSE,
)
from vla_core.episode import (
    WRENCH as WRENCH_STREAM,
)
from vla_core.errors import InvalidDataError
from vla_core.kinematics import Kinematics
from vla_core.spec import CameraSpec, load_robot
from vla_recorder.bag.message import encoder_of, JOINT_STATE
from vla_recorder.bag.source import Place
from vla_recorder.bag.topic_map import open_bag
from vla_recorder.bag.types import standard_types

TF_MESSAGE = 'tf2_msgs/msg/TFMessage'


@dataclass(frozen=True)
class _Voice:
    """One topic that is spoken out of the streams of an episode."""

    topic: str
    stamps_ns: np.ndarray  # (N,) int64
    encode: Callable[[int], bytes]  # row -> CDR


class MappedSource:
    """Implements SensorSource; a place is (voice, row).

    The map gives pictures, joint positions and velocities, the gripper's opening, and the
    tool's pose or else the robot's own kinematics. Nothing is made up: a stream that is missing
    is an error.
    """

    def __init__(
        self, path: Path, map_path: Path, *, episode: int | None = None, robot: str = '',
        instruction: str = '',
    ) -> None:
        """Open episode `episode` of a bag; raise InvalidDataError naming what does not fit."""
        self.name = str(path)
        self._bag = open_bag(Path(path), map_path)
        try:
            self._episode = self._choose(episode)
            told = self._episode.robot
            self.robot = load_robot(robot or told)
            self.episode_id = self._episode.episode_id[:64]
            self.instruction = instruction or self._episode.instruction
            if not self.instruction:
                raise InvalidDataError(
                    f'{self.name}: neither bag nor map says what was asked for; '
                    'allowed with --instruction')
            gels = [TACTILE_PREFIX + finger for finger in self.robot.tactile]
            self.touch = bool(gels) and all(
                name in self._episode.streams for name in (*gels, WRENCH_STREAM))
            self._voices = self._speak()
        except BaseException:
            self.close()
            raise

    def messages(self) -> Iterator[Sensed]:
        """Yield the messages by stamp; of one instant joints and frames before pictures."""
        rows = heapq.merge(*(
            zip(voice.stamps_ns.tolist(), repeat(number), count())
            for number, voice in enumerate(self._voices)))
        for _, number, row in rows:
            yield Sensed(self._voices[number].topic, (number, row), self.read((number, row)))

    def read(self, place: Place) -> bytes:
        """Return one message."""
        return self._voices[place[0]].encode(place[1])

    def close(self) -> None:
        """Close the bag."""
        self._bag.close()

    # --- streams into messages ----------------------------------------------------------------

    def _choose(self, episode: int | None) -> Episode:
        if self._bag.problems:
            raise InvalidDataError(self._bag.problems[0])
        if episode is None and len(self._bag) > 1:
            raise InvalidDataError(
                f'{self.name}: got {len(self._bag)} episodes, allowed one of them: --episode 0 '
                f'to {len(self._bag) - 1}')
        return self._bag.read(episode or 0)

    def _speak(self) -> list[_Voice]:
        position, velocity = self._stream(JOINT_POSITION), self._stream(JOINT_VELOCITY)
        if not np.array_equal(position.stamps_ns, velocity.stamps_ns):
            raise InvalidDataError(
                f'{self.name}: got {JOINT_VELOCITY} at other stamps than {JOINT_POSITION}, '
                'allowed the same')
        robot = self.robot
        arm, fingers = robot.joints.names, robot.gripper.joints
        openings = self._stream(GRIPPER)
        share = robot.gripper.open_m / len(fingers)  # of the opening, a finger
        voices = [
            _Voice(JOINTS, position.stamps_ns, lambda row: _joints(
                position.stamps_ns[row], arm, position.values[row], velocity.values[row])),
            _Voice(JOINTS, openings.stamps_ns, lambda row: _joints(
                openings.stamps_ns[row], fingers,
                np.full(len(fingers), float(openings.values[row]) * share), np.empty(0))),
            self._tool()]
        if self.touch:
            voices += [self._pictures(TACTILE_PREFIX + name, f'tactile/{name}/image', size)
                       for name, size in robot.tactile.items()] + [self._wrench()]
        return voices + [self._pictures(IMAGE_PREFIX + name, f'{name}/image', size)
                         for name, size in reversed(robot.cameras.items())]

    def _tool(self) -> _Voice:
        """Return the tool's pose: as the bag has it, else by the robot's kinematics."""
        base, tool = self.robot.base_frame, self.robot.tool_frame
        if TOOL_POSE in self._episode.streams:
            poses = self._stream(TOOL_POSE)
            return _Voice(TF, poses.stamps_ns, lambda row: _transform(
                poses.stamps_ns[row], base, tool, poses.values[row]))
        joints, forward = self._stream(JOINT_POSITION), Kinematics(self.robot).forward
        return _Voice(TF, joints.stamps_ns, lambda row: _transform(
            joints.stamps_ns[row], base, tool, forward(joints.values[row])))

    def _pictures(self, stream: str, topic: str, size: CameraSpec) -> _Voice:
        pictures = self._stream(stream)
        shape, wanted = tuple(pictures.values.shape[1:]), (size.height, size.width, 3)
        if shape != wanted:
            raise InvalidDataError(
                f'{self.name}: {stream}: got pictures {shape}, robot {self.robot.name!r} '
                f'allowed {wanted}')
        encode = encoder_of(stream, np.dtype(np.uint8), wanted).encode
        return _Voice(topic, pictures.stamps_ns, lambda row: bytes(encode(
            int(pictures.stamps_ns[row]), np.asarray(pictures.values[row:row + 1])[0])))

    def _wrench(self) -> _Voice:
        wrenches = self._stream(WRENCH_STREAM)
        encode = encoder_of(WRENCH_STREAM, np.dtype(np.float64), (6,)).encode
        return _Voice(WRENCH, wrenches.stamps_ns, lambda row: bytes(encode(
            int(wrenches.stamps_ns[row]), wrenches.values[row])))

    def _stream(self, name: str) -> Any:
        if name not in self._episode.streams:
            raise InvalidDataError(
                f'{self.name}: got no stream {name}, which robot {self.robot.name!r} needs; '
                f'the map gives {", ".join(sorted(self._episode.streams)) or "none"}')
        stream = self._episode.streams[name]
        shape = (len(self.robot.joints.names),)
        if name in (JOINT_POSITION, JOINT_VELOCITY) and stream.values.shape[1:] != shape:
            raise InvalidDataError(
                f'{self.name}: {name}: got values of shape {stream.values.shape[1:]}, robot '
                f'{self.robot.name!r} allowed {shape}')
        return stream


def _header(stamp_ns: int, frame: str = '') -> Any:
    types = standard_types().types
    seconds, nanoseconds = divmod(int(stamp_ns), NS)
    return types['std_msgs/msg/Header'](
        types['builtin_interfaces/msg/Time'](seconds, nanoseconds), frame)


def _joints(
    stamp_ns: int, names: tuple[str, ...], position: np.ndarray, velocity: np.ndarray,
) -> bytes:
    message = standard_types().types[JOINT_STATE](
        header=_header(stamp_ns), name=list(names), effort=np.empty(0),
        position=np.asarray(position, np.float64), velocity=np.asarray(velocity, np.float64))
    return bytes(standard_types().serialize_cdr(message, JOINT_STATE))


def _transform(stamp_ns: int, parent: str, child: str, pose: np.ndarray) -> bytes:
    types = standard_types().types
    x, y, z, *turn = (float(value) for value in pose)
    entry = types['geometry_msgs/msg/TransformStamped'](
        _header(stamp_ns, parent), child, types['geometry_msgs/msg/Transform'](
            types['geometry_msgs/msg/Vector3'](x, y, z),
            types['geometry_msgs/msg/Quaternion'](*turn)))
    return bytes(standard_types().serialize_cdr(
        types[TF_MESSAGE](transforms=[entry]), TF_MESSAGE))
