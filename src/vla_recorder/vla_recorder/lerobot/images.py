"""Pictures kept losslessly in the rows of a Parquet file, as LeRobot's `image` features are.

uint8 and uint16 become PNG, float32 TIFF: what LeRobot itself uses, and what Pillow reads.
"""

from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from vla_core.errors import InvalidDataError

ARROW_TYPE = pa.struct({'bytes': pa.binary(), 'path': pa.string()})
_PNG = ('.png', [cv2.IMWRITE_PNG_COMPRESSION, 1])
_LZW = ('.tiff', [cv2.IMWRITE_TIFF_COMPRESSION, 5])  # four times as fast as deflate


def can_hold(dtype: np.dtype, shape: tuple[int, ...]) -> bool:
    """Say whether frames of this type and shape (H, W) or (H, W, 3) can be kept as pictures."""
    if not all(shape):
        return False
    if len(shape) == 2:
        return dtype in (np.uint8, np.uint16, np.float32)
    return len(shape) == 3 and shape[2] == 3 and dtype in (np.uint8, np.uint16)


def encode(frame: np.ndarray) -> bytes:
    """Return a frame (H, W) or (H, W, 3) RGB as a PNG or TIFF file."""
    suffix, options = _LZW if frame.dtype.kind == 'f' else _PNG
    frame = np.ascontiguousarray(frame[..., ::-1] if frame.ndim == 3 else frame)
    return cv2.imencode(suffix, frame, options)[1].tobytes()


def decode(content: bytes) -> np.ndarray:
    """Return the frame (H, W) or (H, W, 3) RGB of a picture file; ValueError for another."""
    frame = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if frame is None:
        raise ValueError('not a picture')
    return frame[..., 2::-1] if frame.ndim == 3 else frame


def to_arrow(frames: np.ndarray) -> pa.Array:
    """Return frames (N, ...) as a column of picture files."""
    return pa.array([{'bytes': encode(frame), 'path': None} for frame in frames], ARROW_TYPE)


class ImageColumn:
    """Rows of a column of picture files, decoded when they are asked for (lazy array)."""

    def __init__(
        self, path: Path, column: str, first: int, shape: tuple[int, ...],
        dtype: np.dtype | None = None,
    ) -> None:
        """Read rows `first` to `first + shape[0]`; without a `dtype` it is that of row one."""
        self.shape = shape
        self._path, self._column, self._first = Path(path), column, first
        self._file: pq.ParquetFile | None = None
        self._starts = np.zeros(1, np.int64)  # first row of each row group, and the end
        self._group: tuple[int, pa.Array] | None = None  # the one read last
        self.dtype = dtype or self._decoded(first).dtype
        self._decoded(first)  # what is unreadable or of another shape is found out now

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, step = rows.indices(len(self))
        wanted = range(self._first + start, self._first + stop, step)
        out = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        for k, row in enumerate(wanted):
            out[k] = self._decoded(row)
        return out

    def close(self) -> None:
        """Close the file; it opens again when it is asked for more."""
        if self._file is not None:
            self._file.close()
        self._file = self._group = None

    def _decoded(self, row: int) -> np.ndarray:
        try:
            content = self._content(row)
            if not content:
                raise ValueError('it is not in the file')
            frame = decode(content)
        except (OSError, ValueError, KeyError, pa.ArrowException, cv2.error) as error:
            self.close()
            reason = str(error).strip().splitlines()[0] if str(error) else type(error).__name__
            raise InvalidDataError(
                f'{self._path}: not a readable picture {self._column} '
                f'in row {row} ({reason})') from error
        if frame.shape != self.shape[1:] or frame.dtype != getattr(self, 'dtype', frame.dtype):
            raise InvalidDataError(
                f'{self._path}: got a picture {self._column} of {frame.dtype} {frame.shape} '
                f'in row {row}, allowed {self.shape[1:]}')
        return frame

    def _content(self, row: int) -> bytes | None:
        if self._file is None:
            self._file = pq.ParquetFile(self._path)
            meta = self._file.metadata
            sizes = [meta.row_group(k).num_rows for k in range(meta.num_row_groups)]
            self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        group = int(np.searchsorted(self._starts, row, side='right')) - 1
        if self._group is None or self._group[0] != group:
            self._group = None
            table = self._file.read_row_group(group, columns=[f'{self._column}.bytes'])
            self._group = group, table.column(0).combine_chunks()
        return self._group[1][row - int(self._starts[group])].as_py().get('bytes')
