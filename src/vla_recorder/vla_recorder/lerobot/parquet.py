"""Parquet files, read so that what is wrong with one names it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from vla_core.errors import InvalidDataError


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; InvalidDataError names a missing, truncated or corrupt one."""
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        raise InvalidDataError(
            f'{path}: not a readable Parquet file ({one_line(error)})') from error


def read_table(path: Path) -> pa.Table:
    """Return a whole Parquet file."""
    with open_parquet(path) as file:
        return file.read()


def one_line(error: Exception) -> str:
    """Return the first line of what an error says."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
