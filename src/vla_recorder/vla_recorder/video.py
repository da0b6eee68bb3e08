"""Images as H.264 in MP4, in memory: frame k of a video is shown at exactly k / fps."""

from fractions import Fraction
import io
from pathlib import Path

import av
import numpy as np
from vla_core.errors import InvalidDataError

# A key frame every second frame makes reading at random cheap, as LeRobot's own videos are.
OPTIONS = {'crf': '18', 'preset': 'veryfast', 'g': '2', 'bf': '0'}
_BT601 = 6  # the matrix swscale uses when nothing is said: say it, so that every reader agrees
_LIMITED = 1


def encode(images: np.ndarray, fps: int) -> bytes:
    """Return `images` (N, H, W, 3) uint8 RGB as an MP4 file."""
    count, height, width, _ = images.shape
    memory = io.BytesIO()
    with av.open(memory, 'w', format='mp4') as container:
        stream = container.add_stream('libx264', rate=fps, options=OPTIONS)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format(height, width)
        stream.time_base = stream.codec_context.time_base = Fraction(1, fps)
        stream.codec_context.colorspace = _BT601
        stream.codec_context.color_range = _LIMITED
        stream.codec_context.thread_count = 1
        for k in range(count):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(images[k]), format='rgb24')
            frame.pts, frame.time_base = k, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return memory.getvalue()


def decode(path: Path) -> np.ndarray:
    """Return all frames (N, H, W, 3) uint8 RGB of a video; InvalidDataError names a bad one."""
    try:
        with av.open(str(path)) as container:
            frames = [f.to_ndarray(format='rgb24') for f in container.decode(video=0)]
    except (OSError, ValueError, IndexError) as error:  # FFmpegError is one of the first two
        raise InvalidDataError(f'{path}: not a readable video ({error})') from error
    if not frames:
        raise InvalidDataError(f'{path}: got a video without frames')
    return np.stack(frames)


def pixel_format(height: int, width: int) -> str:
    """Return the pixel format: colour is halved in size, which odd sizes do not allow."""
    return 'yuv444p' if height % 2 or width % 2 else 'yuv420p'
