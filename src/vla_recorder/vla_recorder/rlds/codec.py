"""RLDS as a TFDS folder, `<name>/<version>/` with one tfrecord a episode, without TensorFlow.

`tfds.builder_from_directory(FOLDER).as_dataset()` opens it. Each episode is one shard: it is
written aside, synced and renamed, and becomes part of the data set when dataset_info.json,
replaced last, counts it (see `layout`). What a killed writer left is never counted and is
removed when the folder is next opened for writing. Folders written by others are read as
`foreign` says. `test/peers/check_tfds.py` holds both against the real library.
"""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
import re

from vla_core.episode import Episode
from vla_core.errors import InvalidDataError
from vla_recorder.formats import WriteOptions
from vla_recorder.rlds import layout
from vla_recorder.rlds.decode import decode, Example, is_ours
from vla_recorder.rlds.encode import encoded
from vla_recorder.rlds.example import parse
from vla_recorder.rlds.features import Feature, STEPS
from vla_recorder.rlds.foreign import decode_foreign, FPS
from vla_recorder.rlds.tfrecord import check, Record, records, write_record
from vla_recorder.store import locked, publish, temporary_file
from vla_recorder.table import rules_of


def holds(path: Path) -> bool:
    """Say whether there is a TFDS folder at `path` or below it; reads no episode."""
    return bool(layout.find(Path(path)))


def open_reader(path: Path, fps: float = FPS) -> 'RldsReader':
    """Open a TFDS folder, or the only one below `path`; `fps` times steps without stamps."""
    found = layout.find(Path(path))
    if len(found) != 1:
        names = ', '.join(str(folder) for folder in found) or 'none'
        raise InvalidDataError(f'{path}: got TFDS folders {names}, allowed one: name it')
    return RldsReader(found[0], fps)


def open_writer(path: Path, options: WriteOptions) -> 'RldsWriter':
    """Open a TFDS folder to append, or begin `path/<options.name>/1.0.0`."""
    path = Path(path)
    if layout.is_dataset(path / layout.VERSION):
        path = path / layout.VERSION
    elif not layout.is_dataset(path):
        path = path / layout.new_info(options.name).name / layout.VERSION
    return RldsWriter(path, options)


class RldsWriter:
    """Appends episodes to a TFDS folder; one is durable when `write` returns.

    Several writers may take turns. Episodes must have the features of the first one.
    """

    def __init__(self, folder: Path, options: WriteOptions) -> None:
        self._folder, self._options = Path(folder), options
        self._rules = rules_of(options.robot) if options.robot else {}
        self._open = True
        self._folder.mkdir(parents=True, exist_ok=True)
        with locked(self._folder):
            layout.remove_leftovers(self._folder, self._info())

    def write(self, episode: Episode) -> None:
        """Append `episode`; after an error the data set is as it was before."""
        if not self._open:
            raise InvalidDataError(f'{self._folder}: got an episode after close()')
        with locked(self._folder):
            info = self._info()
            number = len(info.splits[0].lengths)
            if number >= layout.MOST_SHARDS:
                raise InvalidDataError(
                    f'{self._folder}: got episode {number}, allowed {layout.MOST_SHARDS}')
            with encoded(episode, self._rules, self._options, self._folder) as example:
                self._check_features(info, episode, example.features)
                with temporary_file(self._folder) as temporary:
                    with temporary.open('wb') as file:
                        write_record(file, example.length, example.pieces)
                    shard = info.shard(info.splits[0], number)
                    publish(temporary, self._folder / shard)
            layout.save_info(self._folder, layout.grown(info, example.length))

    def close(self) -> None:
        """Refuse further episodes; every one is on the disk when `write` returns."""
        self._open = False

    def _info(self) -> layout.Info:
        if not layout.is_dataset(self._folder):
            return layout.new_info(self._options.name)
        info = layout.load_info(self._folder)
        ours = [(split.name, split.template) for split in info.splits]
        if ours != [(layout.SPLIT, layout.TEMPLATE)]:
            raise InvalidDataError(
                f'{self._folder}: got a data set that others wrote, allowed a new folder')
        return info

    def _check_features(
        self, info: layout.Info, episode: Episode, features: dict[str, Feature],
    ) -> None:
        """Keep the features of the first episode, and hold the others against them."""
        if not info.splits[0].lengths:
            layout.save_features(self._folder, features)
            return
        known = layout.load_features(self._folder)
        if known != features:
            odd = sorted(path for path in {*known, *features}
                         if known.get(path) != features.get(path))
            raise InvalidDataError(
                f'{self._folder}: episode {episode.episode_id}: got features that differ in '
                f'{", ".join(odd[:5])}, allowed those of the data set')


class RldsReader:
    """The episodes of all splits of a TFDS folder, in the order of dataset_info.json."""

    def __init__(self, folder: Path, fps: float = FPS) -> None:
        if not fps > 0:
            raise InvalidDataError(f'{folder}: got {fps} frames a second, allowed more than 0')
        self._folder, self._fps = Path(folder), fps
        self._info = layout.load_info(self._folder)
        self._features = layout.load_features(self._folder)
        if not any(path.startswith(STEPS) for path in self._features):
            raise InvalidDataError(
                f'{self._folder}: got features {", ".join(sorted(self._features)[:5])}, '
                'allowed those of RLDS: steps')
        self._shards = [
            (split.name, self._folder / self._info.shard(split, number))
            for split in self._info.splits for number in range(len(split.lengths))]
        lengths = [length for split in self._info.splits for length in split.lengths]
        self._ends = list(accumulate(lengths))
        self._known: dict[Path, list[Record]] = {}

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def read(self, index: int) -> Episode:
        """Return episode `index`; its pictures are decoded when they are asked for."""
        if not 0 <= index < len(self):
            raise InvalidDataError(
                f'{self._folder}: got episode {index}, allowed 0 to {len(self) - 1}')
        shard = bisect_right(self._ends, index)
        split, path = self._shards[shard]
        number = index - (self._ends[shard - 1] if shard else 0)
        with _named(path, index):
            return self._read(path, number, split, index)

    def close(self) -> None:
        """Do nothing: a file is open only while it is read."""

    def _read(self, path: Path, number: int, split: str, index: int) -> Episode:
        record = self._record(path, number)
        check(record)
        with path.open('rb') as file:
            found = parse(file, record.start, record.length)
            example = Example(path, f'episode {index}', file, self._features, found)
            if is_ours(example):
                return decode(example)
            name = re.sub(r'[^A-Za-z0-9._-]', '_', f'{self._info.name}-{split}-{index:06d}')
            return decode_foreign(example, name, split, self._fps)

    def _record(self, path: Path, number: int) -> Record:
        """Return where a record is; those before a damaged one can be found still."""
        if number >= len(self._known.get(path, ())):
            known = self._known[path] = []
            try:
                known.extend(records(path))
            except InvalidDataError:
                if number >= len(known):
                    raise
        known = self._known[path]
        if number >= len(known):
            raise InvalidDataError(f'got {len(known)} episodes, allowed {number + 1} or more')
        return known[number]


@contextmanager
def _named(path: Path, index: int) -> Iterator[None]:
    """Turn whatever is wrong with a record into one line that names file and episode."""
    try:
        yield
    except (OSError, KeyError, IndexError, TypeError, ValueError, AttributeError,
            OverflowError, RecursionError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].removeprefix(f'{path}: ')
        if isinstance(error, KeyError):
            reason = f'got nothing named {reason}'
        raise InvalidDataError(f'{path}: episode {index}: {reason}') from error
