"""Episodes of a LeRobotDataset v3.0 for the loader, whoever wrote it.

The tables are read once, each file of them once; of a video the loader keeps where its packets
are. Many episodes may share a table and a video, as LeRobot's own writer has it. Pictures that
are kept as images inside a table go through the codec.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from vla_core.episode import IMAGE_PREFIX
from vla_core.errors import InvalidDataError
from vla_recorder.header import header_from_json
from vla_recorder.lerobot.foreign import picture_shape, stream_of
from vla_recorder.lerobot.info import Info, read_info
from vla_recorder.lerobot.language import EVENTS, PERSISTENT, questions_of, subtasks_of
from vla_recorder.lerobot.layout import TASKS
from vla_recorder.lerobot.parquet import open_parquet, read_table
from vla_recorder.lerobot.table import STAMP
from vla_recorder.loader.episode import EpisodeRows, LazyPictures, Pictures, VideoPictures
from vla_recorder.loader.video import index_video, VideoIndex

STATE, ACTION = 'observation.state', 'action'
_NEEDED = ('episode_index', 'frame_index', 'timestamp', 'task_index', STATE, ACTION)


@dataclass(frozen=True)
class _Source:
    """A data set and what was read of it so far."""

    info: Info
    tasks: Mapping[int, str]
    cameras: Mapping[str, str]  # camera -> feature
    table: Callable[[Path], pa.Table]
    video: Callable[[Path], VideoIndex]


def read_rows(
    root: Path, cameras: Sequence[str] | None
) -> Iterator[tuple[str, EpisodeRows | InvalidDataError]]:
    """Yield every episode, or what is wrong with it, with the name of its place.

    Raises InvalidDataError where the data set as a whole cannot be read.
    """
    info = read_info(root)
    source = _Source(
        info, _tasks(root), _cameras(info, cameras), cache(_read_data), cache(index_video))
    for line in _episode_lines(info):
        name = f'{root}: episode {line["episode_index"]}'
        try:
            yield name, _read_episode(source, line, name)
        except InvalidDataError as error:
            yield name, InvalidDataError(f'{name}: {error}')


def _cameras(info: Info, cameras: Sequence[str] | None) -> dict[str, str]:
    """Return the feature of every wanted camera."""
    missing = [name for name in (STATE, ACTION) if name not in info.features]
    if missing:
        raise InvalidDataError(f'{info.root}: got no feature {missing[0]!r}, allowed one')
    known = {}
    for key, feature in info.features.items():
        depth = (feature.get('info') or {}).get('is_depth_map')
        if feature['dtype'] in ('video', 'image') and not depth:
            stream = feature.get('stream') or stream_of(key, feature) or ''
            if stream.startswith(IMAGE_PREFIX):
                known[stream.removeprefix(IMAGE_PREFIX)] = key
    unknown = [camera for camera in cameras or () if camera not in known]
    if unknown:
        raise InvalidDataError(
            f'{info.root}: got no camera {unknown[0]!r}, allowed {", ".join(sorted(known))}')
    return {camera: known[camera] for camera in (sorted(known) if cameras is None else cameras)}


def _tasks(root: Path) -> dict[int, str]:
    table = read_table(root / TASKS)
    text = next((n for n in ('task', '__index_level_0__') if n in table.column_names), None)
    if text is None or 'task_index' not in table.column_names:
        raise InvalidDataError(
            f'{root / TASKS}: got {table.column_names}, allowed task_index and task')
    return dict(zip(table['task_index'].to_pylist(), table[text].to_pylist()))


def _episode_lines(info: Info) -> Iterator[dict]:
    """Yield the lines of meta/episodes that info.json counts, without their statistics."""
    files = sorted((info.root / 'meta' / 'episodes').glob('*/*.parquet'))
    if not files:
        raise InvalidDataError(f'{info.root}/meta/episodes: got no file, allowed one or more')
    for path in files:
        table = _read(path, lambda name: not name.startswith('stats/'))
        if not {'episode_index', 'length'} <= set(table.column_names):
            raise InvalidDataError(
                f'{path}: got {table.column_names}, allowed episode_index and length')
        yield from (line for line in table.to_pylist() if line['episode_index'] < info.episodes)


def _read_episode(source: _Source, line: Mapping, name: str) -> EpisodeRows:
    info = source.info
    path = info.data_path(line)
    data = source.table(path)
    rows = data.filter(pc.equal(data['episode_index'], line['episode_index']))
    rows = rows.sort_by('frame_index')
    if len(rows) != line['length'] or not len(rows):
        raise InvalidDataError(f'{path}: got {len(rows)} rows, allowed {line["length"]}')
    times = _times_s(rows, info.fps)
    ours = STAMP in rows.column_names and line.get('header') is not None
    stamps = rows[STAMP].to_numpy() if ours else np.rint(times * 1e9).astype(np.int64)
    instructions, which = _instructions(source, rows)
    return EpisodeRows(
        name=name, stamps_ns=stamps, state=_vectors(rows[STATE], path),
        action=_vectors(rows[ACTION], path), pictures=_pictures(source, line, times),
        instructions=instructions, instruction=which,
        **(_kept(line['header']) if ours else _said(rows, stamps)))


def _times_s(rows: pa.Table, fps: float) -> np.ndarray:
    """Return the times (N,) float64 [s], without the rounding of LeRobot's float32."""
    said = rows['timestamp'].to_numpy().astype(np.float64)
    exact = rows['frame_index'].to_numpy() / fps
    return exact if np.abs(said - exact).max() < 1e-3 else said


def _pictures(source: _Source, line: Mapping, times: np.ndarray) -> dict[str, Pictures]:
    info, found = source.info, {}
    for camera, key in source.cameras.items():
        if info.features[key]['dtype'] == 'image':
            height, width, _ = picture_shape(info.features[key])
            found[camera] = LazyPictures(
                info.root, line['episode_index'], IMAGE_PREFIX + camera, height, width)
            continue
        start = line.get(f'videos/{key}/from_timestamp')  # a camera each: they may differ
        if not isinstance(start, float):
            raise InvalidDataError(
                f'meta/episodes: got from_timestamp {start!r} of {key!r}, allowed seconds')
        index = source.video(info.video_path(line, key))
        found[camera] = VideoPictures(index, index.frame_at(start + times, 0.5 / info.fps))
    return found


def _instructions(source: _Source, rows: pa.Table) -> tuple[tuple[str, ...], np.ndarray]:
    numbers, which = np.unique(rows['task_index'].to_numpy(), return_inverse=True)
    unknown = [int(n) for n in numbers if n not in source.tasks]
    if unknown:
        raise InvalidDataError(f'{source.info.root / TASKS}: got no task {unknown[0]}')
    return tuple(source.tasks[int(n)] for n in numbers), which.astype(np.int32)


def _kept(header: str) -> dict[str, tuple]:
    """Return subtasks and questions of an episode of ours."""
    episode = header_from_json(header, {})
    return {'subtasks': episode.subtasks, 'questions': episode.questions}


def _said(rows: pa.Table, stamps: np.ndarray) -> dict[str, tuple]:
    """Return subtasks and questions of LeRobot's language columns, as far as there are any."""
    found: dict[str, tuple] = {}
    if PERSISTENT in rows.column_names:
        found['subtasks'] = subtasks_of(rows[PERSISTENT][0].as_py() or (), int(stamps[-1]))
    if EVENTS in rows.column_names:
        found['questions'] = questions_of(rows[EVENTS].to_pylist(), stamps)
    return found


def _vectors(column: pa.ChunkedArray, path: Path) -> np.ndarray:
    array = column.combine_chunks()
    nested = pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type)
    flat = array.flatten() if nested else array
    if len(flat) % len(array) or flat.null_count:
        raise InvalidDataError(f'{path}: got rows of several lengths, allowed one')
    return flat.to_numpy(zero_copy_only=False).astype(np.float32).reshape(len(array), -1)


def _read_data(path: Path) -> pa.Table:
    table = _read(path, lambda name: name in (*_NEEDED, STAMP, PERSISTENT, EVENTS))
    missing = [name for name in _NEEDED if name not in table.column_names]
    if missing:
        raise InvalidDataError(f'{path}: got no column {missing[0]!r}, allowed one')
    return table


def _read(path: Path, wanted: Callable[[str], bool]) -> pa.Table:
    with open_parquet(path) as file:
        return file.read(columns=[name for name in file.schema_arrow.names if wanted(name)])
