"""Arrays that stay in their file until a piece of them is asked for.

Images of a long episode do not fit into memory. A `LazyArray` offers the little that codecs
need of an array: shape, dtype and rows by slice; `h5py.Dataset` is one as it is. Code that
takes either goes through `blocks`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

BLOCK = 32  # rows read at a time
SKIP = 4  # rows read for nothing between two wanted ones, rather than beginning a new read


@runtime_checkable
class LazyArray(Protocol):
    """Rows read when they are asked for; the file must stay open meanwhile."""

    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int:
        """Return the number of rows."""

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return the rows of a slice of step 1."""


Values = np.ndarray | LazyArray


def is_lazy(values: object) -> bool:
    """Say whether `values` are still in their file."""
    return isinstance(values, LazyArray) and not isinstance(values, np.ndarray | np.generic)


def blocks(values: Values, rows: int = BLOCK) -> Iterator[np.ndarray]:
    """Yield `values` in order, at most `rows` rows at a time."""
    for start in range(0, len(values), rows):
        yield values[start:start + rows]


def take(values: Values, indices: np.ndarray) -> Values:
    """Return `values[indices]`; of lazy values lazily. `indices` (M,) must not fall."""
    if not is_lazy(values):
        return values[indices]
    if np.array_equal(indices, np.arange(len(values))):
        return values
    return Gathered(values, np.asarray(indices))


@dataclass(frozen=True, eq=False)
class Gathered:
    """Rows `indices` of other lazy values."""

    values: LazyArray
    indices: np.ndarray  # (M,) int64, not falling

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape with the number of indices first."""
        return (len(self.indices), *self.values.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return self.values.dtype

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, rows: slice) -> np.ndarray:
        wanted = self.indices[rows]
        if not len(wanted):
            return np.empty((0, *self.shape[1:]), self.dtype)
        parts = np.split(wanted, np.flatnonzero(np.diff(wanted) > SKIP) + 1)
        read = [self.values[int(part[0]):int(part[-1]) + 1][part - part[0]] for part in parts]
        return read[0] if len(read) == 1 else np.concatenate(read)
