"""Episodes as a LeRobotDataset v3.0 that is whole whenever its writer may be killed.

Each episode is one data file, one video a camera and one file of `meta/episodes`, which the
format allows. They are written and synced in `.staging/`, renamed into place, and become part
of the data set when `meta/info.json`, replaced last, counts them. What a killed writer left
behind belongs to no counted episode: LeRobot reads past it and the next episode replaces it.
"""

from collections.abc import Mapping
import fcntl
import json
import os
from pathlib import Path
import shutil

import pyarrow as pa
from vla_core.episode import Episode, Stream
from vla_core.errors import InvalidDataError
from vla_core.spec import RobotSpec
from vla_recorder import video
from vla_recorder.header import header_from_json, header_to_json
from vla_recorder.lerobot_layout import (
    data_path,
    DataSet,
    episode_path,
    INFO,
    load,
    new_info,
    place,
    read_table,
    STATS,
    TASKS,
    tasks_table,
    to_parquet,
    video_path,
)
from vla_recorder.lerobot_stats import aggregate, FeatureStats, image_stats, vector_stats
from vla_recorder.lerobot_table import (
    Column,
    episode_columns,
    index_columns,
    STAMP,
    to_numpy,
    to_table,
)
from vla_recorder.store import sync


class LeRobotWriter:
    """Appends episodes to the data set in a folder; one is durable when `write` returns.

    One writer at a time has the folder. Its memory does not grow with the data set.
    """

    def __init__(self, root: Path, fps: int, robot: RobotSpec) -> None:
        self._root, self._fps, self._robot = Path(root), fps, robot
        self._root.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self._root)
        try:
            self._data = load(self._root)
            self._check_origin()
            _remove_leftovers(self._root, self._data)
        except BaseException:
            self.close()
            raise

    @property
    def episodes(self) -> int:
        """Number of episodes in the data set."""
        return self._data.episodes if self._data else 0

    def write(self, episode: Episode) -> None:
        """Append `episode`; after an error the data set is as it was before."""
        if self._lock is None:
            raise InvalidDataError(f'{self._root}: got an episode after close()')
        if episode.robot != self._robot.name:
            raise InvalidDataError(
                f'{self._root}: got an episode of {episode.robot!r}, '
                f'allowed {self._robot.name!r}')
        columns = episode_columns(episode, self._robot, self._fps)
        self._data = _append(self._root, self._data, episode, columns, self._robot, self._fps)

    def close(self) -> None:
        """Let another writer have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _check_origin(self) -> None:
        if self._data is None:
            return
        info = self._data.info
        for key, wanted in (('fps', self._fps), ('robot_type', self._robot.name)):
            if info.get(key) != wanted:
                raise InvalidDataError(
                    f'{self._root}: got a data set of {key} {info.get(key)!r}, allowed {wanted!r}')


def read_episode(root: Path, index: int) -> Episode:
    """Return episode `index` of a data set this module wrote; its images went through a codec."""
    root = Path(root)
    data = load(root)
    count = data.episodes if data else 0
    if data is None or not 0 <= index < count:
        raise InvalidDataError(f'{root}: got episode {index}, allowed 0 to {count - 1}')
    line = read_table(root / episode_path(index)).to_pylist()[0]
    table = read_table(root / data_path(index))
    stamps = to_numpy(table[STAMP], data.info['features'][STAMP])
    streams = {}
    for key, feature in data.info['features'].items():
        if 'stream' in feature:
            values = (video.decode(root / video_path(index, key))
                      if feature['dtype'] == 'video' else to_numpy(table[key], feature))
            streams[feature['stream']] = Stream(stamps, values)
    return header_from_json(line['header'], streams)


def _append(root: Path, data: DataSet | None, episode: Episode,
            columns: dict[str, Column], robot: RobotSpec, fps: int) -> DataSet:
    """Put one episode on the disk and return the data set with it."""
    if data is None:
        data = DataSet(new_info(robot.name, fps, {}), (), {})
    task, tasks = _task_index(data.tasks, episode.instruction)
    steps = len(columns[STAMP].values)
    columns = {**columns, **index_columns(steps, fps, data.episodes, data.frames, task)}
    stats = {name: _stats(column) for name, column in columns.items()}
    after = DataSet(
        _grown_info(root, data, columns, steps, len(tasks)), tasks,
        aggregate(data.stats, stats) if data.stats else stats)
    files = _episode_files(data, episode, columns, stats, fps)
    files[TASKS] = to_parquet(tasks_table(tasks))
    files[STATS] = _json({k: {n: v.tolist() for n, v in s.items()}
                          for k, s in after.stats.items()})
    files[INFO] = _json(after.info)
    _publish(root, files)
    return after


def _episode_files(data: DataSet, episode: Episode, columns: Mapping[str, Column],
                   stats: Mapping[str, FeatureStats], fps: int) -> dict[str, bytes]:
    index = data.episodes
    files = {
        video_path(index, key): video.encode(column.values, fps)
        for key, column in columns.items() if column.is_video}
    files[data_path(index)] = to_parquet(to_table(columns))
    files[episode_path(index)] = to_parquet(_episode_line(data, episode, columns, stats, fps))
    return files


def _episode_line(data: DataSet, episode: Episode, columns: Mapping[str, Column],
                  stats: Mapping[str, FeatureStats], fps: int) -> pa.Table:
    """Return the episode's line of meta/episodes: LeRobot's columns, then ours."""
    index, steps = data.episodes, len(columns[STAMP].values)
    line: dict[str, object] = {
        'episode_index': index, 'tasks': [episode.instruction], 'length': steps,
        'dataset_from_index': data.frames, 'dataset_to_index': data.frames + steps}
    for group in ('data', 'meta/episodes'):
        line |= {f'{group}/{key}': value for key, value in place(index).items()}
    for key in (key for key, column in columns.items() if column.is_video):
        line |= {f'videos/{key}/{name}': value for name, value in place(index).items()}
        line |= {f'videos/{key}/from_timestamp': 0.0, f'videos/{key}/to_timestamp': steps / fps}
    for feature, values in stats.items():
        line |= {f'stats/{feature}/{name}': value.tolist() for name, value in values.items()}
    line |= {'episode_id': episode.episode_id, 'task': episode.task,
             'success': episode.success, 'seed': episode.seed, 'header': header_to_json(episode)}
    types = {'success': pa.bool_(), 'seed': pa.int64()}
    return pa.table({key: pa.array([value], types.get(key)) for key, value in line.items()})


def _grown_info(root: Path, data: DataSet, columns: Mapping[str, Column],
                steps: int, tasks: int) -> dict:
    features = {key: column.feature for key, column in columns.items()}
    if data.episodes and data.info['features'] != features:
        known = data.info['features']
        odd = sorted(k for k in {*known, *features} if known.get(k) != features.get(k))
        raise InvalidDataError(
            f'{root}: got an episode that differs in {", ".join(odd)}, '
            'allowed the features of the data set')
    episodes = data.episodes + 1
    return {
        **data.info, 'features': features, 'total_episodes': episodes,
        'total_frames': data.frames + steps, 'total_tasks': tasks,
        'splits': {'train': f'0:{episodes}'}}


def _stats(column: Column) -> FeatureStats:
    return image_stats(column.values) if column.is_video else vector_stats(column.values)


def _task_index(tasks: tuple[str, ...], instruction: str) -> tuple[int, tuple[str, ...]]:
    if instruction in tasks:
        return tasks.index(instruction), tasks
    return len(tasks), (*tasks, instruction)


def _json(value: Mapping) -> bytes:
    return json.dumps(value, indent=1).encode()


def _publish(root: Path, files: Mapping[str, bytes]) -> None:
    """Write and sync all files aside, then give them their names, the last one last."""
    staging = root / '.staging'
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        for number, content in enumerate(files.values()):
            (staging / str(number)).write_bytes(content)
            sync(staging / str(number))
        *parts, last = enumerate(files)
        for number, name in parts:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging / str(number), root / name)
        for folder in _folders(root, files):
            sync(folder)
        os.replace(staging / str(last[0]), root / last[1])
        sync((root / last[1]).parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _folders(root: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Return every folder on the way to the files, the root first."""
    found = {root / parent for name in files for parent in Path(name).parents}
    return sorted(found)


def _remove_leftovers(root: Path, data: DataSet | None) -> None:
    """Remove what a killed writer left: the files of the first episode not counted."""
    index = data.episodes if data else 0
    shutil.rmtree(root / '.staging', ignore_errors=True)
    (root / data_path(index)).unlink(missing_ok=True)
    (root / episode_path(index)).unlink(missing_ok=True)
    for folder in (root / 'videos').glob('*'):
        (root / video_path(index, folder.name)).unlink(missing_ok=True)


def _lock(root: Path) -> int:
    descriptor = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise InvalidDataError(
            f'{root}: got a second writer, allowed one at a time') from error
    return descriptor
