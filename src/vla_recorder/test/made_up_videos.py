"""Made-up videos for the tests of the loader, by PyAV alone."""

from pathlib import Path

import av
import numpy as np

OURS = {'g': '2', 'bf': '0', 'crf': '18'}


def encode(
    path: Path, images: np.ndarray, fps: int, codec: str = 'libx264',
    options: dict[str, str] | None = None,
) -> None:
    """Write `images` (N, H, W, 3) uint8 RGB as a video."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=fps, options=options or OURS)
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = 'yuv420p'
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format='rgb24')))
        container.mux(stream.encode())


def decode(path: Path) -> np.ndarray:
    """Return all frames (N, H, W, 3) uint8 RGB of a video."""
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format='rgb24') for f in container.decode(video=0)])
