"""A bag in its folder while it is written, and what becomes of one whose writer was killed.

A bag that is written by a live recorder lies in `episode_000007.recording/`: when its writer
is killed, the next one keeps what is whole of it as an incomplete episode. One that is copied
from an episode which exists elsewhere lies in `.episode_000007.partial/` and is removed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
import fcntl
import os
from pathlib import Path
import re
import shutil

from mcap.records import ChunkIndex
from vla_core.episode import Episode
from vla_core.errors import InvalidDataError
from vla_recorder.bag.file import BagFile, Contents, message_indices
from vla_recorder.bag.folder import METADATA, metadata_text
from vla_recorder.bag.mcap import McapSource, walk_messages
from vla_recorder.bag.message import channel_metadata, Encoder, STRING, text_encoder, text_in
from vla_recorder.bag.types import standard_definition
from vla_recorder.header import header_from_json, header_to_json
from vla_recorder.store import locked, sync

HEADER = '/episode/header'  # JSON of the whole Episode but its streams
OPENING = '/episode/opening'  # the same, as far as it was known when recording began
LIVE = '.recording'
COPY = '.partial'
CUT = 'incomplete: the recorder was killed'
_NAME = re.compile(r'\.?(episode_(\d{6,}))(\.recording|\.partial)?')


class BagOut:
    """One bag that is being written; this process alone has its folder."""

    def __init__(self, root: Path, suffix: str, *, compress: bool = False) -> None:
        """Begin the next episode below `root`."""
        self._root = Path(root)
        self._root.mkdir(parents=True, exist_ok=True)
        with locked(self._root):
            self._name = f'episode_{_next_number(self._root):06d}'
            self.folder = self._root / f'{"." if suffix == COPY else ""}{self._name}{suffix}'
            self.folder.mkdir()
            self._lock = hold(self.folder)
        self._file = (self.folder / f'{self._name}.mcap').open('wb', buffering=0)
        self.bag = BagFile(self._file, compress=compress)
        self._channels: dict[str, int] = {}

    def declare(self, topic: str, type_name: str, definition: str,
                metadata: Mapping[str, str]) -> int:
        """Announce a topic and return its channel; raise InvalidDataError for a second time."""
        if topic in self._channels:
            raise InvalidDataError(f'{self.folder}: got topic {topic} twice, allowed once')
        self._channels[topic] = self.bag.channel(topic, type_name, definition, metadata)
        return self._channels[topic]

    def announce(self, encoder: Encoder) -> int:
        """Announce the topic of an encoder, under another name where it is taken."""
        topic, number = encoder.topic, 1
        while topic in self._channels or topic in (HEADER, OPENING):
            number += 1
            topic = f'{encoder.topic}_{number}'
        return self.declare(topic, encoder.type_name, encoder.definition, encoder.metadata)

    def add_header(self, episode: Episode, topic: str = HEADER) -> None:
        """Write all of an episode that is no stream."""
        encoder = text_encoder(topic)
        if topic not in self._channels:
            self.declare(topic, STRING, encoder.definition, encoder.metadata)
        stamp = max(self.bag.contents.last_ns, 0)
        self.bag.add(self._channels[topic], stamp, encoder.encode(stamp, header_to_json(episode)))

    def publish(self) -> Path:
        """Finish the bag and give it its name, durably and at once."""
        try:
            self.bag.finish()
            write_metadata(self.folder, self._name, self.bag.contents)
            return publish_folder(self.folder, self._root / self._name)
        finally:  # where the disk refused, the next writer keeps what is whole
            self._release()

    def discard(self) -> None:
        """Leave nothing of it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._release()

    def _release(self) -> None:
        self._file.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def episodes_in(root: Path) -> Iterator[Path]:
    """Yield the folders of finished bags in order, then those that a killed recorder left."""
    found = [p for p in Path(root).iterdir() if _NAME.fullmatch(p.name) and p.is_dir()]
    yield from sorted(p for p in found if _NAME.fullmatch(p.name)[3] is None)
    for folder in sorted(p for p in found if p.name.endswith(LIVE)):
        lock = hold(folder, wait=False)
        if lock is not None:  # nobody is recording into it now
            os.close(lock)
            yield folder


def clean(root: Path) -> None:
    """Keep what killed recorders left as incomplete episodes; remove copies cut short."""
    with locked(root):
        for folder in sorted(Path(root).iterdir()):
            match = _NAME.fullmatch(folder.name)
            lock = hold(folder, wait=False) if match and match[3] and folder.is_dir() else None
            if lock is None:
                continue
            try:
                if match[3] == COPY or not recover(folder / f'{match[1]}.mcap'):
                    shutil.rmtree(folder)
                else:
                    publish_folder(folder, Path(root) / match[1])
            except InvalidDataError:
                continue  # it stays as it is, for somebody to look at: readers tell of it
            finally:
                os.close(lock)


def recover(path: Path) -> bool:
    """Make a bag that was cut whole again, in place, as an incomplete episode.

    `path` is the .mcap file. What is after its last whole chunk is cut off. Return False where
    nothing was recorded; raise InvalidDataError for a file that is no MCAP file of ours.
    """
    path = Path(path)
    if not path.exists() or path.stat().st_size < 9:
        return False
    source = McapSource(path)
    try:
        for chunk in source.chunks:
            source.verify(chunk)
        if any(topic.encoding != 'ros2msg' for topic in source.topics.values()):
            raise InvalidDataError(f'{path}: not a bag of ours; allowed topics of ros2msg')
        contents, indices = _contents(source)
        whole, episode = source.whole, header_of(source)
    finally:
        source.close()
    if not contents.messages:
        return False
    if not whole:
        _mend(path, source.chunks[-1].end, indices, contents, episode)
    write_metadata(path.parent, path.stem, contents)
    return True


def header_of(source: McapSource) -> Episode:
    """Return the episode without streams; of a cut bag as much of it as is known."""
    texts = {m.topic: text_in(m.data) for m in source.messages((HEADER, OPENING))}
    if HEADER in texts:
        return header_from_json(texts[HEADER], {})
    if OPENING in texts:
        opening = header_from_json(texts[OPENING], {})
        return replace(opening, success=None, meta={**opening.meta, 'reason': CUT})
    return Episode(source.path.stem, 'unknown', '', '', {}, meta={'reason': CUT})


def hold(folder: Path, *, wait: bool = True) -> int | None:
    """Return a descriptor that holds the folder alone, or None where another process has it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def write_metadata(folder: Path, name: str, contents: Contents) -> None:
    """Write rosbag2's `metadata.yaml` durably."""
    path = folder / METADATA
    path.write_text(metadata_text(f'{name}.mcap', contents))
    sync(path)


def publish_folder(temporary: Path, path: Path) -> Path:
    """Give a finished folder its name."""
    sync(temporary)
    os.rename(temporary, path)
    sync(path.parent)
    return path


def _mend(
    path: Path, end: int, indices: bytes, contents: Contents, episode: Episode,
) -> None:
    """Cut `path` at the end of its last whole chunk and write header and index behind it."""
    with path.open('r+b', buffering=0) as file:
        file.truncate(end)
        file.seek(end)
        file.write(indices)
        bag = BagFile(file, contents=contents)
        stamp = contents.last_ns
        encoder = text_encoder(HEADER)
        known = [n for n, channel in contents.channels.items() if channel.topic == HEADER]
        channel = known[0] if known else bag.channel(
            HEADER, STRING, standard_definition(STRING), channel_metadata(STRING, ()))
        bag.add(channel, stamp, encoder.encode(stamp, header_to_json(episode)))
        bag.finish()


def _contents(source: McapSource) -> tuple[Contents, bytes]:
    """Return what the whole chunks of a file hold, and the index records behind the last one."""
    contents, indices = Contents(schemas=source.schemas, channels=source.channels), b''
    for chunk in source.chunks:
        index: dict[int, list[tuple[int, int]]] = {}
        stamps = [0]
        for channel, log_ns, offset, _ in walk_messages(source.unpacked(chunk)):
            index.setdefault(channel, []).append((log_ns, offset - 31))
            contents.count(channel, log_ns)
            stamps.append(log_ns)
        places, indices = message_indices(index, chunk.end)
        contents.add_chunk(ChunkIndex(
            chunk_length=chunk.end - chunk.start, chunk_start_offset=chunk.start,
            compression=chunk.compression, compressed_size=chunk.end - chunk.data_start,
            message_end_time=max(stamps), message_index_length=len(indices),
            message_index_offsets=places, message_start_time=min(stamps[1:], default=0),
            uncompressed_size=chunk.size))
    return contents, indices


def _next_number(root: Path) -> int:
    matches = (_NAME.fullmatch(path.name) for path in root.iterdir())
    return max((int(match[2]) for match in matches if match), default=-1) + 1
