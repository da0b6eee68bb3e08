"""Episodes as ROS 2 bags in MCAP: a folder for each, with the messages and `metadata.yaml`.

`ros2 bag`, `rosbags`, `mcap` and Foxglove open them: messages are standard ones, their log
time is the stamp of the stream, and every type is defined inside. Each chunk has a checksum.
Also a single such folder or its .mcap file is read as a data set of one episode.
"""

from collections.abc import Iterator
from dataclasses import replace
import heapq
from pathlib import Path
import weakref

import numpy as np
from vla_core.episode import Episode, JOINT_POSITION, JOINT_VELOCITY
from vla_core.errors import InvalidDataError
from vla_core.lazy import blocks, Values
from vla_recorder.bag.fields import Take
from vla_recorder.bag.mcap import McapSource
from vla_recorder.bag.message import (
    check_stamp,
    Encoder,
    encoder_of,
    joint_encoder,
    takes_of,
    text_encoder,
)
from vla_recorder.bag.out import BagOut, clean, COPY, episodes_in, HEADER, header_of, LIVE, OPENING
from vla_recorder.bag.rows import read_streams
from vla_recorder.formats import WriteOptions

_BLOCK = 8  # rows of each stream in memory while writing


def holds(path: Path) -> bool:
    """Say whether `path` is a data set of bags of ours, or a single one."""
    path = Path(path)
    if path.is_dir():
        return any(path.glob('episode_*/episode_*.mcap')) or (
            path.name.startswith('episode_') and any(path.glob('episode_*.mcap')))
    return path.suffix == '.mcap' and path.name.startswith('episode_')


def open_reader(path: Path) -> 'BagReader':
    """Open a data set, or a single bag of one, for reading."""
    return BagReader(path)


def open_writer(path: Path, options: WriteOptions | None = None) -> 'BagWriter':
    """Begin a data set or append to one; what killed writers left is kept or removed first."""
    return BagWriter(path, options)


class BagReader:
    """The episodes of a data set, also one that a killed recorder left incomplete."""

    def __init__(self, path: Path) -> None:
        path = Path(path)
        self._files = _files(path)
        if not self._files:
            raise InvalidDataError(f'{path}: got no bag, allowed episode_000000/ and so on')
        self._sources: weakref.WeakSet[McapSource] = weakref.WeakSet()

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> Episode:
        """Return an episode; its pictures are read when they are asked for."""
        if not 0 <= index < len(self):
            raise InvalidDataError(f'bag: got episode {index}, allowed 0 to {len(self) - 1}')
        path = self._files[index]
        try:
            source = McapSource(path)
        except OSError as error:
            raise InvalidDataError(f'{path}: {error.strerror}') from error
        self._sources.add(source)
        return _read(source, may_be_cut=path.parent.name.endswith(LIVE))

    def close(self) -> None:
        """Close the files; pictures that were not read yet are gone."""
        for source in list(self._sources):
            source.close()


class BagWriter:
    """Writes each episode to a bag of its own that appears whole or not at all.

    Several processes may write into one data set.
    """

    def __init__(self, root: Path, options: WriteOptions | None = None) -> None:
        self._root, self._options = Path(root), options or WriteOptions()
        robot = self._options.robot
        self._joints = robot.joints.names if robot else ()
        self._root.mkdir(parents=True, exist_ok=True)
        clean(self._root)

    def write(self, episode: Episode) -> Path:
        """Write `episode` durably and return its folder; its streams are never in memory whole."""
        out = BagOut(self._root, COPY, compress=self._options.compress)
        try:
            _save(episode, out, self._joints)
            return out.publish()
        except BaseException:
            out.discard()
            raise

    def close(self) -> None:
        """Do nothing: every episode is on the disk when `write` returns."""


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InvalidDataError(f'{path}: got no such folder, allowed a data set of bags')
    if own := sorted(path.glob('episode_*.mcap')):
        return own
    folders = list(episodes_in(path))
    return [folder / f'{folder.name.removesuffix(LIVE)}.mcap' for folder in folders]


def _save(episode: Episode, out: BagOut, joints: tuple[str, ...]) -> None:
    texts = [('/episode/instruction', episode.start_ns, episode.instruction)]
    texts += [('/episode/subtask', span.start_ns, span.text) for span in episode.subtasks]
    rows = [_text_rows(topic, texts, out)
            for topic in ('/episode/instruction', '/episode/subtask')]
    rows += [_stream_rows(names, episode, out, joints) for names in _together(episode)]
    counted = [((stamp, k, channel, data) for stamp, channel, data in part)
               for k, part in enumerate(rows)]
    for stamp, _, channel, data in heapq.merge(*counted, key=lambda row: row[:2]):
        out.bag.add(channel, stamp, data)
    out.add_header(episode)


def _together(episode: Episode) -> list[tuple[str, ...]]:
    """Return the streams that share a topic: positions and velocities of the same instants."""
    names = list(episode.streams)
    both = (JOINT_POSITION, JOINT_VELOCITY)
    if set(both) <= set(names):
        position, velocity = (episode.streams[name] for name in both)
        if (position.values.shape == velocity.values.shape and position.values.ndim == 2
                and position.values.dtype == velocity.values.dtype == np.float64
                and np.array_equal(position.stamps_ns, velocity.stamps_ns)):
            return [both, *((name,) for name in names if name not in both)]
    return [(name,) for name in names]


def _text_rows(
    topic: str, texts: list[tuple[str, int, str]], out: BagOut,
) -> Iterator[tuple[int, int, memoryview]]:
    """Yield text for people; our reader takes it from the header."""
    rows = sorted((max(stamp, 0), text) for name, stamp, text in texts if name == topic and text)
    if rows:
        encoder = text_encoder(topic)
        channel = out.announce(encoder)
        for stamp, text in rows:
            yield stamp, channel, encoder.encode(stamp, text)


def _stream_rows(
    names: tuple[str, ...], episode: Episode, out: BagOut, joints: tuple[str, ...],
) -> Iterator[tuple[int, int, memoryview]]:
    streams = [episode.streams[name] for name in names]
    stamps = streams[0].stamps_ns
    for stamp in stamps[[0, -1]].tolist() if len(stamps) else ():
        check_stamp(f'stream {names[0]}', stamp)
    encoder = _encoder(names, streams[0].values, joints)
    channel = out.announce(encoder)
    row = 0
    for parts in zip(*(blocks(stream.values, _BLOCK) for stream in streams)):
        for values in zip(*parts):
            stamp = int(stamps[row])
            yield stamp, channel, encoder.encode(stamp, *values)
            row += 1


def _encoder(names: tuple[str, ...], values: Values, joints: tuple[str, ...]) -> Encoder:
    if len(names) > 1:
        return joint_encoder(names, values.shape[1], joints)
    return encoder_of(names[0], np.dtype(values.dtype), tuple(values.shape[1:]), joints)


def _read(source: McapSource, *, may_be_cut: bool) -> Episode:
    try:
        if not may_be_cut and not source.whole:
            raise InvalidDataError(source.problems[0])
        episode = header_of(source)
        if HEADER not in source.topics and OPENING not in source.topics:
            raise InvalidDataError('not an episode of ours; with a topic map it can be read')
        streams, left_out = read_streams(source, _takes(source))
        if source.problems and not may_be_cut:
            raise InvalidDataError(source.problems[0])
        told = {f'left_out/{name}': count for name, count in left_out.items()}
        return replace(episode, streams=streams, meta={**episode.meta, **told})
    except InvalidDataError as error:
        source.close()
        text = str(error)
        raise InvalidDataError(
            text if str(source.path) in text else f'{source.path}: {text}') from error


def _takes(source: McapSource) -> dict[str, tuple[Take, ...]]:
    takes = {name: takes_of(topic.metadata) for name, topic in source.topics.items()}
    return {name: found for name, found in takes.items() if found}
