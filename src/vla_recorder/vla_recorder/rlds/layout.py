"""The files of a TFDS folder: dataset_info.json, features.json and the shards it counts.

TFDS opens the shards that dataset_info.json lists, under the names its `filepathTemplate` gives.
The usual template names the number of shards in each of them, so that all would change their
names with every episode; ours leaves the number out. Then one replacement of dataset_info.json
makes one more shard part of the data set, and at every instant TFDS opens what it listed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
import json
from pathlib import Path
import re

from vla_core.errors import InvalidDataError
from vla_recorder.rlds.features import Feature, from_json, to_json
from vla_recorder.store import check_name, publish, temporary_file

INFO, FEATURES = 'dataset_info.json', 'features.json'
TEMPLATE = '{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_INDEX}'
_USUAL = '{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}'
VERSION = '1.0.0'
SPLIT = 'train'
_DATASET_NAME = re.compile(r'[a-zA-Z]\w{0,126}', re.ASCII)
MOST_SHARDS = 99_999  # one more digit would change the name of all: TFDS pads by their number
_SHARD = re.compile(r'.+\.tfrecord-(\d{5})')


@dataclass(frozen=True)
class Split:
    """One split: the number of episodes in each of its shards."""

    name: str
    template: str
    lengths: tuple[int, ...]
    bytes: int  # of all records, without their framing


@dataclass(frozen=True)
class Info:
    """What dataset_info.json says."""

    name: str
    version: str
    splits: tuple[Split, ...]

    def shard(self, split: Split, number: int) -> str:
        """Return the name of a shard; raise InvalidDataError for one that leaves the folder."""
        count = len(split.lengths)
        digits = max(5, len(str(count)))
        index, total = f'{number:0{digits}d}', f'{count:0{digits}d}'
        words = {
            'DATASET': self.name, 'SPLIT': split.name, 'FILEFORMAT': 'tfrecord',
            'SHARD_INDEX': index, 'NUM_SHARDS': total, 'SHARD_X_OF_Y': f'{index}-of-{total}'}
        name = re.sub(r'\{(\w+)\}', lambda match: words.get(match[1], match[0]), split.template)
        return check_name('name of a shard', name)


def is_dataset(folder: Path) -> bool:
    """Say whether TFDS would open the folder."""
    return (folder / INFO).is_file() and (folder / FEATURES).is_file()


def find(path: Path) -> list[Path]:
    """Return the TFDS folders at or below `path`: name, configuration and version deep."""
    if not path.is_dir() or is_dataset(path):
        return [path] if path.is_dir() else []
    found = (file.parent for depth in range(1, 4) for file in path.glob('*/' * depth + INFO))
    return sorted(folder for folder in found
                  if is_dataset(folder) and not folder.name.startswith(('.', 'incomplete.')))


def load_info(folder: Path) -> Info:
    """Return dataset_info.json; raise InvalidDataError naming the file."""
    path = folder / INFO
    data = _load(path)
    try:
        format_ = data.get('fileFormat', 'tfrecord')
        if format_ != 'tfrecord':
            raise InvalidDataError(f'{path}: got fileFormat {format_!r}, allowed tfrecord')
        splits = tuple(
            Split(str(split['name']), str(split.get('filepathTemplate') or _USUAL),
                  tuple(int(length) for length in split.get('shardLengths', ())),
                  int(split.get('numBytes', 0)))
            for split in data.get('splits', ()))
        if any(length < 0 for split in splits for length in split.lengths):
            raise ValueError('a negative shardLength')
        return Info(str(data['name']), str(data.get('version', VERSION)), splits)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InvalidDataError):
            raise
        raise InvalidDataError(
            f'{path}: got {type(error).__name__} {error}, allowed name and splits as TFDS has them'
        ) from error


def load_features(folder: Path) -> dict[str, Feature]:
    """Return the features by path; raise InvalidDataError naming the file."""
    path = folder / FEATURES
    data = _load(path)
    try:
        return from_json(data)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InvalidDataError(
            f'{path}: got {type(error).__name__} {error}, allowed the features of TFDS') from error


def new_info(name: str) -> Info:
    """Return the info of a data set without episodes; raise InvalidDataError for a bad name."""
    if not _DATASET_NAME.fullmatch(name):
        raise InvalidDataError(
            f'name of the data set: got {name!r}, allowed a letter, then letters, digits and "_"')
    return Info(name, VERSION, (Split(SPLIT, TEMPLATE, (), 0),))


def grown(info: Info, size: int) -> Info:
    """Return the info with one more shard of one episode of `size` bytes."""
    split = info.splits[0]
    more = replace(split, lengths=(*split.lengths, 1), bytes=split.bytes + size)
    return replace(info, splits=(more,))


def save_info(folder: Path, info: Info) -> None:
    """Replace dataset_info.json durably."""
    _save(folder / INFO, {
        'name': info.name, 'version': info.version, 'fileFormat': 'tfrecord',
        'description': 'Robot episodes in the form of RLDS; steps/stamp_ns holds the true stamps.',
        'splits': [{
            'name': split.name, 'filepathTemplate': split.template,
            'shardLengths': [str(length) for length in split.lengths],
            'numBytes': str(split.bytes)} for split in info.splits]})


def save_features(folder: Path, features: Mapping[str, Feature]) -> None:
    """Replace features.json durably."""
    _save(folder / FEATURES, to_json(features))


def remove_leftovers(folder: Path, info: Info) -> None:
    """Remove what a killed writer left: unfinished files and shards that nobody counts."""
    count = len(info.splits[0].lengths)
    for path in folder.iterdir():
        shard = _SHARD.fullmatch(path.name)
        unfinished = path.name.startswith('.') and '.partial' in path.name
        if unfinished or (shard and int(shard[1]) >= count):
            path.unlink()


def _load(path: Path) -> dict:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidDataError(f'{path}: got {error}, allowed a JSON file of TFDS') from error
    if not isinstance(data, dict):
        raise InvalidDataError(f'{path}: got {type(data).__name__}, allowed a JSON object')
    return data


def _save(path: Path, data: dict) -> None:
    with temporary_file(path.parent) as temporary:
        temporary.write_text(json.dumps(data, indent=2, sort_keys=True))
        publish(temporary, path)
