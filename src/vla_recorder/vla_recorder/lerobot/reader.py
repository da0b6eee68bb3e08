"""Read a LeRobotDataset v3.0: one of ours with all it kept, or one that LeRobot itself wrote.

Data sets of LeRobot share a file among episodes and begin each camera of an episode at its own
place in a video. They have no true stamps: `timestamp` stands for them.
"""

from collections.abc import Mapping
from pathlib import Path
from weakref import WeakSet

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from vla_core.episode import Episode, Question, Stream, SubtaskSpan
from vla_core.errors import InvalidDataError
from vla_core.lazy import Values
from vla_recorder.header import header_from_json
from vla_recorder.lerobot.depth import DepthFrames
from vla_recorder.lerobot.foreign import depth_scale, picture_shape, stream_of
from vla_recorder.lerobot.images import ImageColumn
from vla_recorder.lerobot.info import Info, read_info
from vla_recorder.lerobot.language import EVENTS, PERSISTENT, questions_of, subtasks_of
from vla_recorder.lerobot.layout import episode_path, place, RAW_PATH, TASKS
from vla_recorder.lerobot.parquet import one_line, open_parquet, read_table
from vla_recorder.lerobot.raw import read_raw
from vla_recorder.lerobot.table import STAMP, to_numpy
from vla_recorder.table import restore, Table
from vla_recorder.video import VideoFrames


class LeRobotReader:
    """The episodes of a data set; pictures are decoded when they are asked for."""

    def __init__(self, root: Path) -> None:
        self._root = Path(root)
        self._info = read_info(self._root)
        self._tasks: dict[int, str] | None = None
        self._lines: dict[int, dict] | None = None  # once meta/episodes was searched
        self._broken = ''  # a file of it that cannot be read
        self._open: WeakSet[VideoFrames | DepthFrames | ImageColumn] = WeakSet()

    def __len__(self) -> int:
        return self._info.episodes

    def read(self, index: int) -> Episode:
        """Return episode `index`; InvalidDataError names the file and the episode."""
        if not 0 <= index < len(self):
            raise InvalidDataError(
                f'{self._root}: got episode {index}, allowed 0 to {len(self) - 1}')
        try:
            return self._read(index)
        except InvalidDataError as error:
            place = '' if str(self._root) in str(error) else f'{self._root}: '
            raise InvalidDataError(f'episode {index}: {place}{error}') from error

    def close(self) -> None:
        """Close the files of pictures."""
        for pictures in list(self._open):
            pictures.close()

    def _read(self, index: int) -> Episode:
        line = self._line(index)
        path = self._info.data_path(line)
        features = self._info.features
        first, rows = _rows(path, index, line, features)
        ours = any('stream' in feature for feature in features.values())
        stamps = _stamps(path, rows, self._info)
        columns = {}
        for key, feature in features.items():
            name = feature.get('stream') if ours else stream_of(key, feature)
            if name is not None:
                columns[name] = self._values(key, feature, line, path, first, rows)
        table = Table(stamps, columns)
        if (rows.schema.metadata or {}).get(b'raw') == b'true':
            kept = read_raw(self._root / RAW_PATH.format(**place(index)))
            table = Table(stamps, columns, kept.beside, kept.shown_ns, kept.age_s, kept.dropped)
        if isinstance(line.get('header'), str):
            return header_from_json(line['header'], restore(table))
        return self._described(index, restore(table), stamps, path, rows)

    def _values(self, key: str, feature: dict, line: dict, path: Path, first: int,
                rows: pa.Table) -> Values:
        """Return the values (N, ...) of a feature; pictures lazily."""
        if feature['dtype'] not in ('video', 'image'):
            return _column(path, rows, key, feature)
        height, width, channels = picture_shape(feature)
        if feature['dtype'] == 'video':
            start = line.get(f'videos/{key}/from_timestamp')
            if not isinstance(start, float) or not np.isfinite(start):
                raise InvalidDataError(
                    f'meta/episodes: got no from_timestamp of {key!r}, allowed seconds')
            times = start + _column(path, rows, 'timestamp', {'dtype': 'float64', 'shape': [1]})
            video, scale = self._info.video_path(line, key), depth_scale(feature)
            pictures = VideoFrames(video, times, height, width, self._info.fps,
                                   'gray12le' if scale else 'rgb24')
            if scale:
                pictures = DepthFrames(pictures, scale)
        else:
            stored = (feature.get('info') or {}).get('stored')
            shape = (rows.num_rows, height, width, *([channels] if channels > 1 else []))
            pictures = ImageColumn(path, key, first, shape, _dtype(path, stored))
        self._open.add(pictures)
        return pictures

    def _described(self, index: int, streams: Mapping[str, Stream], stamps: np.ndarray,
                   path: Path, rows: pa.Table) -> Episode:
        """Return an episode of a data set that only LeRobot's own columns describe."""
        numbers = _column(path, rows, 'task_index', {'dtype': 'int64', 'shape': [1]}).tolist()
        texts = [self._task(number) for number in numbers]
        success = None
        if 'next.success' in self._info.features:
            succeeded = {'dtype': 'bool', 'shape': [1]}
            success = bool(_column(path, rows, 'next.success', succeeded).any())
        spans, questions = _spoken(path, rows, stamps)
        return Episode(
            episode_id=f'episode_{index:06d}', robot=self._info.robot, task='',
            instruction=texts[0], success=success, streams=streams,
            subtasks=spans or _changes(texts, stamps), questions=questions)

    def _task(self, number: int) -> str:
        if self._tasks is None:
            table = read_table(self._root / TASKS)
            names = table.column_names
            text = 'task' if 'task' in names else '__index_level_0__'  # a pandas index
            if not {text, 'task_index'} <= set(names):
                raise InvalidDataError(
                    f'{self._root / TASKS}: got columns {names}, allowed task and task_index')
            self._tasks = dict(zip(table['task_index'].to_pylist(), table[text].to_pylist()))
        if number not in self._tasks:
            raise InvalidDataError(f'{self._root / TASKS}: got no task {number}')
        return str(self._tasks[number])

    def _line(self, index: int) -> dict:
        """Return what meta/episodes says of an episode: in the file we would have written, or
        in any other.
        """
        if self._lines is None:
            likely = self._root / episode_path(index)
            if likely.is_file():
                found = _lines(likely)
                if index in found:
                    return found[index]
            self._lines, self._broken = _all_lines(self._root / 'meta/episodes')
        if index not in self._lines:
            raise InvalidDataError(
                self._broken or f'{self._root / "meta/episodes"}: got no line of the episode')
        return self._lines[index]


def _all_lines(folder: Path) -> tuple[dict[int, dict], str]:
    """Return what all files of meta/episodes say, and what is wrong with the first broken one."""
    lines, broken = {}, ''
    for path in sorted(folder.glob('*/*.parquet')):
        try:
            lines |= _lines(path)
        except InvalidDataError as error:
            broken = broken or str(error)
    return lines, broken


def _spoken(path: Path, rows: pa.Table, stamps: np.ndarray
            ) -> tuple[tuple[SubtaskSpan, ...], tuple[Question, ...]]:
    """Return what the language columns say, where there are any."""
    spans: tuple[SubtaskSpan, ...] = ()
    questions: tuple[Question, ...] = ()
    try:
        if PERSISTENT in rows.column_names:
            spans = subtasks_of(rows[PERSISTENT][0].as_py() or (), int(stamps[-1]))
        if EVENTS in rows.column_names:
            questions = questions_of(rows[EVENTS].to_pylist(), stamps)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidDataError(
            f'{path}: got language columns of another kind ({one_line(error)})') from error
    return spans, questions


def _changes(texts: list[str], stamps: np.ndarray) -> tuple[SubtaskSpan, ...]:
    """Return a span for each task of an episode that has several."""
    begins = [k for k in range(len(texts)) if not k or texts[k] != texts[k - 1]]
    ends = [*begins[1:], len(texts) - 1]
    return tuple(SubtaskSpan(int(stamps[k]), int(stamps[end]), texts[k])
                 for k, end in zip(begins, ends, strict=True) if len(begins) > 1)


def _lines(path: Path) -> dict[int, dict]:
    with open_parquet(path) as file:
        names = [n for n in file.schema_arrow.names if not n.startswith('stats/')]
        lines = file.read(columns=names).to_pylist()
    if 'episode_index' not in names:
        raise InvalidDataError(f'{path}: got no episode_index, allowed lines of episodes')
    return {line['episode_index']: line for line in lines}


def _rows(path: Path, index: int, line: dict, features: Mapping[str, dict]
          ) -> tuple[int, pa.Table]:
    """Return the first row of an episode in its data file, and its rows without pictures."""
    with open_parquet(path) as file:
        if 'episode_index' not in file.schema_arrow.names:
            raise InvalidDataError(f'{path}: got no episode_index, allowed rows of frames')
        owner = file.read(columns=['episode_index'])['episode_index'].to_numpy()
        found = np.flatnonzero(owner == index)
        if not len(found) or found[-1] - found[0] + 1 != len(found):
            raise InvalidDataError(f'{path}: got {len(found)} rows, allowed 1 or more in a row')
        if line.get('length', len(found)) != len(found):
            raise InvalidDataError(
                f'{path}: got {len(found)} rows, allowed {line["length"]} as meta/episodes says')
        wanted = [n for n in file.schema_arrow.names
                  if features.get(n, {}).get('dtype') not in ('image', 'video', None)]
        missing = [n for n, f in features.items()
                   if f['dtype'] != 'video' and n not in file.schema_arrow.names]
        if missing:
            raise InvalidDataError(f'{path}: got no column {missing[0]!r}, allowed all features')
        return int(found[0]), _slice(file, wanted, int(found[0]), len(found))


def _slice(file: pq.ParquetFile, columns: list[str], first: int, count: int) -> pa.Table:
    """Return rows of a file, reading only the row groups they are in."""
    groups, start, skipped = [], 0, None
    for group in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if start < first + count and first < start + rows:
            groups.append(group)
            skipped = start if skipped is None else skipped
        start += rows
    return file.read_row_groups(groups, columns=columns).slice(first - skipped, count)


def _stamps(path: Path, rows: pa.Table, info: Info) -> np.ndarray:
    """Return the true stamps (N,) int64 [ns], or `timestamp` in their place."""
    if STAMP in info.features:
        return _column(path, rows, STAMP, info.features[STAMP])
    seconds = _column(path, rows, 'timestamp', {'dtype': 'float64', 'shape': [1]})
    frames = _column(path, rows, 'frame_index', {'dtype': 'int64', 'shape': [1]})
    exact = frames / info.fps  # what float32 seconds were rounded from
    even = len(seconds) == 0 or float(np.abs(seconds - exact).max()) < 1e-3
    return np.rint((exact if even else seconds) * 1e9).astype(np.int64)


def _column(path: Path, rows: pa.Table, key: str, feature: Mapping) -> np.ndarray:
    try:
        return to_numpy(rows[key], feature)
    except (KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise InvalidDataError(
            f'{path}: got column {key!r} ({one_line(error)}), '
            f'allowed {feature["dtype"]} {feature["shape"]}') from error


def _dtype(path: Path, stored: object) -> np.dtype | None:
    if stored is None:
        return None
    if stored not in ('uint8', 'uint16', 'float32'):
        raise InvalidDataError(f'{path}: got pictures of {stored!r:.50}, allowed numbers')
    return np.dtype(stored)
