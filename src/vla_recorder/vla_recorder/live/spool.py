"""A stream of numbers on the disk while it is recorded: memory does not grow with it."""

from pathlib import Path
import struct

import numpy as np
from vla_core.episode import Stream
from vla_core.errors import InvalidDataError

_STAMP = struct.Struct('<q')


class Spool:
    """Values of one shape and dtype, appended to a file that nobody else reads."""

    def __init__(self, path: Path, first: np.ndarray) -> None:
        """Take shape and dtype from the first value, which is not added."""
        self._row = np.dtype([('stamp', '<i8'), ('value', first.dtype, first.shape)])
        self.first_ns: int | None = None
        self._path, self._newest_ns = path, None
        self._file = path.open('wb', buffering=1 << 18)

    def add(self, stamp_ns: int, value: np.ndarray) -> None:
        """Append a value; one that is not newer than the last is left out."""
        shape, dtype = self._row['value'].shape, self._row['value'].base
        if value.shape != shape or value.dtype != dtype:
            raise InvalidDataError(
                f'{self._path.name}: got {value.dtype} {value.shape}, '
                f'allowed {dtype} {shape} as the first')
        if self._newest_ns is None or stamp_ns > self._newest_ns:
            self._newest_ns = stamp_ns
            if self.first_ns is None:
                self.first_ns = stamp_ns
            self._file.write(_STAMP.pack(stamp_ns))
            self._file.write(np.ascontiguousarray(value).data)

    def stream(self) -> Stream:
        """Return all of it, still on the disk; nothing can be added any more."""
        self._file.close()
        rows = np.memmap(self._path, self._row, 'r')
        return Stream(np.array(rows['stamp']), rows['value'])

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()
