"""A video that is encoded while it is recorded, and its place in an Episode."""

import os
from pathlib import Path

import numpy as np
from vla_recorder.lerobot.stats import FeatureStats, PixelStats
from vla_recorder.video import VideoEncoder, VideoFrames


class EncodedVideo:
    """Frames (N, H, W, 3) uint8 that are an MP4 file already: a lazy array.

    A writer of videos takes the file as it is.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], fps: int, stats: FeatureStats) -> None:
        self.path, self.fps, self.stats = path, fps, stats
        self.shape, self.dtype = shape, np.dtype(np.uint8)
        self._frames: VideoFrames | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        if self._frames is None:
            count, height, width, _ = self.shape
            self._frames = VideoFrames(
                self.path, np.arange(count) / self.fps, height, width, self.fps)
        return self._frames[rows]

    def hand_over(self, path: Path) -> FeatureStats:
        """Give the file another name on the same disk and return its statistics."""
        os.replace(self.path, path)
        return self.stats


class LiveVideo:
    """Encodes one camera's rows as they come."""

    def __init__(self, path: Path, fps: int) -> None:
        self._path, self._fps = path, fps
        self._encoder: VideoEncoder | None = None
        self._pixels = PixelStats(3, np.dtype(np.uint8))
        self._shape: tuple[int, ...] = ()

    def add(self, frame: np.ndarray) -> None:
        """Append a frame (H, W, 3) uint8; all have the shape of the first."""
        if self._encoder is None:
            self._shape = frame.shape
            self._encoder = VideoEncoder(self._path, *frame.shape[:2], self._fps)
        self._encoder.add(frame)
        self._pixels.add(frame)

    def end(self) -> EncodedVideo:
        """Finish the file."""
        self._encoder.close()
        return EncodedVideo(
            self._path, (len(self._encoder), *self._shape), self._fps, self._pixels.stats())

    def close(self) -> None:
        """Let the file go, whole or not."""
        if self._encoder is not None:
            self._encoder.close()
