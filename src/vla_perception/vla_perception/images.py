"""Read raw image buffers in place; nothing is copied unless the encoding asks for it.

The functions take the fields of sensor_msgs/Image, so they serve messages, bags and shared
memory alike. Encodings are those of sensor_msgs/image_encodings.
"""

from typing import Any

import numpy as np
from vla_core.errors import InvalidDataError, UnknownNameError

# encoding -> element type, channels
LAYOUTS: dict[str, tuple[str, int]] = {
    'rgb8': ('u1', 3),
    'bgr8': ('u1', 3),
    'rgba8': ('u1', 4),
    'bgra8': ('u1', 4),
    'mono8': ('u1', 1),
    '16UC1': ('u2', 1),
    '32FC1': ('f4', 1),
}
COLOURS = ('rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8')
DEPTHS = ('16UC1', '32FC1')


def view_image(
    height: int, width: int, encoding: str, step: int, data: Any, big_endian: bool = False
) -> np.ndarray:
    """Return a view of `data`, any object with a buffer: (H, W), or (H, W, C) for C > 1.

    `step` is the length of a row with its padding [bytes]. Raise UnknownNameError for an
    encoding we do not read, InvalidDataError for sizes that contradict each other.
    """
    if encoding not in LAYOUTS:
        raise UnknownNameError('image encoding', encoding, LAYOUTS)
    kind, channels = LAYOUTS[encoding]
    dtype = np.dtype(('>' if big_endian else '<') + kind)
    raw = np.frombuffer(data, dtype=np.uint8)
    row = width * channels * dtype.itemsize
    if height < 1 or width < 1 or step < row or raw.size < (height - 1) * step + row:
        raise InvalidDataError(
            f'image: got {raw.size} bytes and step {step} for {width}x{height} {encoding}, '
            f'allowed step of {row} or more and a full last row')
    shape, strides = (height, width), (step, channels * dtype.itemsize)
    if channels > 1:
        shape, strides = (*shape, channels), (*strides, dtype.itemsize)
    view = np.ndarray(shape, dtype, buffer=raw, strides=strides)
    view.flags.writeable = False  # the sender may share this memory with others
    return view


def decode_rgb(
    height: int, width: int, encoding: str, step: int, data: Any, big_endian: bool = False
) -> np.ndarray:
    """Return a colour or grey image as (H, W, 3) uint8 RGB; a view where it already is that."""
    if encoding not in COLOURS:
        raise UnknownNameError('colour image encoding', encoding, COLOURS)
    view = view_image(height, width, encoding, step, data, big_endian)
    if encoding == 'mono8':
        return np.repeat(view[..., None], 3, axis=2)
    if encoding.startswith('bgr'):
        return np.ascontiguousarray(view[..., 2::-1])
    return view[..., :3]


def decode_depth(
    height: int, width: int, encoding: str, step: int, data: Any, big_endian: bool = False
) -> np.ndarray:
    """Return a depth image as (H, W) float32 [m]; unknown depth is NaN (REP-118)."""
    if encoding not in DEPTHS:
        raise UnknownNameError('depth image encoding', encoding, DEPTHS)
    view = view_image(height, width, encoding, step, data, big_endian)
    if encoding == '32FC1':
        return view.astype(np.float32, copy=False)
    return np.where(view == 0, np.float32(np.nan), view.astype(np.float32) * np.float32(1e-3))


class FrozenCamera:
    """Notice a camera that sends the same frame again and again: a hung driver, for diagnostics.

    A still scene in simulation looks alike, so this is a hint for people and stops nothing.
    """

    def __init__(self, limit: int = 60) -> None:
        self.limit = limit
        self.repeats = 0  # frames equal to the one before, in a row
        self._last: np.ndarray | None = None

    @property
    def frozen(self) -> bool:
        """Whether `limit` frames in a row repeated the one before them."""
        return self.repeats >= self.limit

    def update(self, image: np.ndarray) -> bool:
        """Take the next frame and return `frozen`."""
        same = self._last is not None and np.array_equal(image, self._last)
        self.repeats = self.repeats + 1 if same else 0
        self._last = image
        return self.frozen
