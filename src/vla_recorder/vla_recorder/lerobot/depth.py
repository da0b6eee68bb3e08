"""Depth as LeRobot 0.6 keeps it in a video: distances rounded to 12 bits.

Steps are even in log(depth + shift), or in depth itself, between two distances in metres.
"""

from dataclasses import dataclass

import numpy as np
from vla_core.errors import InvalidDataError
from vla_recorder.video import VideoFrames

STEPS = 4095


@dataclass(frozen=True)
class DepthScale:
    """Which distance a step is."""

    nearest_m: float
    furthest_m: float
    shift_m: float  # of the logarithm
    logarithmic: bool
    millimetres: bool  # recorded as uint16 [mm], else as float32 [m]

    def __post_init__(self) -> None:
        low = self.nearest_m + self.shift_m if self.logarithmic else 1.0
        if not (0 <= self.nearest_m < self.furthest_m < 1e4 and 0 < low < 1e4):
            raise InvalidDataError(f'got a scale of depth {self}, allowed nearest below furthest')

    def decode(self, steps: np.ndarray) -> np.ndarray:
        """Return the depth (...) float32 [m] or uint16 [mm] of steps (...) uint16."""
        ends = np.array([self.nearest_m, self.furthest_m])
        if self.logarithmic:
            ends = np.log(ends + self.shift_m)
        metres = ends[0] + steps * ((ends[1] - ends[0]) / STEPS)
        if self.logarithmic:
            metres = np.exp(metres) - self.shift_m
        metres = np.clip(metres, self.nearest_m, self.furthest_m)
        if self.millimetres:
            return np.clip(np.rint(metres * 1000), 0, 65535).astype(np.uint16)
        return metres.astype(np.float32)


class DepthFrames:
    """The depth of a video's frames, decoded when they are asked for (lazy array)."""

    def __init__(self, frames: VideoFrames, scale: DepthScale) -> None:
        self.shape = frames.shape
        self.dtype = np.dtype(np.uint16 if scale.millimetres else np.float32)
        self._frames, self._scale = frames, scale

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self._scale.decode(self._frames[rows])

    def close(self) -> None:
        """Close the file; it opens again when it is asked for more."""
        self._frames.close()
