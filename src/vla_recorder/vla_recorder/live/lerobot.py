"""Raw messages into a LeRobot data set while they come: videos are encoded on the way.

Rows are the frames of the first camera, each with the nearest frame of every other; its age
beside it. Joints, wrench, tool and gels keep their own stamps. All of it waits on the disk in
`.live/` until the episode ends and is no part of the data set before: a recorder that is killed
loses the episode in flight and nothing else.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
import shutil

import numpy as np
from vla_core.episode import Episode, IMAGE_PREFIX, JOINT_POSITION, Stream, TOOL_POSE
from vla_core.errors import InvalidDataError
from vla_core.spec import RobotSpec
from vla_recorder.lerobot.codec import LeRobotWriter
from vla_recorder.live.arm import LiveArm
from vla_recorder.live.cameras import LiveCameras
from vla_recorder.live.decode import Decoder
from vla_recorder.live.sink import Finish, with_strange
from vla_recorder.live.spool import Spool
from vla_recorder.live.video import LiveVideo
from vla_recorder.recording.acted import Forward
from vla_recorder.recording.raw_channels import Channel
from vla_recorder.recording.running import AGE_PREFIX

FOLDER = '.live'


class LeRobotSink:
    """Hands each episode to a LeRobotWriter, its videos encoded already."""

    def __init__(
        self, root: Path, robot: RobotSpec, channels: tuple[Channel, ...], forward: Forward,
        definitions: Mapping[str, str], fps: int = 0,
    ) -> None:
        """`fps` 0 is the declared rate of the robot's first camera."""
        if not robot.cameras:
            raise InvalidDataError(
                f'robot {robot.name}: got no camera, allowed one or more to record as lerobot')
        self._rate_hz = next(iter(robot.cameras.values())).rate_hz
        self._fps = fps or self._rate_hz
        self._writer = LeRobotWriter(root, self._fps, robot)
        self._robot, self._forward = robot, forward
        self._decoder = Decoder(robot, channels, definitions)
        self._folder = Path(root) / FOLDER
        shutil.rmtree(self._folder, ignore_errors=True)  # the writer holds the data set alone
        self._count = 0
        self._running: _Running | None = None

    @property
    def episodes(self) -> int:
        """Number of episodes in the data set."""
        return self._writer.episodes

    def begin(self, header: Episode) -> None:
        """Begin an episode in a folder of its own."""
        del header
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir(parents=True)
        self._running = _Running(
            folder, self._robot, self._rate_hz, self._fps, self._decoder,
            LiveArm(self._robot, self._forward, self._decoder))

    def write(self, channel: Channel, stamp_ns: int, heard_ns: int, data: bytes) -> None:
        """Take one message apart."""
        del heard_ns
        self._running.write(channel, stamp_ns, data)

    def rest(self) -> None:
        """Do nothing: nobody reads what is not ended."""

    def end(self, header: Episode) -> Finish:
        """End the videos; the episode becomes part of the data set in `Finish`."""
        running = self._running
        episode = running.episode(header, self._forward)
        self._running = None

        def finish() -> None:
            try:
                self._writer.write(episode)
            finally:
                running.remove()
        return finish

    def discard(self) -> None:
        """Remove what was kept of it."""
        running, self._running = self._running, None
        if running is not None:
            running.remove()

    def close(self) -> None:
        """Let another writer have the data set."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._writer.close()


class _Running:
    """The episode in flight."""

    def __init__(self, folder: Path, robot: RobotSpec, rate_hz: float, fps: int,
                 decoder: Decoder, arm: LiveArm) -> None:
        self._folder, self._decoder, self._arm = folder, decoder, arm
        self._strange: Counter[str] = Counter()  # messages, by topic
        self._tool_by_tf: bool | None = None  # whether TF was known at the first row
        self._spools: dict[str, Spool] = {}
        self._videos = {camera: LiveVideo(folder / f'camera-{k}.mp4', fps)
                        for k, camera in enumerate(robot.cameras)}
        self._cameras = LiveCameras(
            list(robot.cameras), rate_hz, lambda camera, frame: self._videos[camera].add(frame))

    def write(self, channel: Channel, stamp_ns: int, data: bytes) -> None:
        """Take one message apart; one that cannot be understood is counted."""
        try:
            self._take(channel, stamp_ns, data)
        except InvalidDataError:
            self._strange[channel.topic] += 1

    def _take(self, channel: Channel, stamp_ns: int, data: bytes) -> None:
        if channel.stream.startswith(IMAGE_PREFIX):
            camera = channel.stream.removeprefix(IMAGE_PREFIX)
            if self._began(stamp_ns):
                self._cameras.add(camera, stamp_ns, self._decoder.picture(channel, data))
        elif channel.stream:
            self._keep(channel.stream, stamp_ns, self._decoder.picture(channel, data))
        elif channel.topic in ('joint_states', 'wrench'):
            for stream, value in self._decoder.values(channel, data):
                self._keep(stream, stamp_ns, value)
        tool = self._arm.hear(channel, data)
        if tool is not None and self._tool_by_tf is not False:
            self._keep(TOOL_POSE, *tool)

    def episode(self, header: Episode, forward: Forward) -> Episode:
        """Return the whole episode, all of it on the disk still."""
        self._cameras.end()
        if not self._cameras.stamps:
            raise InvalidDataError(
                'got no instant at which all cameras had shown something, allowed one or more')
        stamps = np.array(self._cameras.stamps)
        end_ns = max(int(header.meta['end_ns']), int(stamps[-1]))
        columns = dict(self._arm.actions(self._cameras.stamps, end_ns))
        columns |= {AGE_PREFIX + c: np.array(age) for c, age in self._cameras.ages.items()}
        columns |= {IMAGE_PREFIX + c: video.end() for c, video in self._videos.items()}
        streams = {name: Stream(stamps, values) for name, values in columns.items()}
        streams |= {name: spool.stream() for name, spool in self._spools.items()}
        if TOOL_POSE not in streams:  # nobody told TF in time: what the joints say
            joints = streams[JOINT_POSITION]
            for stamp_ns, row in zip(joints.stamps_ns.tolist(), joints.values):
                self._keep(TOOL_POSE, stamp_ns, forward(row))
            streams[TOOL_POSE] = self._spools[TOOL_POSE].stream()
        repeats = {f'repeated_frames/{c}': n for c, n in self._cameras.repeats.items() if n}
        header = with_strange(header, self._strange)
        return replace(header, streams=streams, meta={
            **header.meta, 'commands': self._arm.commands,
            'tool_pose_from': 'tf' if self._tool_by_tf else 'joints', **repeats})

    def remove(self) -> None:
        """Leave nothing on the disk."""
        for part in (*self._spools.values(), *self._videos.values()):
            part.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _began(self, stamp_ns: int) -> bool:
        """Say whether the state of the arm is known at an instant: no row begins before."""
        joints, tool = self._spools.get(JOINT_POSITION), self._spools.get(TOOL_POSE)
        if joints is None or stamp_ns < joints.first_ns or (
                tool is not None and stamp_ns < tool.first_ns):
            return False
        self._tool_by_tf = tool is not None if self._tool_by_tf is None else self._tool_by_tf
        return True

    def _keep(self, stream: str, stamp_ns: int, value: np.ndarray) -> None:
        if stream not in self._spools:
            path = self._folder / f'{len(self._spools)}.rows'
            self._spools[stream] = Spool(path, value)
        self._spools[stream].add(stamp_ns, value)
