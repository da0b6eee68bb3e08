"""tf.train.Example as bytes, without TensorFlow: named lists of bytes, floats or integers.

The message, of tensorflow/core/example/{example,feature}.proto, on the wire of Protocol Buffers
(protobuf.dev/programming-guides/encoding): Example.features = 1, Features.feature = 1 (a map:
key = 1, value = 2), Feature.{bytes,float,int64}_list = 1, 2, 3 and value = 1 in each of them.
Long lists stay in a file: a writer puts them into a spool, a reader notes where values lie.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from vla_recorder.rlds import tfrecord

BYTES, FLOAT, INT64 = 1, 2, 3  # numbers of the lists in a Feature
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5  # wire types
_LONGEST = 10  # bytes of a varint
_SHIFTS = np.arange(_LONGEST, dtype=np.uint64) * np.uint64(7)


def varint(value: int) -> bytes:
    """Return a number of 0 or more as a varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def pack_varints(values: np.ndarray) -> bytes:
    """Return int64 `values` (N,) as varints of their two's complement, one after another."""
    raw = np.ascontiguousarray(values, dtype=np.int64).view(np.uint64)[:, None]
    count = 1 + (raw >= (np.uint64(1) << _SHIFTS[1:])).sum(1)[:, None]
    place = np.arange(_LONGEST)
    more = np.where(place < count - 1, np.uint64(0x80), np.uint64(0))
    return ((raw >> _SHIFTS & np.uint64(0x7F)) | more).astype(np.uint8)[place < count].tobytes()


def unpack_varints(data: bytes) -> np.ndarray:
    """Return the int64 values (N,) of varints; raise ValueError for a broken one."""
    raw = np.frombuffer(data, np.uint8)
    if not raw.size:
        return np.empty(0, np.int64)
    ends = np.flatnonzero(raw < 0x80)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if not ends.size or ends[-1] != raw.size - 1 or (ends - starts).max() >= _LONGEST:
        raise ValueError('got a broken varint')
    place = np.arange(raw.size) - np.repeat(starts, ends - starts + 1)
    parts = (raw & 0x7F).astype(np.uint64) << _SHIFTS[place]
    return np.add.reduceat(parts, starts).view(np.int64)


@dataclass(frozen=True)
class List:
    """The encoded values of one feature, in memory or in a file."""

    kind: int  # BYTES, FLOAT or INT64
    length: int  # [bytes]
    pieces: Callable[[], Iterable[bytes]]


def floats(values: np.ndarray) -> List:
    """Return values, rounded to float32, as a list."""
    with np.errstate(over='ignore'):
        return _packed(FLOAT, np.ascontiguousarray(values, dtype='<f4').tobytes())


def integers(values: np.ndarray) -> List:
    """Return numbers of 64 bits or fewer as a list; of uint64 their bits, as TFDS has it."""
    return _packed(INT64, pack_varints(np.asarray(values).reshape(-1)))


def texts(values: Iterable[bytes]) -> List:
    """Return byte strings as a list."""
    data = b''.join(_tagged(value) for value in values)
    return List(BYTES, len(data), lambda: (data,))


def spooled(file: BinaryIO, values: Iterable[bytes]) -> List:
    """Return byte strings as a list that is kept at the end of `file`, which stays open."""
    start = file.seek(0, 2)
    for value in values:
        file.write(_tagged(value))
    length = file.tell() - start
    return List(BYTES, length, lambda: tfrecord.blocks(file, start, length))


def example(lists: Mapping[str, List]) -> tuple[int, Iterator[bytes]]:
    """Return the length [bytes] and the pieces of an Example of these features."""
    heads = []
    for key, values in lists.items():
        feature = bytes([values.kind << 3 | _LENGTH]) + varint(values.length)
        entry = _tagged(key.encode()) + b'\x12' + varint(len(feature) + values.length) + feature
        heads.append(b'\x0a' + varint(len(entry) + values.length) + entry)
    total = sum(map(len, heads)) + sum(values.length for values in lists.values())
    top = b'\x0a' + varint(total)

    def pieces() -> Iterator[bytes]:
        yield top
        for head, values in zip(heads, lists.values()):
            yield head
            yield from values.pieces()

    return len(top) + total, pieces()


@dataclass
class Found:
    """The values of a feature in a file; numbers are read at once, byte strings not."""

    kind: int = 0  # BYTES, FLOAT or INT64; 0: an empty feature
    places: list[tuple[int, int]] = field(default_factory=list)  # byte strings: start, length
    numbers: list[np.ndarray] = field(default_factory=list)

    def values(self) -> np.ndarray:
        """Return the numbers (N,) float32 or int64."""
        empty = np.empty(0, np.float32 if self.kind == FLOAT else np.int64)
        return np.concatenate([empty, *self.numbers])


def parse(file: BinaryIO, start: int, length: int) -> dict[str, Found]:
    """Return the features of the Example at `start` in `file`; raise ValueError if broken.

    What is read twice counts as the last one; unknown fields are passed over.
    """
    found = {}
    for features in _messages(file, 1, (start, length)):
        for entry in _messages(file, 1, features):
            key, feature = '', Found()
            for place in _messages(file, 1, entry):
                key = read(file, place).decode()
            for place in _messages(file, 2, entry):
                feature = _feature(file, place)
            found[key] = feature
    return found


def read(file: BinaryIO, place: tuple[int, int]) -> bytes:
    """Return the byte string at a place."""
    file.seek(place[0])
    return file.read(place[1])


def _packed(kind: int, values: bytes) -> List:
    data = _tagged(values) if values else b''
    return List(kind, len(data), lambda: (data,))


def _tagged(data: bytes) -> bytes:
    """Return `data` as field 1."""
    return b'\x0a' + varint(len(data)) + data


def _messages(
    file: BinaryIO, wanted: int, place: tuple[int, int],
) -> Iterator[tuple[int, int]]:
    """Yield where the fields of one number and of any length lie in the message at a place."""
    for number, wire, start, length in _fields(file, place[0], sum(place)):
        if (number, wire) == (wanted, _LENGTH):
            yield start, length


def _feature(file: BinaryIO, place: tuple[int, int]) -> Found:
    found = Found()
    for kind in (BYTES, FLOAT, INT64):
        for start, length in _messages(file, kind, place):
            found = _list(file, kind, start, length)
    return found


def _list(file: BinaryIO, kind: int, start: int, length: int) -> Found:
    found = Found(kind)
    for number, wire, at, size in _fields(file, start, start + length):
        if number != 1:
            continue
        if kind == BYTES and wire == _LENGTH:
            found.places.append((at, size))
        elif kind == FLOAT and wire in (_LENGTH, _FIXED32):
            found.numbers.append(np.frombuffer(read(file, (at, size)), '<f4'))
        elif kind == INT64 and wire in (_LENGTH, _VARINT):
            found.numbers.append(unpack_varints(read(file, (at, size))))
        else:
            raise ValueError(f'got wire type {wire} in a list of kind {kind}')
    return found


def _fields(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, wire type, and start and length of the payload of each field of a message."""
    while start < end:
        file.seek(start)
        head = file.read(min(2 * _LONGEST, end - start))
        tag, used = _varint_of(head, 0)
        wire = tag & 7
        after = used
        if wire == _LENGTH:
            size, after = _varint_of(head, used)
        elif wire == _VARINT:
            size = _varint_of(head, used)[1] - used
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f'got wire type {wire}, allowed 0, 1, 2, 5')
        if start + after + size > end:
            raise ValueError(f'got a field of {size} bytes that leaves its message')
        yield tag >> 3, wire, start + after, size
        start += after + size


def _varint_of(data: bytes, at: int) -> tuple[int, int]:
    """Return the varint at `at` and where the next byte is."""
    value = 0
    for place, byte in enumerate(data[at:at + _LONGEST]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError('got a broken varint')
