"""What one process keeps open to read pictures at random: files, decoders, episodes.

Nothing of it crosses to another process: a copy made by fork or pickle begins empty and opens
its own files when it needs them.
"""

from collections import OrderedDict
from collections.abc import Callable
import os
from pathlib import Path
from typing import Any, Generic, TypeVar

from vla_core.episode import EpisodeReader
from vla_core.errors import InvalidDataError
from vla_recorder.formats import open_dataset
from vla_recorder.loader.video import Decoder
from vla_recorder.table import Table, tabulate

FILES = 256  # kept open; well below the usual limit of 1024 a process
DECODERS = 8  # one a kind of video, not one a file
TABLES = 32  # episodes of formats without a fast way

Kept = TypeVar('Kept')


class FrameCache:
    """Open files, decoders and episodes, the ones not used for longest closed first."""

    def __init__(self) -> None:
        self._begin()

    def __getstate__(self) -> dict:
        return {}

    def __setstate__(self, state: dict) -> None:
        self._begin()

    def close(self) -> None:
        """Close everything; it opens again when it is needed."""
        if self._process == os.getpid():
            for kept in (self._files, self._decoders, self._tables, self._readers):
                kept.clear()
        self._begin()

    def read_into(self, out: memoryview, path: str, offset: int) -> None:
        """Fill `out` with the bytes of a file from `offset` on."""
        self._check_process()
        try:
            got = os.preadv(self._files.get(path, _open), [out], offset)
        except OSError as error:
            raise InvalidDataError(f'{path}: not a readable file ({error.strerror})') from error
        if got != out.nbytes:
            raise InvalidDataError(
                f'{path}: got {got} bytes at {offset}, allowed {out.nbytes}; the file is cut off')

    def decoder(self, codec: str, extradata: bytes) -> Decoder:
        """Return the decoder of all videos that were encoded alike."""
        self._check_process()
        return self._decoders.get((codec, extradata), lambda key: Decoder(*key))

    def table(self, path: Path, index: int) -> Table:
        """Return an episode of any format as a table of frames; its pictures may be lazy."""
        self._check_process()
        return self._tables.get((path, index), self._read_table)

    def _read_table(self, place: tuple[Path, int]) -> Table:
        path, index = place
        return tabulate(self._readers.get(path, open_dataset).read(index))

    def _begin(self) -> None:
        self._process = os.getpid()
        self._files: _Recent[int] = _Recent(FILES, os.close)
        self._decoders: _Recent[Decoder] = _Recent(DECODERS)
        self._tables: _Recent[Table] = _Recent(TABLES)
        self._readers: _Recent[EpisodeReader] = _Recent(FILES, lambda reader: reader.close())

    def _check_process(self) -> None:
        """Begin anew after a fork: the parent's files and decoders are the parent's."""
        if self._process != os.getpid():
            for path in list(self._files.kept):
                os.close(self._files.kept.pop(path))
            self._begin()


class _Recent(Generic[Kept]):
    """The values asked for lately."""

    def __init__(self, most: int, close: Callable[[Any], None] = lambda value: None) -> None:
        self.kept: OrderedDict[Any, Kept] = OrderedDict()
        self._most, self._close = most, close

    def get(self, key: object, make: Callable[[Any], Kept]) -> Kept:
        """Return the value of `key`, made now if it is not there."""
        if key in self.kept:
            self.kept.move_to_end(key)
            return self.kept[key]
        value = make(key)
        self.kept[key] = value
        if len(self.kept) > self._most:
            self._close(self.kept.popitem(last=False)[1])
        return value

    def clear(self) -> None:
        """Close all values."""
        while self.kept:
            self._close(self.kept.popitem()[1])


def _open(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
