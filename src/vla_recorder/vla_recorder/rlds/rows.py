"""Rows of a stream as the byte strings of a TFDS feature, and back: pictures and tensors.

Pictures are PNG, losslessly, or JPEG; a depth image in float32 is the PNG of its four bytes as
red, green, blue and alpha, as TFDS has it. Tensors are raw or zlib bytes, little-endian.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
import zlib

import cv2
import numpy as np
from vla_core.errors import InvalidDataError
from vla_core.lazy import blocks, Values
from vla_recorder.rlds import example as rlds_example
from vla_recorder.rlds.features import Feature

_RGBA = (2, 1, 0, 3)  # OpenCV's order of channels is blue, green, red, alpha


def encode_rows(feature: Feature, values: Values, same: np.ndarray) -> Iterator[bytes]:
    """Yield each row of `values` (N, ...) encoded; where `same` (N,) is true, the last again."""
    data, row = b'', 0
    for block in blocks(values):
        for value in block:
            if not (row and same[row]):
                data = encode_row(feature, value)
            yield data
            row += 1


def encode_row(feature: Feature, value: np.ndarray) -> bytes:
    """Return one row as bytes."""
    if feature.kind == 'image':
        return _encode_image(feature, value)
    data = np.ascontiguousarray(value, dtype=_little(feature)).tobytes()
    return zlib.compress(data, 1) if feature.encoding == 'zlib' else data


def decode_row(feature: Feature, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Return one row of `shape`; raise ValueError for bytes that are none."""
    if feature.kind == 'image':
        value = decode_image(feature, data)
        if value.size != np.prod(shape) or value.shape[:2] != shape[:2]:
            raise ValueError(f'got an image of {value.shape}, allowed {shape}')
        return value.reshape(shape)
    if feature.encoding == 'zlib':
        size = int(np.prod(shape)) * _little(feature).itemsize
        unpacker = zlib.decompressobj()
        try:
            data = unpacker.decompress(data, size + 1)  # never more than was promised
        except zlib.error as error:
            raise ValueError(str(error)) from error
    return np.frombuffer(data, _little(feature)).reshape(shape)


def decode_image(feature: Feature, data: bytes) -> np.ndarray:
    """Return the image (H, W, C) or (H, W) of a feature; raise ValueError for another."""
    channels = feature.shape[2] if len(feature.shape) == 3 else 3
    how = cv2.IMREAD_UNCHANGED
    if feature.dtype == 'uint8' and channels in (1, 3):
        how = cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_GRAYSCALE
        how |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except cv2.error as error:
        raise ValueError(f'got an image that cannot be decoded ({error.err})') from error
    if image is None:
        raise ValueError('got an image that cannot be decoded')
    if image.ndim == 3:
        image = np.ascontiguousarray(image[..., _RGBA[:image.shape[2]]])
    if feature.dtype == 'float32':
        if image.dtype != np.uint8 or image.shape[2:] != (4,):
            raise ValueError(f'got {image.dtype} {image.shape}, allowed floats as 4 channels')
        image = image.view('<f4')
    if image.dtype != feature.dtype:
        raise ValueError(f'got an image of {image.dtype}, allowed {feature.dtype}')
    return image


@dataclass(frozen=True)
class EncodedRows:
    """Rows in a file, decoded when they are asked for: a LazyArray."""

    path: Path
    places: list[tuple[int, int]]  # start and length of each row [bytes]
    feature: Feature
    shape: tuple[int, ...]
    name: str  # of episode and feature, for errors

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return np.dtype(self.feature.dtype)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, rows: slice) -> np.ndarray:
        places = self.places[rows]
        if not places:
            return np.empty((0, *self.shape[1:]), self.dtype)
        try:
            with self.path.open('rb') as file:
                return np.stack([
                    decode_row(self.feature, rlds_example.read(file, place), self.shape[1:])
                    for place in places])
        except (OSError, ValueError) as error:
            raise InvalidDataError(
                f'{self.path}: {self.name}, from row {rows.start or 0} on: {error}') from error


def _encode_image(feature: Feature, value: np.ndarray) -> bytes:
    if feature.dtype == 'float32':
        value = np.ascontiguousarray(value, '<f4').reshape(*value.shape[:2], 1).view(np.uint8)
    if value.ndim == 3 and value.shape[2] > 1:
        value = np.ascontiguousarray(value[..., _RGBA[:value.shape[2]]])
    # A level of compression makes OpenCV's PNG slower and larger than its own choice.
    _, data = cv2.imencode('.jpg' if feature.encoding == 'jpeg' else '.png', value)
    return data.tobytes()


def _little(feature: Feature) -> np.dtype:
    return np.dtype(feature.dtype).newbyteorder('<')
