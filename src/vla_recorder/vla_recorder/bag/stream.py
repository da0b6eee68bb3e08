"""Recording an episode into a bag while it happens: a kill costs the last second at most."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
import time

import numpy as np
from vla_core.episode import check_name, Episode
from vla_core.errors import InvalidDataError
from vla_recorder.bag.fields import Take
from vla_recorder.bag.message import channel_metadata, check_stamp, Encoder, encoder_of
from vla_recorder.bag.out import BagOut, LIVE, OPENING
from vla_recorder.bag.types import standard_definition

PERIOD_S = 1.0  # between two writes to the disk


class BagStream:
    """One episode that is recorded as it comes; used by one thread.

    A chunk goes to the operating system when it has 1 MiB, and everything is forced onto the
    disk each `period_s` by the next `add` or `tick`. After `kill -9` the next writer of the
    data set keeps the whole chunks as an incomplete episode.
    """

    def __init__(
        self, root: Path, opening: Episode, *, joints: Sequence[str] = (), compress: bool = False,
        period_s: float = PERIOD_S, clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin the next bag below `root`; `opening` is what is known already, without streams.

        `clock` is steady [s].
        """
        self._joints, self._period_s, self._clock = joints, period_s, clock
        self._out = BagOut(root, LIVE, compress=compress)
        self._encoders: dict[str, tuple[Encoder, int]] = {}  # by stream
        self._channels: dict[str, tuple[int, bool]] = {}  # raw topic -> channel, has streams
        self._newest: dict[str, int] = {}  # stamp by stream or raw topic with streams [ns]
        self._out.add_header(opening, OPENING)
        self.flush()

    @property
    def folder(self) -> Path:
        """Where the bag lies while it is recorded."""
        return self._out.folder

    @property
    def counts(self) -> Mapping[str, int]:
        """Messages so far by topic."""
        contents = self._out.bag.contents
        return {channel.topic: contents.counts.get(number, 0)
                for number, channel in contents.channels.items()}

    def add(self, stream: str, stamp_ns: int, value: np.ndarray | float) -> None:
        """Add a value of a stream as a standard message; all its values have one shape and dtype.

        Raises InvalidDataError for a stamp that is not newer, or a value unlike the first.
        """
        value = np.asarray(value)
        if stream not in self._encoders:
            check_name('stream', stream)
            encoder = encoder_of(stream, value.dtype, value.shape, self._joints)
            self._encoders[stream] = (encoder, self._out.announce(encoder))
        encoder, channel = self._encoders[stream]
        take = encoder.takes[0]
        if value.shape != take.shape or value.dtype != np.dtype(take.dtype):
            raise InvalidDataError(
                f'stream {stream}: got {value.dtype} {value.shape}, '
                f'allowed {np.dtype(take.dtype)} {take.shape} as the first')
        self._check_order(f'stream {stream}', stamp_ns)
        self._put(channel, stamp_ns, encoder.encode(stamp_ns, value))

    def declare(self, topic: str, type_name: str, definition: str = '',
                takes: Sequence[Take] = ()) -> None:
        """Announce a raw topic; `takes` says which streams a reader finds in its messages.

        A type that is not standard needs its `definition` (`bag_types.definition_of`).
        """
        text = definition or standard_definition(type_name)
        channel = self._out.declare(topic, type_name, text, channel_metadata(type_name, takes))
        self._channels[topic] = (channel, bool(takes))

    def add_raw(self, topic: str, stamp_ns: int, data: bytes) -> None:
        """Add a message of a declared topic as it came, in CDR.

        Of a topic with streams each stamp must be newer than the one before.
        """
        if topic not in self._channels:
            raise InvalidDataError(
                f'topic: got {topic}, allowed {", ".join(self._channels) or "none yet"}')
        channel, has_streams = self._channels[topic]
        if has_streams:
            self._check_order(f'topic {topic}', stamp_ns)
        self._put(channel, stamp_ns, data)

    def tick(self) -> None:
        """Write what waits if it is time; for a timer, where messages may stop coming."""
        if self._clock() - self._flushed >= self._period_s:
            self.flush()

    def flush(self) -> None:
        """Force all that was added onto the disk."""
        self._out.bag.sync()
        self._flushed = self._clock()

    def end(self, closing: Episode) -> Path:
        """Finish the bag and return its folder; `closing` says all but the streams."""
        self._out.add_header(closing)
        return self._out.publish()

    def discard(self) -> None:
        """Leave nothing of this episode."""
        self._out.discard()

    def _check_order(self, what: str, stamp_ns: int) -> None:
        newest = self._newest.get(what)
        if newest is not None and stamp_ns <= newest:
            raise InvalidDataError(
                f'{what}: got stamp {stamp_ns} after {newest} ns, allowed strictly increasing')
        check_stamp(what, stamp_ns)
        self._newest[what] = stamp_ns

    def _put(self, channel: int, stamp_ns: int, data: bytes | memoryview) -> None:
        self._out.bag.add(channel, int(stamp_ns), data)
        self.tick()
