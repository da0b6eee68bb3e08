"""The TFRecord framing: records of bytes, each with a checksum of its length and of its data.

A record is its length (uint64), the masked CRC-32C of these 8 bytes (uint32), the data and the
masked CRC-32C of the data, all little-endian (tensorflow.org/tutorials/load_data/tfrecord).
Data may be larger than the memory: it is written, checked and read in blocks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
import struct
from typing import BinaryIO

from crc32c import crc32c
from vla_core.errors import InvalidDataError

BLOCK = 1 << 20  # bytes read at a time
_HEAD = struct.Struct('<QI')
_TAIL = struct.Struct('<I')
FRAME = _HEAD.size + _TAIL.size  # bytes of a record beside its data


@dataclass(frozen=True)
class Record:
    """Where the data of one record lies."""

    path: Path
    start: int  # of the data [bytes]
    length: int  # of the data [bytes]


def mask(crc: int) -> int:
    """Return the masked form of a CRC-32C, as a file of TFRecords keeps it."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def write_record(file: BinaryIO, length: int, data: Iterable[bytes]) -> None:
    """Append a record of `length` bytes that come in pieces."""
    head = struct.pack('<Q', length)
    file.write(head + _TAIL.pack(mask(crc32c(head))))
    crc = written = 0
    for piece in data:
        crc = crc32c(piece, crc)
        written += file.write(piece)
    if written != length:
        raise ValueError(f'record: got {written} bytes, allowed the {length} announced')
    file.write(_TAIL.pack(mask(crc)))


def records(path: Path) -> Iterator[Record]:
    """Yield the records of a file without reading their data.

    Raise InvalidDataError where the file ends within a record or a length is corrupt; the
    records before it have been yielded by then.
    """
    size = path.stat().st_size
    with path.open('rb') as file:
        position = number = 0
        while position < size:
            head = file.read(_HEAD.size)
            if len(head) == _HEAD.size:
                length, crc = _HEAD.unpack(head)
                if mask(crc32c(head[:8])) != crc:
                    raise InvalidDataError(
                        f'{path}: record {number}: got a length with a wrong checksum, '
                        'allowed an undamaged file')
            if len(head) < _HEAD.size or position + length + FRAME > size:
                raise InvalidDataError(
                    f'{path}: record {number}: got a file that ends within it at byte {size}, '
                    'allowed a whole record')
            yield Record(path, position + _HEAD.size, length)
            position += length + FRAME
            number += 1
            file.seek(position)


def check(record: Record) -> None:
    """Raise InvalidDataError unless the data of `record` has its checksum."""
    with record.path.open('rb') as file:
        crc = 0
        for piece in blocks(file, record.start, record.length):
            crc = crc32c(piece, crc)
        wanted = file.read(_TAIL.size)
    if wanted != _TAIL.pack(mask(crc)):
        raise InvalidDataError(
            f'{record.path}: got data with a wrong checksum at byte {record.start}, '
            'allowed an undamaged file')


def blocks(file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    """Yield `length` bytes of a file from `start` on, a block at a time."""
    file.seek(start)
    while length:
        piece = file.read(min(BLOCK, length))
        if not piece:
            raise ValueError(f'got the end of the file with {length} bytes to come')
        yield piece
        length -= len(piece)
