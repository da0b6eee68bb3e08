"""Pictures of ROS messages: sensor_msgs/Image in any common encoding, and CompressedImage."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from rosbags.typesys.store import Typestore
from vla_core.errors import InvalidDataError
from vla_recorder.bag.source import Data, one_line, Place, Source
from vla_recorder.bag.types import decode

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
_THREADS = 2
_DEPTH_HEADER = 12  # bytes before the PNG of compressed_depth_image_transport
_PLAIN: dict[str, tuple[str, int]] = {
    'rgb8': ('u1', 3), 'bgr8': ('u1', 3), 'rgba8': ('u1', 4), 'bgra8': ('u1', 4),
    '8UC3': ('u1', 3), 'mono8': ('u1', 1), '8UC1': ('u1', 1),
    'mono16': ('u2', 1), '16UC1': ('u2', 1), '32FC1': ('f4', 1)}
_TO_RGB = {'bgr8': (2, 1, 0), 'bgra8': (2, 1, 0), 'rgba8': (0, 1, 2)}
# cv2 names a Bayer pattern by its second row and column.
_FROM_RAW = {
    'bayer_rggb8': (cv2.COLOR_BayerBG2RGB, 1), 'bayer_bggr8': (cv2.COLOR_BayerRG2RGB, 1),
    'bayer_gbrg8': (cv2.COLOR_BayerGR2RGB, 1), 'bayer_grbg8': (cv2.COLOR_BayerGB2RGB, 1),
    'yuv422': (cv2.COLOR_YUV2RGB_UYVY, 2), 'uyvy': (cv2.COLOR_YUV2RGB_UYVY, 2),
    'yuv422_yuy2': (cv2.COLOR_YUV2RGB_YUY2, 2), 'yuyv': (cv2.COLOR_YUV2RGB_YUY2, 2)}


def picture_of(message: Any) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB, or (H, W) uint8, uint16 or float32; raise InvalidDataError."""
    if message.__msgtype__ == COMPRESSED:
        return _decompressed(bytes(message.data), message.format)
    encoding = message.encoding
    if encoding in _PLAIN:
        kind, channels = _PLAIN[encoding]
        pixels = _pixels(message, kind, channels)
        order = _TO_RGB.get(encoding)
        return np.ascontiguousarray(pixels[..., order]) if order else pixels
    if encoding in _FROM_RAW:
        code, channels = _FROM_RAW[encoding]
        return cv2.cvtColor(np.ascontiguousarray(_pixels(message, 'u1', channels)), code)
    allowed = ', '.join([*_PLAIN, *_FROM_RAW])
    raise InvalidDataError(f'got encoding {encoding!r}, allowed {allowed}')


def _pixels(message: Any, kind: str, channels: int) -> np.ndarray:
    dtype = np.dtype(kind).newbyteorder('>' if message.is_bigendian else '<')
    row_bytes = message.width * channels * dtype.itemsize
    step = message.step or row_bytes
    if step < row_bytes or len(message.data) < step * message.height:
        raise InvalidDataError(
            f'got {len(message.data)} bytes in steps of {step} for {message.width}x'
            f'{message.height} {message.encoding}, allowed {row_bytes} a row or more')
    rows = message.data[:step * message.height].reshape(message.height, step)[:, :row_bytes]
    pixels = np.ascontiguousarray(rows).view(dtype).astype(dtype.newbyteorder('='), copy=False)
    shape = (message.height, message.width, *([channels] if channels > 1 else []))
    return pixels.reshape(shape)


def _decompressed(data: bytes, text: str) -> np.ndarray:
    if 'compressedDepth' in text:
        data = data[_DEPTH_HEADER:]
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        picture = None
    if picture is None:
        raise InvalidDataError(
            f'got {len(data)} bytes of {text!r} that are no picture, allowed whole JPEG or PNG')
    if picture.ndim == 2:
        return picture
    return np.ascontiguousarray(picture[..., (2, 1, 0)])


def as_colour(picture: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) uint8 of a colour or grey picture."""
    if picture.dtype != np.uint8:
        raise InvalidDataError(f'got a picture of {picture.dtype}, allowed uint8 for a camera')
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)


def as_depth(picture: np.ndarray) -> np.ndarray:
    """Return (H, W) uint16 [mm] or float32 [m]."""
    if picture.ndim != 2 or picture.dtype not in (np.uint16, np.float32):
        raise InvalidDataError(
            f'got a picture of {picture.dtype} {picture.shape}, '
            'allowed (H, W) uint16 [mm] or float32 [m] for depth')
    return picture


class BagImages:
    """The pictures of a topic, read and decoded when they are asked for."""

    def __init__(self, source: Source, store: Typestore, type_name: str, where: str,
                 places: Sequence[Place], form: Callable[[np.ndarray], np.ndarray]) -> None:
        """Take the shape from the first picture; `where` names file and topic in errors."""
        self._source, self._store, self._type_name = source, store, type_name
        self._where, self._places, self._form = where, places, form
        first = self._decode(0, source.read(places[0]))
        self.shape: tuple[int, ...] = (len(places), *first.shape)
        self.dtype: np.dtype = first.dtype

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, rows: slice) -> np.ndarray:
        wanted = range(len(self))[rows]
        out = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        for k, (row, picture) in enumerate(zip(wanted, self._decoded(wanted))):
            if picture.shape != self.shape[1:] or picture.dtype != self.dtype:
                raise InvalidDataError(
                    f'{self._where}: picture {row}: got {picture.dtype} {picture.shape}, '
                    f'allowed {self.dtype} {self.shape[1:]} as the first')
            out[k] = picture
        return out

    def _decoded(self, rows: range) -> Iterator[np.ndarray]:
        messages = (self._source.read(self._places[row]) for row in rows)
        if self._type_name != COMPRESSED:
            yield from map(self._decode, rows, messages)
            return
        # OpenCV decodes without the interpreter's lock; only this thread reads the file. The
        # threads end here: a process that forks later would wait for them for ever.
        with ThreadPoolExecutor(_THREADS) as pool:
            yield from pool.map(self._decode, rows, messages)

    def _decode(self, row: int, data: Data) -> np.ndarray:
        try:
            return self._form(picture_of(decode(self._store, data, self._type_name)))
        except (ValueError, IndexError, TypeError, AttributeError) as error:
            raise InvalidDataError(f'{self._where}: picture {row}: {one_line(error)}') from error
