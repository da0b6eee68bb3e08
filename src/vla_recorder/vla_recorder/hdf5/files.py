"""HDF5 files open for reading, and rows of their datasets that are read when asked for.

Nothing in a file is trusted: what is read lies in that file behind hard links alone, not in
another file that a soft link, an external link, a virtual dataset or external storage names.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
import json
from pathlib import Path
from threading import Lock

import h5py
import numpy as np
from vla_core.episode import Stream
from vla_core.errors import InvalidDataError
from vla_core.lazy import Values
from vla_recorder.hdf5.streams import CHECKSUMS, crc, crc_of, LAST_AXIS, STAMPS, STREAM
from vla_recorder.table import is_picture

_OPEN = 16  # files at a time: a data set has more than a process may open
_BROKEN = (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError, MemoryError)


class OpenFiles:
    """Files opened when they are asked for; those not used for long are closed meanwhile."""

    def __init__(self) -> None:
        self._files: OrderedDict[Path, h5py.File] = OrderedDict()
        self._lock = Lock()
        self._closed = False

    @contextmanager
    def opened(self, path: Path) -> Iterator[h5py.File]:
        """Yield the file for this thread alone; whatever is wrong with it names the file."""
        with self._lock, named(path):
            if self._closed:
                raise InvalidDataError(f'{path}: its reader is closed, allowed an open one')
            if path not in self._files:
                self._files[path] = h5py.File(path, 'r')
            self._files.move_to_end(path)
            while len(self._files) > _OPEN:
                self._files.popitem(last=False)[1].close()
            yield self._files[path]

    def close(self) -> None:
        """Close all files for good."""
        with self._lock:
            self._closed = True
            while self._files:
                self._files.popitem()[1].close()


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn what h5py raises within into one line that names the file."""
    try:
        yield
    except InvalidDataError:
        raise
    except _BROKEN as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidDataError(
            f'{path}: not a readable episode ({reason}), allowed a whole HDF5 file') from error


@dataclass(frozen=True, eq=False)
class FileRows:
    """The values of a dataset, read when rows are asked for."""

    files: OpenFiles
    path: Path
    place: str
    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        with self.files.opened(self.path) as file:
            values = file[self.place][rows]
        return values.reshape(len(values), *self.shape[1:])


def member(group: h5py.Group, place: str, kind: type = h5py.Dataset) -> h5py.Group | h5py.Dataset:
    """Return what is at `place` in a group of its own file; raise InvalidDataError."""
    if not str(place).isprintable():
        raise InvalidDataError(f'{group.file.filename}: got member {place!r}, allowed plain text')
    for part in str(place).split('/'):
        where = f'{group.file.filename}: {group.name.rstrip("/")}/{part}'
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) and part else None
        if link is None:
            raise InvalidDataError(f'{where}: got nothing, allowed a {kind.__name__.lower()}')
        if not isinstance(link, h5py.HardLink):
            raise InvalidDataError(
                f'{where}: got a {type(link).__name__}, allowed only what is in the file itself')
        group = group[part]
    if not isinstance(group, kind):
        raise InvalidDataError(f'{where}: got another kind, allowed a {kind.__name__.lower()}')
    return group


def plain(data: h5py.Dataset) -> h5py.Dataset:
    """Return `data` if it holds numbers in its own file, else raise InvalidDataError."""
    if data.dtype.kind not in 'biuf':
        raise InvalidDataError(
            f'{data.file.filename}: {data.name}: got {data.dtype} values, allowed numbers')
    return in_file(data)


def in_file(data: h5py.Dataset) -> h5py.Dataset:
    """Return `data` if it has rows and they are in its own file, else raise InvalidDataError."""
    where = f'{data.file.filename}: {data.name}'
    if not data.shape:
        raise InvalidDataError(f'{where}: got shape {data.shape}, allowed (N, ...)')
    if data.is_virtual or data.external:
        raise InvalidDataError(f'{where}: got values of another file, allowed its own alone')
    if data.size and not data.id.get_storage_size():
        raise InvalidDataError(f'{where}: got no values of {data.shape}, allowed all of them')
    return data


def has(group: h5py.Group, name: str) -> bool:
    """Say whether a group has a member, without looking where a link leads."""
    return group.get(name, getlink=True) is not None


def find_streams(root: h5py.Group) -> dict[str, h5py.Dataset]:
    """Return the datasets below `root` that hold streams, by the streams' names."""
    found: dict[str, h5py.Dataset] = {}

    def visit(_: str, item: h5py.Group | h5py.Dataset) -> None:
        name = item.attrs.get(STREAM) if isinstance(item, h5py.Dataset) else None
        if name is not None:
            if not isinstance(name, str) or name in found or not item.name.isprintable():
                raise InvalidDataError(
                    f'{root.file.filename}: {item.name!r}: got stream {name!r}, '
                    'allowed a name in plain text, once')
            found[name] = item

    root.visititems(visit)  # follows hard links alone
    return found


def load_streams(
    root: h5py.Group,
    names: Collection[str] | None = None,
    unpack: Callable[[str, h5py.Dataset], Values] | None = None,
) -> dict[str, Stream]:
    """Return the streams below `root`, or those named; raise InvalidDataError.

    `unpack` returns the values of a picture stream's dataset; without it they are read at once.
    Numbers are held against their checksum.
    """
    found, checksums = find_streams(root), _checksums(root)
    stamps: dict[str, np.ndarray] = {}
    streams = {}
    for name in found if names is None else names:
        if name not in found:
            raise InvalidDataError(
                f'{root.file.filename}: got no stream {name!r}, '
                f'allowed {", ".join(sorted(found))}')
        data = found[name]
        place = data.attrs[STAMPS]
        if place not in stamps:
            stamps[place] = plain(member(root, place))[()]
        if unpack and is_picture(name):
            values = unpack(name, data)
        else:
            values = plain(data)[()].reshape(_shape(data))
        streams[name] = _stream(data, stamps[place], values)
        if not is_picture(name):
            _compare(data, name, checksums, crc(values))
    return streams


def verify_streams(root: h5py.Group) -> None:
    """Hold every stream against its checksum; InvalidDataError names the first that differs."""
    checksums = _checksums(root)
    for name, data in find_streams(root).items():
        _compare(data, name, checksums, crc_of(plain(data)))


def lazy_rows(files: OpenFiles, path: Path) -> Callable[[str, h5py.Dataset], Values]:
    """Return an `unpack` for `load_streams` that leaves the values in the file."""
    def unpack(name: str, data: h5py.Dataset) -> FileRows:
        del name
        return FileRows(files, path, plain(data).name, _shape(data), data.dtype)

    return unpack


def _checksums(root: h5py.Group) -> dict[str, int]:
    """Return stream -> CRC-32C; empty for files that keep none."""
    found = json.loads(root.attrs.get(CHECKSUMS, '{}'))
    if not isinstance(found, dict):
        raise InvalidDataError(f'{root.file.filename}: got no checksums, allowed {CHECKSUMS}')
    return found


def _compare(data: h5py.Dataset, name: str, checksums: Mapping[str, int], got: int) -> None:
    allowed = checksums.get(name, got)
    if got != allowed:
        raise InvalidDataError(
            f'{data.file.filename}: stream {name!r}: got CRC-32C {got:08x}, '
            f'allowed {allowed:08x}: the file has changed since it was written')


def _shape(data: h5py.Dataset) -> tuple[int, ...]:
    cut = data.shape[-1] == 1 and data.attrs.get(LAST_AXIS, False)
    return data.shape[:-1] if cut else data.shape


def _stream(data: h5py.Dataset, stamps_ns: np.ndarray, values: Values) -> Stream:
    try:
        return Stream(stamps_ns, values)
    except InvalidDataError as error:
        raise InvalidDataError(
            f'{data.file.filename}: {data.attrs[STREAM]}: {error}') from error
