"""An MCAP file that is written chunk by chunk: a chunk that is closed survives every kill.

The layout is MCAP 0 (https://mcap.dev/spec) with the profile `ros2` and definitions of all
types inside, as rosbag2 writes it. Each chunk carries its CRC and brings the definitions that
are new in it, so a file that was cut can be read up to its last whole chunk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import FileIO
import os
import struct
import zlib

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    ChunkIndex,
    DataEnd,
    Footer,
    Header,
    McapRecord,
    MessageIndex,
    Schema,
    Statistics,
    SummaryOffset,
)
import zstandard

MAGIC = b'\x89MCAP0\r\n'
CHUNK_BYTES = 1 << 20
MESSAGE_HEAD = struct.Struct('<BQHIQQ')  # opcode, length, channel, sequence, log and publish time
_CHUNK_HEAD = struct.Struct('<BQQQQI')  # opcode, length, first and last time, size, CRC
_FOOTER_HEAD = struct.Struct('<BQQQ')  # opcode, length, start of summary and of its offsets


@dataclass
class Contents:
    """What a file holds so far: all that its summary will say."""

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: bytearray = field(default_factory=bytearray)  # their index records, as written
    chunk_count: int = 0
    counts: dict[int, int] = field(default_factory=dict)  # messages by channel
    first_ns: int | None = None
    last_ns: int = 0

    def count(self, channel: int, stamp_ns: int) -> None:
        """Add one message."""
        self.counts[channel] = self.counts.get(channel, 0) + 1
        self.first_ns = stamp_ns if self.first_ns is None else min(self.first_ns, stamp_ns)
        self.last_ns = max(self.last_ns, stamp_ns)

    def add_chunk(self, index: ChunkIndex) -> None:
        """Add a whole chunk: of an hour of pictures there are hundreds of thousands."""
        self.chunks += _bytes(index)
        self.chunk_count += 1

    @property
    def messages(self) -> int:
        """Number of all messages."""
        return sum(self.counts.values())


class BagFile:
    """Writes messages that are serialised already; buffers given to `add` must not change.

    After an OSError the file ends with its last whole chunk and what is in memory stays there:
    closing the chunk again tries again.
    """

    def __init__(self, file: FileIO, *, compress: bool = False,
                 contents: Contents | None = None) -> None:
        """Begin an unbuffered file, or go on with one that ends after the chunks of `contents`."""
        self._file = file
        self._compress = zstandard.ZstdCompressor(level=1).compress if compress else None
        self.contents = contents or Contents()
        if contents is None:
            self._write(MAGIC, _bytes(Header('ros2', 'vla_recorder')))
        self._empty_chunk()

    def channel(self, topic: str, type_name: str, definition: str,
                metadata: Mapping[str, str]) -> int:
        """Announce a topic of CDR messages and return the number of its channel."""
        known = self.contents
        schema = next((s for s in known.schemas.values() if s.name == type_name), None)
        if schema is None:
            schema = Schema(
                id=len(known.schemas) + 1, name=type_name, encoding='ros2msg',
                data=definition.encode())
            known.schemas[schema.id] = schema
            self._put(_bytes(schema))
        channel = Channel(
            id=len(known.channels) + 1, topic=topic, message_encoding='cdr',
            metadata=dict(metadata), schema_id=schema.id)
        known.channels[channel.id] = channel
        self._put(_bytes(channel))
        return channel.id

    def add(self, channel: int, stamp_ns: int, data: bytes | memoryview) -> None:
        """Add a message; a chunk of CHUNK_BYTES is closed."""
        self._index.setdefault(channel, []).append((stamp_ns, self._size))
        sequence = self.contents.counts.get(channel, 0)
        self._put(MESSAGE_HEAD.pack(
            Opcode.MESSAGE, 22 + len(data), channel, sequence & 0xFFFFFFFF, stamp_ns, stamp_ns))
        self._put(data)
        self._first = stamp_ns if self._first is None else min(self._first, stamp_ns)
        self._last = max(self._last, stamp_ns)
        self.contents.count(channel, stamp_ns)
        if self._size >= CHUNK_BYTES:
            self.close_chunk()

    def close_chunk(self) -> None:
        """Hand what was added to the operating system: a kill of this process does not lose it."""
        if not self._parts:
            return
        start, records = self._file.tell(), b''.join(self._parts)
        kind, data = ('zstd', self._compress(records)) if self._compress else ('', records)
        length = 28 + 4 + len(kind) + 8 + len(data)
        head = _CHUNK_HEAD.pack(Opcode.CHUNK, length, self._first or 0, self._last,
                                len(records), zlib.crc32(records))
        head += struct.pack(f'<I{len(kind)}sQ', len(kind), kind.encode(), len(data))
        places, indices = message_indices(self._index, start + 9 + length)
        self._write(head, data, indices)
        self.contents.add_chunk(ChunkIndex(
            chunk_length=9 + length, chunk_start_offset=start, compression=kind,
            compressed_size=len(data), message_end_time=self._last,
            message_index_length=len(indices), message_index_offsets=places,
            message_start_time=self._first or 0, uncompressed_size=len(records)))
        self._empty_chunk()

    def sync(self) -> None:
        """Force what was added onto the disk: no crash of the machine loses it either."""
        self.close_chunk()
        os.fsync(self._file.fileno())

    def finish(self) -> None:
        """Write the index and force the whole file onto the disk; the file stays open."""
        self.close_chunk()
        end = _bytes(DataEnd(0))
        self._write(end, summary(self.contents, self._file.tell() + len(end)), MAGIC)
        os.fsync(self._file.fileno())

    def _put(self, part: bytes | memoryview) -> None:
        self._parts.append(part)
        self._size += len(part)

    def _write(self, *parts: bytes) -> None:
        """Write all parts, or none of them where the disk refuses."""
        start = self._file.tell()
        try:
            for part in parts:
                rest = memoryview(part)
                while rest:
                    rest = rest[self._file.write(rest):]
        except OSError:
            self._file.seek(start)
            self._file.truncate()
            raise

    def _empty_chunk(self) -> None:
        self._parts: list[bytes | memoryview] = []
        self._size, self._first, self._last = 0, None, 0
        self._index: dict[int, list[tuple[int, int]]] = {}  # channel -> (stamp, offset)


def message_indices(
    index: Mapping[int, list[tuple[int, int]]], start: int,
) -> tuple[dict[int, int], bytes]:
    """Return where in the file each channel's index of a chunk stands, and these indices."""
    places, parts, offset = {}, [], start
    for channel, records in index.items():
        part = _bytes(MessageIndex(channel_id=channel, records=records))
        places[channel] = offset
        parts.append(part)
        offset += len(part)
    return places, b''.join(parts)


def summary(contents: Contents, start: int) -> bytes:
    """Return the summary section with its footer for a data section that ended at `start`."""
    statistics = Statistics(
        attachment_count=0, channel_count=len(contents.channels),
        channel_message_counts=contents.counts, chunk_count=contents.chunk_count,
        message_count=contents.messages, metadata_count=0,
        message_start_time=contents.first_ns or 0, message_end_time=contents.last_ns,
        schema_count=len(contents.schemas))
    groups = ((Opcode.SCHEMA, b''.join(map(_bytes, contents.schemas.values()))),
              (Opcode.CHANNEL, b''.join(map(_bytes, contents.channels.values()))),
              (Opcode.STATISTICS, _bytes(statistics)), (Opcode.CHUNK_INDEX, contents.chunks))
    body, offsets = bytearray(), bytearray()
    for opcode, records in groups:
        if records:
            offsets += _bytes(SummaryOffset(opcode, start + len(body), len(records)))
        body += records
    offset_start = start + len(body)
    body += offsets
    crc = zlib.crc32(_FOOTER_HEAD.pack(Opcode.FOOTER, 20, start, offset_start), zlib.crc32(body))
    return bytes(body + _bytes(Footer(start, offset_start, crc)))


def _bytes(record: McapRecord) -> bytes:
    builder = RecordBuilder()
    record.write(builder)
    return builder.end()
