"""Episodes of a LeRobotDataset v3.0 for the loader, whoever wrote it.

The tables are read once, each file of them once; of a video the loader keeps where its packets
are. Many episodes may share a table and a video, as LeRobot's own writer has it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from vla_core.episode import SubtaskSpan
from vla_core.errors import InvalidDataError
from vla_recorder.header import header_from_json
from vla_recorder.lerobot_layout import INFO, read_json, TASKS
from vla_recorder.loader_episode import EpisodeRows, Pictures, VideoPictures
from vla_recorder.loader_video import index_video, VideoIndex

STATE, ACTION = 'observation.state', 'action'
_IMAGES = ('observation.images.', 'observation.')  # what goes before a camera's name
_STAMP = 'stamp_ns'  # ours: the true stamps
_LANGUAGE = 'language_persistent'


@dataclass(frozen=True)
class _Source:
    """A data set whose files are read as they are needed, tables once."""

    root: Path
    info: Mapping
    tasks: Mapping[int, str]
    videos: Mapping[str, str]  # camera -> feature

    def path(self, template: str, line: Mapping, group: str, **fields: str) -> Path:
        """Return a file that info.json and an episode's line name; never one outside."""
        pattern = self.info.get(template)
        try:
            name = pattern.format(
                chunk_index=line[f'{group}/chunk_index'], file_index=line[f'{group}/file_index'],
                **fields)
            path = (self.root / name).resolve()
        except (AttributeError, KeyError, IndexError, ValueError, TypeError) as error:
            raise InvalidDataError(
                f'{self.root / INFO}: got {template} {pattern!r} ({type(error).__name__} {error}),'
                ' allowed a path with chunk_index, file_index and video_key') from error
        if not path.is_relative_to(self.root.resolve()):
            raise InvalidDataError(
                f'{self.root / INFO}: got {template} {pattern!r}, allowed a path inside the data '
                'set')
        return path


def read_rows(
    root: Path, cameras: Sequence[str] | None
) -> Iterator[tuple[str, EpisodeRows | InvalidDataError]]:
    """Yield every episode, or what is wrong with it, with the name of its place.

    Raises InvalidDataError where the data set as a whole cannot be read.
    """
    source = _open(root, cameras)
    table, video = cache(_read_data), cache(index_video)
    for line in _episode_lines(root):
        name = f'{root}: episode {line["episode_index"]}'
        try:
            yield name, _read_episode(source, line, name, table, video)
        except InvalidDataError as error:
            yield name, error if str(error).startswith(name) else InvalidDataError(
                f'{name}: {error}')


def _open(root: Path, cameras: Sequence[str] | None) -> _Source:
    info = read_json(root / INFO)
    features = info.get('features')
    version = str(info.get('codebase_version'))
    if not version.startswith('v3.') or not isinstance(features, dict):
        raise InvalidDataError(
            f'{root / INFO}: got codebase_version {version!r}, allowed v3.0 with features')
    fps = info.get('fps')
    if not isinstance(fps, int | float) or fps <= 0:
        raise InvalidDataError(f'{root / INFO}: got fps {fps!r}, allowed a positive number')
    missing = [name for name in (STATE, ACTION) if name not in features]
    if missing:
        raise InvalidDataError(f'{root / INFO}: got no feature {missing[0]!r}, allowed one')
    videos = {_camera(key): key for key, feature in features.items() if _is_camera(key, feature)}
    unknown = [camera for camera in cameras or () if camera not in videos]
    if unknown:
        raise InvalidDataError(
            f'{root}: got no camera {unknown[0]!r} kept as video, '
            f'allowed {", ".join(sorted(videos))}')
    wanted = sorted(videos) if cameras is None else cameras
    return _Source(root, info, _tasks(root), {camera: videos[camera] for camera in wanted})


def _is_camera(key: str, feature: Mapping) -> bool:
    depth = (feature.get('info') or {}).get('is_depth_map', False)
    return feature.get('dtype') == 'video' and key.startswith('observation.image') and not depth


def _camera(key: str) -> str:
    for prefix in _IMAGES:
        if key.startswith(prefix):
            return key.removeprefix(prefix)
    return key


def _tasks(root: Path) -> dict[int, str]:
    table = _read(root / TASKS)
    text = next((n for n in ('task', '__index_level_0__') if n in table.column_names), None)
    if text is None or 'task_index' not in table.column_names:
        raise InvalidDataError(
            f'{root / TASKS}: got {table.column_names}, allowed task_index and task')
    return dict(zip(table['task_index'].to_pylist(), table[text].to_pylist()))


def _episode_lines(root: Path) -> Iterator[dict]:
    """Yield the lines of meta/episodes without their statistics."""
    files = sorted((root / 'meta' / 'episodes').rglob('*.parquet'))
    if not files:
        raise InvalidDataError(f'{root}/meta/episodes: got no file, allowed one or more')
    for path in files:
        names = [n for n in _names(path) if not n.startswith('stats/')]
        yield from _read(path, names).to_pylist()


def _read_episode(
    source: _Source, line: Mapping, name: str, table: object, video: object
) -> EpisodeRows:
    index = line['episode_index']
    path = source.path('data_path', line, 'data')
    data = table(path)
    rows = data.filter(pc.equal(data['episode_index'], index)).sort_by('frame_index')
    if len(rows) != line['length'] or not len(rows):
        raise InvalidDataError(f'{name}: got {len(rows)} rows in {path}, allowed {line["length"]}')
    times = _times_s(rows, source.info['fps'])
    stamps = (rows[_STAMP].to_numpy() if _STAMP in rows.column_names
              else np.round(times * 1e9).astype(np.int64))
    instructions, which = _instructions(source, rows, name)
    return EpisodeRows(
        name=name, stamps_ns=stamps, state=_vectors(rows[STATE], name),
        action=_vectors(rows[ACTION], name),
        pictures=_pictures(source, line, times, video), instructions=instructions,
        instruction=which, subtasks=_subtasks(line, rows, stamps, times))


def _times_s(rows: pa.Table, fps: float) -> np.ndarray:
    """Return the times (N,) float64 [s], without the rounding of LeRobot's float32."""
    said = rows['timestamp'].to_numpy().astype(np.float64)
    exact = rows['frame_index'].to_numpy() / fps
    return exact if np.abs(said - exact).max() < 1e-3 else said


def _pictures(
    source: _Source, line: Mapping, times: np.ndarray, video: object
) -> dict[str, Pictures]:
    found: dict[str, Pictures] = {}
    for camera, key in source.videos.items():
        path = source.path('video_path', line, f'videos/{key}', video_key=key)
        index: VideoIndex = video(path)
        start = line[f'videos/{key}/from_timestamp']  # a camera each: they may differ
        frames = index.frame_at(start + times, 0.5 / source.info['fps'])
        found[camera] = VideoPictures(index, frames)
    return found


def _instructions(
    source: _Source, rows: pa.Table, name: str
) -> tuple[tuple[str, ...], np.ndarray]:
    numbers, which = np.unique(rows['task_index'].to_numpy(), return_inverse=True)
    unknown = [int(n) for n in numbers if n not in source.tasks]
    if unknown:
        raise InvalidDataError(
            f'{name}: got task_index {unknown[0]}, allowed one of {source.root / TASKS}')
    return tuple(source.tasks[int(n)] for n in numbers), which.astype(np.int32)


def _subtasks(
    line: Mapping, rows: pa.Table, stamps: np.ndarray, times: np.ndarray
) -> tuple[SubtaskSpan, ...]:
    """Return our own subtasks, or those of LeRobot's language column."""
    if line.get('header'):
        return header_from_json(line['header'], {}).subtasks
    if _LANGUAGE not in rows.column_names:
        return ()
    said = {(item['timestamp'], item['content']) for item in rows[_LANGUAGE][0].as_py() or ()
            if item.get('style') == 'subtask'}
    begins = sorted((float(t), text) for t, text in said if t is not None and text)
    ends = [*(t for t, _ in begins[1:]), float(times[-1])]
    first = int(stamps[0]) - round(float(times[0]) * 1e9)
    return tuple(
        SubtaskSpan(first + round(t * 1e9), first + round(max(end, t) * 1e9), text)
        for (t, text), end in zip(begins, ends))


def _vectors(column: pa.ChunkedArray, name: str) -> np.ndarray:
    array = column.combine_chunks()
    nested = pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type)
    flat = array.flatten() if nested else array
    values = flat.to_numpy(zero_copy_only=False).astype(np.float32)
    if len(values) % len(array):
        raise InvalidDataError(f'{name}: got rows of several lengths, allowed one')
    return values.reshape(len(array), -1)


def _read_data(path: Path) -> pa.Table:
    wanted = ('episode_index', 'frame_index', 'timestamp', 'task_index', STATE, ACTION, _STAMP,
              _LANGUAGE)
    names = _names(path)
    missing = [name for name in wanted[:6] if name not in names]
    if missing:
        raise InvalidDataError(f'{path}: got no column {missing[0]!r}, allowed one')
    return _read(path, [name for name in wanted if name in names])


def _names(path: Path) -> list[str]:
    try:
        return pq.read_schema(path).names
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def _read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    try:
        return pq.read_table(path, columns=columns, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InvalidDataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InvalidDataError(f'{path}: not a readable Parquet file ({reason})')
