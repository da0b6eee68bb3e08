"""Streams in a group of an HDF5 file, and frames of them for libraries that know one rate.

Every stream is one dataset that says in its attributes which stream it is and where its stamps
are; streams of the same stamps share them, and the group keeps the CRC-32C of each. A frame of a
stream with other stamps is a view: numbers are brought to the frames' instants and written
again, pictures are an HDF5 virtual dataset, which names rows of the stream and copies none.

Compressed pictures are chunks of one frame, shuffled and deflated (gzip 1): 5 to 11 % of the size
of rendered pictures, 61 % of noisy ones. LZF took a fifth to a half more; PNG a fifth less of
large pictures, but no library of others would read it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
import json

import crc32c
import h5py
import numpy as np
from vla_core.episode import Episode, Stream
from vla_core.lazy import blocks, is_lazy, LazyArray
from vla_core.spec import StreamSpec
from vla_recorder.table import is_picture, Table, tabulate

STREAM, STAMPS = 'stream', 'stamps'  # attributes of a stream's dataset: name, place
LAST_AXIS = 'last_axis'  # of some: the stream lacks the axis of length 1 at the dataset's end
CHECKSUMS = 'crc32c'  # attribute of the group: JSON of stream -> CRC-32C of its bytes
Pack = Callable[[h5py.Group, str, str, Stream], h5py.Dataset | None]
_DEFLATED = {'compression': 'gzip', 'compression_opts': 1, 'shuffle': True}


class StreamGroup:
    """Writes streams into a group; of lazy values never more than a block in memory."""

    def __init__(
        self, group: h5py.Group, compress: bool = False, stamps: str = 'stamps_ns',
        pack: Pack | None = None,
    ) -> None:
        """Keep stamps below the place `stamps`; `pack` may write streams in a way of its own."""
        self._group = group
        self._compress = compress
        self._below = stamps
        self._pack = pack
        self._stamps: dict[bytes, str] = {}  # content -> place
        self._taken: set[str] = set()
        self._checksums: dict[str, int] = {}

    def free(self, place: str) -> str:
        """Return `place`, or one like it that was not returned before."""
        while place in self._taken:
            place += '_'
        self._taken.add(place)
        return place

    def save(
        self, place: str, name: str, stream: Stream, last_axis: bool = False
    ) -> h5py.Dataset:
        """Write a stream at `place`; with `last_axis` an axis of length 1 is added."""
        packed = self._pack(self._group, place, name, stream) if self._pack else None
        if packed is not None:
            self._checksums[name] = crc_of(packed)
            self.mark(packed, name, stream.stamps_ns)
            return packed
        shape = (*stream.values.shape, 1) if last_axis else stream.values.shape
        chunked = self._compress and is_picture(name) and 0 not in shape
        packing = {'chunks': (1, *shape[1:]), **_DEFLATED} if chunked else {}
        if is_lazy(stream.values):
            data = self._group.create_dataset(place, shape, stream.values.dtype, **packing)
            self._checksums[name] = _copy(stream.values, data)
        else:
            values = np.ascontiguousarray(stream.values).reshape(shape)
            data = self._group.create_dataset(place, data=values, **packing)
            self._checksums[name] = crc(values)
        self.mark(data, name, stream.stamps_ns)
        if last_axis:
            data.attrs[LAST_AXIS] = True
        return data

    def show(
        self, place: str, raw: str, name: str, stream: Stream, frames: Table | None,
        last_axis: bool = False,
    ) -> None:
        """Write a stream at `place`; with other stamps than the frames' at `raw`, shown there."""
        if frames is not None and np.array_equal(frames.stamps_ns, stream.stamps_ns):
            self.save(self.free(place), name, stream, last_axis)
            return
        source = self.save(self.free(raw), name, stream, last_axis)
        if frames is None or name not in frames.columns or place == raw:
            return
        rows = frames.columns[name]
        if is_picture(name):
            save_view(self._group, self.free(place), source, rows)
        else:
            self._group[self.free(place)] = rows.reshape(len(rows), *source.shape[1:])

    def finish(self) -> None:
        """Write the checksums."""
        self._group.attrs[CHECKSUMS] = json.dumps(self._checksums)

    def mark(self, data: h5py.Dataset, name: str, stamps_ns: np.ndarray) -> None:
        """Say of which stream a dataset holds the values, and when they were."""
        data.attrs[STREAM] = name
        data.attrs[STAMPS] = self._place_of(stamps_ns)

    def _place_of(self, stamps_ns: np.ndarray) -> str:
        content = stamps_ns.tobytes()
        if content not in self._stamps:
            place = f'{self._below}/{len(self._stamps)}'
            self._group.create_dataset(place, data=stamps_ns)
            self._stamps[content] = place
        return self._stamps[content]


def frames_of(episode: Episode, rules: Mapping[str, StreamSpec] | None) -> Table:
    """Return the episode's frames, pictures as their row numbers; see `tabulate`."""
    streams = {
        name: Stream(stream.stamps_ns, np.arange(len(stream))) if is_picture(name) else stream
        for name, stream in episode.streams.items()}
    return tabulate(replace(episode, streams=streams), rules)


def save_view(group: h5py.Group, place: str, source: h5py.Dataset, rows: np.ndarray) -> None:
    """Make the dataset `place` show the rows (N,) of another dataset of the file."""
    layout = h5py.VirtualLayout((len(rows), *source.shape[1:]), source.dtype)
    values = h5py.VirtualSource('.', source.name, source.shape, source.dtype)
    starts = np.flatnonzero(np.diff(rows, prepend=rows[:1] - 2) != 1)
    for start, end in zip(starts, np.append(starts[1:], len(rows))):
        layout[start:end] = values[rows[start]:rows[start] + end - start]
    group.create_virtual_dataset(place, layout)


def crc(values: np.ndarray, before: int = 0) -> int:
    """Return the CRC-32C of the bytes of `values`, after those of which it was `before`."""
    return crc32c.crc32c(np.ascontiguousarray(values).reshape(-1).view(np.uint8), before)


def crc_of(data: h5py.Dataset) -> int:
    """Return the CRC-32C of a dataset as it lies in the file."""
    checksum = 0
    for block in blocks(data):
        checksum = crc(block, checksum)
    return checksum


def _copy(values: LazyArray, data: h5py.Dataset) -> int:
    """Fill a dataset block by block; return the checksum."""
    checksum = start = 0
    for block in blocks(values):
        checksum = crc(block, checksum)
        data[start:start + len(block)] = block.reshape(len(block), *data.shape[1:])
        start += len(block)
    return checksum
