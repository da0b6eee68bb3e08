"""Pictures of an HDF5 file as JPEG: one row of bytes a frame, padded with zeros.

The pictures are true-colour JPEG files, as openpi's converter reads them; ACT++ encodes and
decodes without regard to the order of the channels, so its pictures come out red for blue.
At quality 95 and full colour resolution a value is off by 1 to 1.5 of 255 in the mean and by 30
at the most: 16 % of the size at 96 px, 8 % of noisy 640 x 480 (deflated: 61 %). Small rendered
pictures are better kept losslessly: `vla_recorder.hdf5.codec` takes 6 % for them.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np
from vla_core.episode import IMAGE_PREFIX, Stream
from vla_core.errors import InvalidDataError
from vla_core.lazy import blocks
from vla_recorder.hdf5.files import OpenFiles

# Quality: ALOHA's own is 50. Half the colour resolution, OpenCV's choice, is off by up to 140.
_ENCODING = (cv2.IMWRITE_JPEG_QUALITY, 95,
             cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
SHAPE = 'jpeg'  # attribute: the shape of one picture
_ROOM = 1.25  # how much longer than the first picture one may be before it takes two chunks


def pack_jpeg(group: h5py.Group, place: str, name: str, stream: Stream) -> h5py.Dataset | None:
    """Write a camera's pictures (N, H, W, 3) at `place`; return None for other streams."""
    shape = stream.values.shape
    fits = len(shape) == 4 and shape[3] == 3 and 0 not in shape and stream.values.dtype == np.uint8
    if not name.startswith(IMAGE_PREFIX) or not fits:
        return None
    data, row = None, 0
    for block in blocks(stream.values):
        for picture in block:
            encoded = _encode(picture)
            if data is None:
                data = group.create_dataset(
                    place, (shape[0], len(encoded)), np.uint8, maxshape=(shape[0], None),
                    chunks=(1, int(_ROOM * len(encoded))))
            if len(encoded) > data.shape[1]:
                data.resize(len(encoded), axis=1)
            data[row, :len(encoded)] = encoded
            row += 1
    data.attrs[SHAPE] = shape[1:]
    return data


def lengths(data: h5py.Dataset) -> np.ndarray:
    """Return how many bytes (N,) of each row are its picture: it ends in 0xD9."""
    found = [data.shape[1] - np.argmax(block[:, ::-1] != 0, axis=1) for block in blocks(data)]
    return np.concatenate(found)


@dataclass(frozen=True, eq=False)
class JpegRows:
    """The pictures of a dataset of JPEG, decoded when they are asked for."""

    files: OpenFiles
    path: Path
    place: str
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        with self.files.opened(self.path) as file:
            encoded = file[self.place][rows]
        pictures = np.empty((len(encoded), *self.shape[1:]), np.uint8)
        for number, row in enumerate(encoded):
            picture = decode(row)
            if picture is None or picture.shape != self.shape[1:]:
                raise InvalidDataError(
                    f'{self.path}: {self.place}: got no JPEG of {self.shape[1:]} in row '
                    f'{rows.indices(len(self))[0] + number}, allowed one in every row')
            pictures[number] = picture
        return pictures


def decode(encoded: np.ndarray) -> np.ndarray | None:
    """Return the picture (H, W, 3) in a row of bytes; None where there is none."""
    try:
        picture = cv2.imdecode(np.asarray(encoded, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def jpeg_rows(files: OpenFiles, path: Path, data: h5py.Dataset) -> JpegRows:
    """Return the pictures of a dataset; the first one tells their size."""
    first = decode(data[0]) if len(data) else None
    if first is None:
        raise InvalidDataError(
            f'{path}: {data.name}: got no JPEG in its first row, allowed pictures')
    return JpegRows(files, path, data.name, (len(data), *first.shape))


def _encode(picture: np.ndarray) -> np.ndarray:
    ok, encoded = cv2.imencode('.jpg', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), _ENCODING)
    assert ok, 'OpenCV encodes any picture of bytes'
    return encoded.reshape(-1)


