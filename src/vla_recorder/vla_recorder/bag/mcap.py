"""Reading an MCAP file, also one that was cut: up to its last whole chunk."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from io import BytesIO
import os
from pathlib import Path
import struct
import zlib

import lz4.frame
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Schema
from vla_core.errors import InvalidDataError
from vla_recorder.bag.file import MAGIC
from vla_recorder.bag.source import Data, Message, one_line, Place, Topic
import zstandard

LARGEST = 1 << 30  # bytes of a record or chunk that are believed
_RECORD = struct.Struct('<BQ')  # opcode, length
_MESSAGE = struct.Struct('<HIQQ')  # channel, sequence, log and publish time
_CHUNK = struct.Struct('<QQQII')  # first and last time, size, CRC, length of the compression
_BROKEN = (struct.error, McapError, UnicodeDecodeError, ValueError, IndexError, MemoryError,
           zstandard.ZstdError, RuntimeError)


@dataclass(frozen=True)
class Chunk:
    """A chunk of the file, not yet read."""

    start: int  # of its record in the file
    end: int
    compression: str
    data_start: int
    size: int  # uncompressed [bytes]
    crc: int  # 0: none


class McapSource:
    """The messages of one MCAP file in the order in which they were written.

    A place is (chunk, offset, length) within the uncompressed chunk, or (-1, offset, length)
    within the file for a message outside of chunks.
    """

    def __init__(self, path: Path, shown: Path | None = None) -> None:
        """Open a file; `shown` is its path for people, where it was unpacked elsewhere."""
        self._file = -1
        self.path = Path(shown or path)
        self.problems: list[str] = []
        self.schemas: dict[int, Schema] = {}
        self.channels: dict[int, Channel] = {}
        self.whole = False  # whether the file was finished
        self._items: list[Chunk | tuple[int, int, int]] = []  # chunks; messages outside of them
        self._cached: tuple[int, bytes] = (-1, b'')
        self._file = os.open(path, os.O_RDONLY)
        try:
            self._size = os.fstat(self._file).st_size
            if os.pread(self._file, 8, 0) != MAGIC:
                raise InvalidDataError(f'{self.path}: not an MCAP file')
            self.end = self._walk()
            if not self.whole:
                self._define_from_chunks()
        except BaseException:
            self.close()
            raise
        self.topics = {topic.name: topic for topic in map(self._topic, self.channels.values())}

    @property
    def chunks(self) -> list[Chunk]:
        """All chunks, in order."""
        return [item for item in self._items if isinstance(item, Chunk)]

    def messages(
        self, topics: Collection[str], heads: Collection[str] = (),
    ) -> Iterator[Message]:
        """Yield the messages of `topics`; a chunk that is corrupt is left out and told of."""
        del heads  # a chunk is read as a whole anyway
        wanted = {number: channel.topic for number, channel in self.channels.items()
                  if channel.topic in topics}
        for number, item in enumerate(self._items):
            if not isinstance(item, Chunk):
                yield from self._outside(item, wanted)
                continue
            try:
                data = self.unpacked(item)
                found = list(walk_messages(data, wanted))
            except _BROKEN as error:
                self._tell(f'{self.path}: chunk at byte {item.start} left out ({one_line(error)})')
                continue
            view = memoryview(data)
            for channel, log_ns, offset, length in found:
                yield Message(wanted[channel], log_ns, (number, offset, length),
                              view[offset:offset + length])

    def read(self, place: Place) -> Data:
        """Return one message again."""
        number, offset, length = place
        if number < 0:
            return self._bytes(offset, length)
        chunk = self._items[number]
        if not chunk.compression:
            return self._bytes(chunk.data_start + offset, length)
        if self._cached[0] != number:
            try:
                self._cached = (number, self.unpacked(chunk))
            except _BROKEN as error:
                raise InvalidDataError(
                    f'{self.path}: chunk at byte {chunk.start}: {one_line(error)}') from error
        return memoryview(self._cached[1])[offset:offset + length]

    def verify(self, chunk: Chunk) -> None:
        """Raise InvalidDataError for a chunk that is corrupt."""
        try:
            for _ in walk_messages(self.unpacked(chunk)):
                pass
        except _BROKEN as error:
            raise InvalidDataError(
                f'{self.path}: chunk at byte {chunk.start}: {one_line(error)}') from error

    def unpacked(self, chunk: Chunk) -> bytes:
        """Return the records of a chunk; raise ValueError where its CRC does not fit."""
        if chunk.size > LARGEST:
            raise ValueError(f'got {chunk.size} bytes, allowed {LARGEST}')
        packed = self._bytes(chunk.data_start, chunk.end - chunk.data_start)
        data = _unpack(packed, chunk.compression, chunk.size)
        if len(data) != chunk.size or (chunk.crc and zlib.crc32(data) != chunk.crc):
            raise ValueError('its checksum does not fit')
        return data

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        self.close()

    def _walk(self) -> int:
        """Go through the records outside of chunks; return where the last whole one ends."""
        at = data_end = 8
        while at + 9 <= self._size:
            opcode, length = _RECORD.unpack(self._bytes(at, 9))
            end = at + 9 + length
            if end > self._size:
                break
            try:
                self._take(opcode, at, end)
            except _BROKEN:
                break
            if opcode == Opcode.DATA_END:
                data_end = at
            if opcode == Opcode.FOOTER and self._bytes(end, 8) == MAGIC:
                self.whole = True
                self._check_summary(at)
                return data_end
            at = end
        self.problems.append(
            f'{self.path}: cut at byte {self._size}, read up to byte {at} where it is whole')
        return at

    def _check_summary(self, footer: int) -> None:
        start, _, crc = struct.unpack('<QQI', self._bytes(footer + 9, 20))
        if crc and 0 < start <= footer and footer - start < LARGEST and crc != zlib.crc32(
                self._bytes(start, footer + 25 - start)):
            self.problems.append(f'{self.path}: the checksum of its index does not fit')

    def _take(self, opcode: int, at: int, end: int) -> None:
        if opcode == Opcode.CHUNK:
            self._items.append(self._chunk(at, end))
        elif opcode == Opcode.MESSAGE:
            channel, _, log_ns, _ = _MESSAGE.unpack(self._bytes(at + 9, 22))
            self._items.append((channel, log_ns, at))
        elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
            self._define(opcode, self._bytes(at + 9, min(end - at - 9, LARGEST)))

    def _chunk(self, at: int, end: int) -> Chunk:
        _, _, size, crc, name = _CHUNK.unpack(self._bytes(at + 9, 32))
        compression = self._bytes(at + 41, min(name, 64)).decode()
        return Chunk(at, end, compression, at + 41 + name + 8, size, crc)

    def _define(self, opcode: int, body: bytes) -> None:
        stream = ReadDataStream(BytesIO(body))
        if opcode == Opcode.SCHEMA:
            schema = Schema.read(stream)
            self.schemas[schema.id] = schema
        else:
            channel = Channel.read(stream)
            self.channels[channel.id] = channel

    def _define_from_chunks(self) -> None:
        """Look into every chunk of a cut file; the file is whole up to the first corrupt one."""
        for number, item in enumerate(self._items):
            if not isinstance(item, Chunk):
                continue
            try:
                data = self.unpacked(item)
                for opcode, offset, length in walk_records(data):
                    if opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
                        self._define(opcode, data[offset:offset + length])
            except _BROKEN as error:
                self.problems.append(
                    f'{self.path}: chunk at byte {item.start} ({one_line(error)}); '
                    'nothing after it is read')
                del self._items[number:]
                self.end = item.start
                return

    def _outside(self, item: tuple[int, int, int], wanted: dict[int, str]) -> Iterator[Message]:
        channel, log_ns, at = item
        if channel in wanted:
            length = _RECORD.unpack(self._bytes(at, 9))[1] - 22
            place = (-1, at + 31, length)
            yield Message(wanted[channel], log_ns, place, self.read(place))

    def _topic(self, channel: Channel) -> Topic:
        schema = self.schemas.get(channel.schema_id)
        if schema is None:
            return Topic(channel.topic, '', '', '', channel.metadata)
        text = schema.data.decode('utf-8', 'replace')
        return Topic(channel.topic, schema.name, text, schema.encoding, channel.metadata)

    def _bytes(self, offset: int, length: int) -> bytes:
        if self._file < 0:
            raise InvalidDataError(f'{self.path}: got a look at its messages after close()')
        return os.pread(self._file, length, offset)

    def _tell(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def walk_records(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield opcode, offset and length of the body of each record in a chunk."""
    at = 0
    while at < len(data):
        opcode, length = _RECORD.unpack_from(data, at)
        at += 9
        if length > len(data) - at:
            raise ValueError(f'its record at {at} is longer than the chunk')
        yield opcode, at, length
        at += length


def walk_messages(
    data: bytes, channels: Collection[int] | None = None,
) -> Iterator[tuple[int, int, int, int]]:
    """Yield channel, log time [ns], offset and length of the data of each message in a chunk."""
    for opcode, offset, length in walk_records(data):
        if opcode == Opcode.MESSAGE:
            channel, _, log_ns, _ = _MESSAGE.unpack_from(data, offset)
            if channels is None or channel in channels:
                yield channel, log_ns, offset + 22, length - 22


def _unpack(packed: bytes, compression: str, size: int) -> bytes:
    if compression == '':
        return packed
    if compression == 'zstd':
        if zstandard.frame_content_size(packed) > LARGEST:  # it would be believed
            raise ValueError(f'it says it unpacks to more than {LARGEST} bytes')
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)
    if compression == 'lz4':
        with lz4.frame.LZ4FrameFile(BytesIO(packed)) as file:
            return file.read(size + 1)
    raise ValueError(f'got compression {compression!r}, allowed zstd, lz4 or none')
