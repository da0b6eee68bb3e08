"""Pictures as H.264 in MP4, frame by frame: frame k of a video is shown at exactly k / fps.

x264's `ultrafast` at crf 22 with a key frame every second frame: on noisy pictures of 640x480
1.8 ms a frame on one thread and 0.8 ms to decode, where `veryfast` at crf 18 takes 4.9 ms and
1.7 ms for the same bytes and error. Three cameras of that size at 30 Hz, with their statistics,
take a fifth of a core.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from vla_core.errors import InvalidDataError

# A key frame every second frame makes reading at random cheap, as LeRobot's own videos are.
OPTIONS = {'crf': '22', 'preset': 'ultrafast', 'g': '2', 'bf': '0'}
_BT601 = 6  # the matrix swscale uses when nothing is said: say it, so that every reader agrees
_LIMITED = 1
_ERRORS = (av.error.FFmpegError, OSError, ValueError, IndexError)
_JUMP_S = 1.0  # further ahead than this it is cheaper to seek than to decode through


class VideoEncoder:
    """Writes one video, a frame at a time; its memory does not grow with the video.

    Errors of the disk are OSError. Without `close` the file is not readable.
    """

    def __init__(self, path: Path, height: int, width: int, fps: int) -> None:
        self._fps, self._count = fps, 0
        self._container = av.open(str(path), 'w', format='mp4')
        self._stream = self._container.add_stream('libx264', rate=fps, options=OPTIONS)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = pixel_format(height, width)
        context = self._stream.codec_context
        self._stream.time_base = context.time_base = Fraction(1, fps)
        context.colorspace, context.color_range, context.thread_count = _BT601, _LIMITED, 1

    def __len__(self) -> int:
        return self._count

    def add(self, frame: np.ndarray) -> None:
        """Append a frame (H, W, 3) uint8 RGB."""
        shape = (self._stream.height, self._stream.width, 3)
        if frame.shape != shape or frame.dtype != np.uint8:
            raise InvalidDataError(
                f'video frame: got {frame.dtype} {frame.shape}, allowed uint8 {shape}')
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format='rgb24')
        picture.pts, picture.time_base = self._count, Fraction(1, self._fps)
        self._container.mux(self._stream.encode(picture))
        self._count += 1

    def close(self) -> None:
        """Finish the file; a second call does nothing."""
        if self._container is not None:
            container, self._container = self._container, None
            with container:
                container.mux(self._stream.encode())


class VideoFrames:
    """The frames of a video nearest to given times, decoded when they are asked for (lazy array).

    Reading on where the last slice ended decodes every frame once. What cannot be read is an
    InvalidDataError that names the file.
    """

    def __init__(
        self, path: Path, times_s: np.ndarray, height: int, width: int, fps: float,
        pixels: str = 'rgb24',
    ) -> None:
        """Decode to `pixels`: rgb24 (N, H, W, 3) uint8 or gray12le (N, H, W) uint16."""
        colour = pixels == 'rgb24'
        self.shape = (len(times_s), height, width, *([3] if colour else []))
        self.dtype = np.dtype(np.uint8 if colour else np.uint16)
        self._pixels = pixels
        self._path, self._times, self._half_s = Path(path), times_s, 0.5 / fps
        self._container: av.container.InputContainer | None = None
        self._decoded: Iterator[av.VideoFrame] = iter(())
        self._current: av.VideoFrame | None = None
        self._open()  # a missing or truncated file is found out now

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        times = self._times[rows]
        out = np.empty((len(times), *self.shape[1:]), self.dtype)
        try:
            for k, time_s in enumerate(times.tolist()):
                out[k] = self._frame(time_s)
        except _ERRORS as error:
            self.close()
            if isinstance(error, InvalidDataError):
                raise
            raise _unreadable(self._path, error) from error
        return out

    def close(self) -> None:
        """Close the file; it opens again when it is asked for more."""
        if self._container is not None:
            self._container.close()
        self._container = self._current = None
        self._decoded = iter(())

    def _open(self) -> None:
        try:
            self._container = av.open(str(self._path))
            self._container.streams.video[0].codec_context.thread_count = 1
        except _ERRORS as error:
            raise _unreadable(self._path, error) from error

    def _frame(self, time_s: float) -> np.ndarray:
        """Return the frame shown at `time_s`."""
        at = self._current.time if self._current else None
        if at is None or not at - self._half_s <= time_s <= at + _JUMP_S:
            self._seek(time_s)
        while self._current is None or self._current.time < time_s - self._half_s:
            self._current = next(self._decoded, None)
            if self._current is None:
                raise InvalidDataError(
                    f'{self._path}: got no frame at {time_s:.3f} s, allowed a longer video')
        if self._current.time > time_s + self._half_s:
            raise InvalidDataError(
                f'{self._path}: got the next frame at {self._current.time:.3f} s, '
                f'allowed one at {time_s:.3f} s')
        picture = self._current.to_ndarray(format=self._pixels)
        if picture.shape != self.shape[1:]:
            raise InvalidDataError(
                f'{self._path}: got frames {picture.shape}, allowed {self.shape[1:]}')
        return picture

    def _seek(self, time_s: float) -> None:
        if self._container is None:
            self._open()
        stream = self._container.streams.video[0]
        self._container.seek(max(0, int(time_s / stream.time_base)), stream=stream)
        self._decoded, self._current = self._container.decode(stream), None


def pixel_format(height: int, width: int) -> str:
    """Return the pixel format: colour is halved in size, which odd sizes do not allow."""
    return 'yuv444p' if height % 2 or width % 2 else 'yuv420p'


def _unreadable(path: Path, error: Exception) -> InvalidDataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InvalidDataError(f'{path}: not a readable video ({reason})')
