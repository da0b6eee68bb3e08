"""Raw messages into an MCAP bag while they come: every message as it was on the wire.

Beside them the bag has what no message says by itself: the tool's pose out of TF, and, where
the arm was commanded, the action of each frame of the first camera.
"""

from array import array
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from vla_core.episode import ACTION, ACTION_TELEOP, Episode, IMAGE_PREFIX, TOOL_POSE
from vla_core.errors import InvalidDataError
from vla_core.spec import RobotSpec
from vla_recorder.bag.codec import open_writer
from vla_recorder.bag.stream import BagStream
from vla_recorder.live.arm import LiveArm
from vla_recorder.live.decode import Decoder
from vla_recorder.live.sink import Finish, with_strange
from vla_recorder.live.takes import takes_of_channel
from vla_recorder.recording.acted import Forward
from vla_recorder.recording.raw_channels import Channel


class BagSink:
    """One bag an episode; what a killed recorder left is kept as incomplete episodes."""

    def __init__(
        self, root: Path, robot: RobotSpec, channels: tuple[Channel, ...], forward: Forward,
        definitions: Mapping[str, str], *, compress: bool = False,
    ) -> None:
        """`definitions` are the texts of message types that are not standard, by type."""
        self._root, self._robot, self._compress = Path(root), robot, compress
        self._forward, self._definitions = forward, definitions
        self._decoder = Decoder(robot, channels, definitions)
        self._takes = {channel.topic: takes_of_channel(robot, channel) for channel in channels}
        self._lead = IMAGE_PREFIX + next(iter(robot.cameras), '')
        self._stream: BagStream | None = None
        open_writer(self._root).close()  # keeps or removes what was left

    def begin(self, header: Episode) -> None:
        """Begin a bag."""
        self._stream = BagStream(
            self._root, header, joints=self._robot.joints.names, compress=self._compress)
        self._arm = LiveArm(self._robot, self._forward, self._decoder)
        self._newest: dict[str, int] = {}  # stamp by topic
        self._rows = array('q')  # stamps of the first camera
        self._strange: Counter[str] = Counter()  # messages not understood, by topic

    def write(self, channel: Channel, stamp_ns: int, heard_ns: int, data: bytes) -> None:
        """Add a message as it came."""
        del heard_ns
        topic = f'/{channel.topic}'
        newest_ns = self._newest.get(topic)
        if newest_ns is None:
            self._stream.declare(topic, channel.kind, self._definitions.get(channel.kind, ''),
                                 self._takes[channel.topic])
        elif self._takes[channel.topic] and stamp_ns <= newest_ns:
            if stamp_ns < newest_ns:
                return
            stamp_ns = newest_ns + 1  # of the same instant, as from two publishers
        self._newest[topic] = stamp_ns
        self._stream.add_raw(topic, stamp_ns, data)
        if channel.stream == self._lead:
            self._rows.append(stamp_ns)
        try:
            tool = self._arm.hear(channel, data)
        except InvalidDataError:  # the message is kept as it came
            self._strange[channel.topic] += 1
            return
        if tool is not None:
            self._stream.add(TOOL_POSE, *tool)

    def rest(self) -> None:
        """Put down what is held back."""
        if self._stream is not None:
            self._stream.tick()

    def end(self, header: Episode) -> Finish:
        """End the bag; it gets its index and its name in `Finish`."""
        stream = self._stream
        if self._rows and self._arm.commands:
            actions = self._arm.actions(self._rows, int(header.meta['end_ns']))
            for name in (ACTION, *([ACTION_TELEOP] if self._arm.asked else [])):
                for stamp_ns, action in zip(self._rows, actions[name]):
                    stream.add(name, stamp_ns, action)
        self._stream = None
        header = with_strange(header, self._strange)
        return lambda: stream.end(header)

    def discard(self) -> None:
        """Leave nothing of the bag."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.discard()

    def close(self) -> None:
        """Do nothing: every bag is finished."""
