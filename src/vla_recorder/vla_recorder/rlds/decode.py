"""A tf.train.Example that `encode` made as the Episode it was, its pictures still packed."""

from collections.abc import Mapping
from dataclasses import dataclass
import json
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
from vla_core.episode import Episode, Stream
from vla_core.errors import InvalidDataError
from vla_core.lazy import Values
from vla_recorder.header import header_from_json
from vla_recorder.rlds.columns import BIG, HEADER, picture_stamp, STAMP
from vla_recorder.rlds.encode import FORMAT
from vla_recorder.rlds.example import BYTES, Found, read
from vla_recorder.rlds.features import Feature
from vla_recorder.rlds.rows import EncodedRows
from vla_recorder.table import is_picture, restore, Table

_INT64 = Feature('tensor', 'int64')


@dataclass(frozen=True)
class Example:
    """The parsed features of one episode, in a file that is open."""

    path: Path
    name: str  # of the episode, for errors
    file: BinaryIO
    features: Mapping[str, Feature]  # as features.json lists them
    found: Mapping[str, Found]

    def texts(self, path: str) -> list[str]:
        """Return the texts of a feature; none where the Example lacks it."""
        places = self.found[path].places if path in self.found else ()
        return [read(self.file, place).decode('utf-8', 'replace') for place in places]

    def numbers(self, path: str) -> np.ndarray:
        """Return the numbers (N,) float32 or int64 of a feature."""
        if path not in self.found:
            raise ValueError(f'got no feature {path}')
        return self.found[path].values()

    def rows(self, path: str, feature: Feature, steps: int, shape: tuple[int, ...]) -> Values:
        """Return the values (steps, *shape) of a feature; those of big rows are lazy."""
        if feature.kind == 'image' or feature.encoding != 'none':
            return self._packed(path, feature, steps, shape)
        values = self.numbers(path)
        if values.size != steps * prod(shape):
            raise ValueError(
                f'{path}: got {values.size} numbers, allowed {steps} rows of {shape}')
        if feature.dtype == 'uint64':  # TFDS keeps their bits
            values = values.view(np.uint64)
        return values.astype(feature.dtype, copy=False).reshape(steps, *shape)

    def _packed(self, path: str, feature: Feature, steps: int, shape: tuple[int, ...]) -> Values:
        places = self.found[path].places if path in self.found else []
        if len(places) != steps:
            raise ValueError(f'{path}: got {len(places)} values, allowed {steps}')
        rows = EncodedRows(self.path, places, feature, (steps, *shape), f'{self.name}, {path}')
        big = prod(shape) * rows.dtype.itemsize >= BIG
        return rows if feature.kind == 'image' or big else rows[:]


def is_ours(example: Example) -> bool:
    """Say whether the episode has the header that only our writer leaves."""
    return HEADER in example.found and example.found[HEADER].kind == BYTES


def decode(example: Example) -> Episode:
    """Return the episode; raise ValueError, KeyError or TypeError for a broken header."""
    header = json.loads(example.texts(HEADER)[0])
    if header['format'] != FORMAT:
        raise InvalidDataError(f'header: got format {header["format"]!r}, allowed {FORMAT!r}')
    stamps = example.numbers(STAMP)
    beside = {  # without what is lost where TFDS wrote the folder anew
        stream: _beside(example, kept) for stream, kept in header['beside'].items()
        if f'{kept["path"]}/values' in example.found}
    columns, shown = {}, {}
    for stream, column in header['columns'].items():
        if stream in beside:
            continue
        path, shape = column['path'], tuple(map(int, column['shape']))
        columns[stream] = example.rows(path, example.features[path], len(stamps), shape)
        if is_picture(stream):
            shown[stream] = example.rows(picture_stamp(path), _INT64, len(stamps), ())
    return header_from_json(header['episode'], restore(Table(stamps, columns, beside, shown)))


def _beside(example: Example, kept: dict) -> Stream:
    path, shape = kept['path'], tuple(map(int, kept['shape']))
    stamps = example.numbers(f'{path}/stamps_ns')
    feature = Feature('tensor', kept['dtype'], shape, kept['encoding'])
    if feature.encoding == 'zlib':
        return Stream(stamps, example.rows(f'{path}/values', feature, len(stamps), shape))
    values = example.rows(f'{path}/values', feature, 1, (len(stamps), *shape))
    return Stream(stamps, values[:][0])
