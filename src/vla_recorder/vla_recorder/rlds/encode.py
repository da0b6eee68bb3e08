"""An Episode as a tf.train.Example: the frames as TFDS knows them, and beside them the rest.

Streams that keep stamps of their own, and the bits of floats that are float32 to TFDS, are in the
Example too, as `episode_metadata/streams/...`, but features.json does not list them, and TFDS
passes over what is not listed. Listed, they would reach every training loader: those built on
dlimp repeat all metadata once a step, which makes gigabytes of half a minute at 1 kHz.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
import json
from pathlib import Path
import tempfile
from typing import BinaryIO

import numpy as np
from vla_core.episode import Episode, Stream
from vla_core.errors import InvalidDataError
from vla_core.lazy import Values
from vla_core.spec import StreamSpec
from vla_recorder.formats import WriteOptions
from vla_recorder.header import header_to_json
from vla_recorder.rlds.columns import (
    BIG,
    HEADER,
    INSTRUCTION,
    paths_of,
    picture_stamp,
    rounds,
    STAMP,
    step_features,
)
from vla_recorder.rlds.example import example, floats, integers, List, spooled, texts
from vla_recorder.rlds.features import Feature
from vla_recorder.rlds.rows import encode_rows
from vla_recorder.table import is_picture, Table, tabulate

FORMAT = 'vla-rlds-1'
BESIDE = 'episode_metadata/streams/'  # + name/values or name/stamps_ns
LONGEST = 2 ** 31 - 1  # bytes of an Example that TensorFlow parses
_SPOOL = 1 << 26  # bytes of encoded pictures in memory; more go to the disk
_TEXTS = ('episode_id', 'robot', 'task', 'instruction')
METADATA = {
    **{f'episode_metadata/{name}': Feature('text') for name in _TEXTS},
    'episode_metadata/success': Feature(
        'tensor', 'int32', description='1 yes, 0 no, -1 nobody judged'),
    HEADER: Feature('text', description='JSON of all that is no stream'),
}


@dataclass(frozen=True)
class Encoded:
    """An episode ready to be written."""

    features: Mapping[str, Feature]
    length: int  # [bytes]
    pieces: Iterator[bytes]


@contextmanager
def encoded(
    episode: Episode, rules: Mapping[str, StreamSpec], options: WriteOptions, folder: Path,
) -> Iterator[Encoded]:
    """Yield the Example of an episode; what the memory should not hold is in `folder` meanwhile.

    Raise InvalidDataError for an episode without a frame, or too long for TensorFlow.
    """
    table = tabulate(episode, rules, options.fps)
    features = {**step_features(table, options.compress), **METADATA}
    with tempfile.SpooledTemporaryFile(_SPOOL, dir=folder) as spool:
        lists = _columns(table, features, spool)
        lists |= _flags(episode, len(table.stamps_ns), lists)
        beside = {**table.beside, **_rounded(table, features)}
        lists |= _beside(beside, spool)
        lists |= _metadata(episode, table, beside)
        length, pieces = example(dict(sorted(lists.items())))
        if length > LONGEST:
            raise InvalidDataError(
                f'episode {episode.episode_id}: got {length} bytes, allowed {LONGEST} in RLDS: '
                'compress its images or cut it')
        yield Encoded(features, length, pieces)


def _columns(
    table: Table, features: Mapping[str, Feature], spool: BinaryIO,
) -> dict[str, List]:
    lists = {STAMP: integers(table.stamps_ns)}
    paths = paths_of(table.columns)
    for stream, values in table.columns.items():
        path, same = paths[stream], np.zeros(len(table.stamps_ns), dtype=bool)
        if is_picture(stream):
            stamps = table.shown_ns.get(stream, table.stamps_ns)
            lists[picture_stamp(path)] = integers(stamps)
            same[1:] = stamps[1:] == stamps[:-1]
        lists[path] = _list(features[path], values, same, spool)
    return lists


def _list(feature: Feature, values: Values, same: np.ndarray, spool: BinaryIO) -> List:
    if feature.encoding != 'none':
        return spooled(spool, encode_rows(feature, values, same))
    return (floats if feature.dtype == 'float32' else integers)(values[:])


def _flags(episode: Episode, steps: int, taken: Mapping[str, List]) -> dict[str, List]:
    """Return what RLDS tells of each step, but what a stream of the episode tells."""
    last = np.arange(steps) == steps - 1
    lists = {
        'steps/reward': floats(last & (episode.success is True)),
        'steps/discount': floats(np.ones(steps)),
        'steps/is_first': integers(np.arange(steps) == 0),
        'steps/is_last': integers(last),
        'steps/is_terminal': integers(last & (episode.success is True)),
        INSTRUCTION: texts([_utf8(episode.instruction)] * steps),
    }
    return {path: values for path, values in lists.items() if path not in taken}


def _rounded(table: Table, features: Mapping[str, Feature]) -> dict[str, Stream]:
    """Return the streams whose columns do not hold all their bits."""
    paths = paths_of(table.columns)
    return {
        stream: Stream(table.stamps_ns, values) for stream, values in table.columns.items()
        if stream not in table.beside and rounds(features[paths[stream]], values)}


def _beside(beside: Mapping[str, Stream], spool: BinaryIO) -> dict[str, List]:
    lists = {}
    for stream, path in _beside_paths(beside).items():
        kept = beside[stream]
        feature = Feature('tensor', kept.values.dtype.name, encoding=_packing(kept))
        rows = kept.values if feature.encoding == 'zlib' else [kept.values[:]]
        lists[f'{path}/values'] = spooled(spool, _each(feature, rows))
        lists[f'{path}/stamps_ns'] = integers(kept.stamps_ns)
    return lists


def _each(feature: Feature, rows: Values | list[np.ndarray]) -> Iterator[bytes]:
    return encode_rows(feature, rows, np.zeros(len(rows), dtype=bool))


def _packing(stream: Stream) -> str:
    """Return 'zlib' for a stream of big rows, each by itself, else 'bytes', all at once."""
    size = int(np.prod(stream.values.shape[1:])) * stream.values.dtype.itemsize
    return 'zlib' if size >= BIG else 'bytes'


def _beside_paths(beside: Mapping[str, Stream]) -> dict[str, str]:
    paths = paths_of(beside)
    return {stream: BESIDE + path.removeprefix('steps/').replace('/', '.')
            for stream, path in paths.items()}


def _metadata(
    episode: Episode, table: Table, beside: Mapping[str, Stream],
) -> dict[str, List]:
    verdict = -1 if episode.success is None else int(episode.success)
    lists = {f'episode_metadata/{name}': texts([_utf8(getattr(episode, name))])
             for name in _TEXTS}
    lists['episode_metadata/success'] = integers(np.array([verdict]))
    paths = paths_of(table.columns)
    header = {
        'format': FORMAT,
        'episode': header_to_json(episode),
        'dropped': table.dropped,
        'columns': {
            stream: {'path': paths[stream], 'shape': values.shape[1:]}
            for stream, values in table.columns.items()},
        'beside': {
            stream: {'path': path, 'shape': beside[stream].values.shape[1:],
                     'dtype': beside[stream].values.dtype.name,
                     'encoding': _packing(beside[stream])}
            for stream, path in _beside_paths(beside).items()},
    }
    return {**lists, HEADER: texts([json.dumps(header, sort_keys=True).encode()])}


def _utf8(text: str) -> bytes:
    return text.encode('utf-8', 'replace')
