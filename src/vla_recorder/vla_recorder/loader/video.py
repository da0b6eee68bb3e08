"""One frame of a video at random: its packets are read straight from the file and decoded.

Where the packets of a video are is read once, when the data set is opened. From then on no
container is opened and nothing is sought: the bytes from the key frame to the wanted frame are
one read, and one decoder serves all videos that were encoded alike. A video whose frames are
not stored in the order they are shown in is decoded through its container instead.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import av
from av.video.reformatter import VideoReformatter
import numpy as np
from vla_core.errors import InvalidDataError

_ERRORS = (OSError, ValueError, IndexError, av.FFmpegError)


@dataclass(frozen=True)
class VideoIndex:
    """Where the K frames of a video are in their file."""

    path: str
    codec: str  # the decoder PyAV chose for it
    extradata: bytes
    height: int  # [px]
    width: int  # [px]
    offset: np.ndarray  # (K,) int64 of each frame's packet in the file [bytes]
    size: np.ndarray  # (K,) int64 [bytes]
    key: np.ndarray  # (K,) int64 the frame from which decoding must begin to show this one
    shown: np.ndarray  # (K,) int64 presentation time in units of `tick_s`, rising
    tick_s: float
    straight: bool  # frames are stored in the order they are shown in

    @cached_property
    def times_s(self) -> np.ndarray:
        """Presentation times (K,) float64 [s]."""
        return self.shown * self.tick_s

    def frame_at(self, times_s: np.ndarray, tolerance_s: float) -> np.ndarray:
        """Return the frames (N,) int64 shown at `times_s` (N,) [s], the nearest ones.

        Raises InvalidDataError naming the file when one is further away than the tolerance.
        """
        after = np.searchsorted(self.times_s, times_s).clip(1, max(1, len(self.shown) - 1))
        after = np.minimum(after, len(self.shown) - 1)
        before = np.maximum(after - 1, 0)
        nearer = np.abs(self.times_s[before] - times_s) <= np.abs(self.times_s[after] - times_s)
        frames = np.where(nearer, before, after)
        gap = np.abs(self.times_s[frames] - times_s)
        if gap.size and gap.max() > tolerance_s:
            worst = int(gap.argmax())
            raise InvalidDataError(
                f'{self.path}: got no frame at {times_s[worst]:.3f} s, allowed one within '
                f'{tolerance_s:.3f} s; the video has {len(self.shown)} frames')
        return frames


def index_video(path: Path) -> VideoIndex:
    """Return where the frames of a video are; InvalidDataError names an unreadable one."""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            return _index(path, container, stream)
    except InvalidDataError:
        raise
    except _ERRORS as error:
        raise InvalidDataError(f'{path}: not a readable video ({error})') from error


def _index(
    path: Path, container: av.container.InputContainer, stream: av.VideoStream
) -> VideoIndex:
    context = stream.codec_context
    entries = [(e.pos, e.size, e.timestamp, e.is_keyframe) for e in stream.index_entries]
    straight = bool(entries) and not context.has_b_frames and entries[0][3] and all(
        a[0] < b[0] and a[2] < b[2] for a, b in pairwise(entries))
    if not straight:  # in the order of presentation; the container does the reading
        packets = [p for p in container.demux(stream) if p.pts is not None and p.size]
        entries = sorted(((p.pos or 0, p.size, p.pts, p.is_keyframe) for p in packets),
                         key=lambda entry: entry[2])
    if not entries:
        raise InvalidDataError(f'{path}: got a video without frames')
    table = np.array(entries, dtype=np.int64)
    last = int((table[:, 0] + table[:, 1]).max())
    if last > path.stat().st_size:
        raise InvalidDataError(
            f'{path}: got {path.stat().st_size} bytes, allowed {last} or more; it is cut off')
    numbers = np.arange(len(table))
    return VideoIndex(
        path=str(path), codec=context.codec.name, extradata=context.extradata or b'',
        height=context.height, width=context.width, offset=table[:, 0], size=table[:, 1],
        key=np.maximum.accumulate(np.where(table[:, 3] > 0, numbers, 0)),
        shown=table[:, 2], tick_s=float(stream.time_base), straight=straight)


class Decoder:
    """Decodes frames of all videos with the same codec and the same parameters."""

    def __init__(self, codec: str, extradata: bytes) -> None:
        self._context = av.CodecContext.create(codec, 'r')
        self._context.extradata = extradata
        self._context.thread_count = 1  # the processes of a loader share the cores
        self._colours = VideoReformatter()  # kept: making one takes as long as decoding

    def decode(self, video: VideoIndex, frame: int, data: bytes) -> np.ndarray:
        """Return frame `frame` (H, W, 3) uint8 RGB; InvalidDataError names the file.

        `data` are the bytes of the file from its key frame to its own end.
        """
        try:
            shown = self._frames(video, frame, data)
            wanted = [f for f in shown if f.pts == int(video.shown[frame])]
            if wanted:
                return self._colours.reformat(wanted[0], format='rgb24', threads=1).to_ndarray()
        except _ERRORS as error:
            self._context.flush_buffers()
            raise _undecodable(video, frame, str(error)) from error
        raise _undecodable(video, frame, 'it shows nothing')

    def _frames(self, video: VideoIndex, frame: int, data: bytes) -> list[av.VideoFrame]:
        first, shown = int(video.key[frame]), []
        for k in range(first, frame + 1):
            start = int(video.offset[k] - video.offset[first])
            packet = av.Packet(data[start:start + int(video.size[k])])
            packet.pts = packet.dts = int(video.shown[k])
            shown += self._context.decode(packet)
        if not shown or shown[-1].pts != int(video.shown[frame]):  # still inside: let it out
            shown += self._context.decode(None)
            self._context.flush_buffers()
        return shown


def decode_through_container(video: VideoIndex, frame: int) -> np.ndarray:
    """Return a frame (H, W, 3) uint8 RGB of a video stored in another order than shown."""
    wanted = int(video.shown[frame])
    try:
        with av.open(video.path) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            container.seek(wanted, stream=stream)
            for picture in container.decode(stream):
                if picture.pts == wanted:
                    return picture.to_ndarray(format='rgb24')
    except _ERRORS as error:
        raise _undecodable(video, frame, str(error)) from error
    raise _undecodable(video, frame, 'it shows nothing')


def _undecodable(video: VideoIndex, frame: int, why: str) -> InvalidDataError:
    return InvalidDataError(f'{video.path}: frame {frame} cannot be decoded ({why})')
