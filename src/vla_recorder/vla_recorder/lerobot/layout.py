"""Where a LeRobotDataset v3.0 keeps what, and whether a folder holds a whole one."""

from collections.abc import Mapping
from dataclasses import dataclass
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from vla_core.errors import InvalidDataError
from vla_recorder.lerobot.parquet import one_line, read_table
from vla_recorder.lerobot.stats import aggregate, FeatureStats

VERSION = 'v3.0'
CHUNK = 1000  # files a folder
INFO = 'meta/info.json'
STATS = 'meta/stats.json'
TASKS = 'meta/tasks.parquet'
_FILE = 'chunk-{chunk_index:03d}/file-{file_index:03d}'
DATA_PATH = f'data/{_FILE}.parquet'
VIDEO_PATH = f'videos/{{video_key}}/{_FILE}.mp4'
EPISODE_PATH = f'meta/episodes/{_FILE}.parquet'
RAW_PATH = f'raw/{_FILE}.parquet'  # ours; see lerobot_raw


@dataclass(frozen=True)
class DataSet:
    """What a writer must know of a data set to append to it; it does not grow with it."""

    info: dict  # meta/info.json
    tasks: tuple[str, ...]  # in the order of task_index
    stats: dict[str, FeatureStats]

    @property
    def episodes(self) -> int:
        """Number of whole episodes."""
        return self.info['total_episodes']

    @property
    def frames(self) -> int:
        """Number of frames of the whole episodes."""
        return self.info['total_frames']

    @property
    def cameras(self) -> list[str]:
        """Keys of the features kept as videos."""
        return [k for k, feature in self.info['features'].items() if feature['dtype'] == 'video']


def place(index: int) -> dict[str, int]:
    """Return the chunk and file of an episode: one file an episode."""
    return {'chunk_index': index // CHUNK, 'file_index': index % CHUNK}


def data_path(index: int) -> str:
    """Return the data file of an episode, relative to the root."""
    return DATA_PATH.format(**place(index))


def episode_path(index: int) -> str:
    """Return the file of an episode's line in meta/episodes."""
    return EPISODE_PATH.format(**place(index))


def video_path(index: int, key: str) -> str:
    """Return the video file of an episode and camera key."""
    return VIDEO_PATH.format(video_key=key, **place(index))


def raw_path(index: int) -> str:
    """Return the file of an episode's streams with stamps of their own."""
    return RAW_PATH.format(**place(index))


def new_info(robot: str, fps: int, features: Mapping[str, dict]) -> dict:
    """Return meta/info.json of a data set without episodes."""
    return {
        'codebase_version': VERSION, 'robot_type': robot, 'total_episodes': 0,
        'total_frames': 0, 'total_tasks': 0, 'chunks_size': CHUNK,
        'data_files_size_in_mb': 100, 'video_files_size_in_mb': 200, 'fps': fps,
        'splits': {}, 'data_path': DATA_PATH, 'video_path': VIDEO_PATH,
        'features': dict(features)}


def to_parquet(table: pa.Table) -> bytes:
    """Return the table as a Parquet file of one row group."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression='snappy', row_group_size=max(1, len(table)))
    return sink.getvalue().to_pybytes()


def tasks_table(tasks: tuple[str, ...]) -> pa.Table:
    """Return the tasks so that pandas reads them as an index named `task`."""
    table = pa.table({
        'task_index': pa.array(range(len(tasks)), pa.int64()),
        'task': pa.array(tasks, pa.string())})
    column = {'metadata': None, 'name': 'task_index', 'field_name': 'task_index',
              'numpy_type': 'int64', 'pandas_type': 'int64'}
    index = {'metadata': None, 'name': 'task', 'field_name': 'task',
             'numpy_type': 'object', 'pandas_type': 'unicode'}
    pandas = {'index_columns': ['task'], 'column_indexes': [], 'columns': [column, index],
              'pandas_version': '2.2.0',
              'creator': {'library': 'pyarrow', 'version': pa.__version__}}
    return table.replace_schema_metadata({'pandas': json.dumps(pandas)})


def read_json(path: Path) -> dict:
    """Return a JSON object; InvalidDataError names a missing, truncated or corrupt file."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidDataError(f'{path}: not readable JSON ({one_line(error)})') from error
    if not isinstance(value, dict):
        raise InvalidDataError(f'{path}: got a {type(value).__name__}, allowed a JSON object')
    return value


def load(root: Path) -> DataSet | None:
    """Return the data set in `root`, or None where there is none yet.

    Raises InvalidDataError with one line when its parts contradict each other: a counted file
    is missing, or there is more than the one half-written episode a killed writer can leave.
    """
    if not (root / INFO).exists():
        _refuse_strangers(root, 0)
        return None
    info = _checked_info(root)
    _check_files(root, info)
    _refuse_strangers(root, info['total_episodes'])
    tasks = tuple(read_table(root / TASKS).sort_by('task_index')['task'].to_pylist())
    if len(tasks) < info['total_tasks']:
        raise InvalidDataError(
            f'{root / TASKS}: got {len(tasks)} tasks, allowed {info["total_tasks"]} or more')
    return DataSet(info, tasks[:info['total_tasks']], _load_stats(root, info))


def _checked_info(root: Path) -> dict:
    path = root / INFO
    info = read_json(path)
    wanted = {'codebase_version': VERSION, 'chunks_size': CHUNK,
              'data_path': DATA_PATH, 'video_path': VIDEO_PATH}
    for key, value in wanted.items():
        if info.get(key) != value:
            raise InvalidDataError(f'{path}: got {key} {info.get(key)!r}, allowed {value!r}')
    for key in ('total_episodes', 'total_frames', 'total_tasks', 'fps'):
        if not isinstance(info.get(key), int) or info[key] < 0:
            raise InvalidDataError(f'{path}: got {key} {info.get(key)!r}, allowed a count')
    if not isinstance(info.get('features'), dict):
        raise InvalidDataError(f'{path}: got no features, allowed a description of each column')
    return info


def _check_files(root: Path, info: dict) -> None:
    count = info['total_episodes']
    cameras = [k for k, feature in info['features'].items() if feature['dtype'] == 'video']
    for index in range(count):
        files = [data_path(index), episode_path(index), *(video_path(index, k) for k in cameras)]
        for file in files:
            if not (root / file).is_file():
                raise InvalidDataError(
                    f'{root}: got no {file}, allowed all files of {count} episodes')
    if count:
        last = read_table(root / episode_path(count - 1)).to_pylist()[0]
        if (last['episode_index'], last['dataset_to_index']) != (count - 1, info['total_frames']):
            raise InvalidDataError(
                f'{root}: got {info["total_frames"]} frames in {INFO}, allowed '
                f'{last["dataset_to_index"]} as {episode_path(count - 1)} says')


def _refuse_strangers(root: Path, count: int) -> None:
    """Allow files of the counted episodes and of the one that was being written."""
    known = {str(Path(data_path(k)).relative_to('data')) for k in range(count + 1)}
    known = {name.removesuffix('.parquet') for name in known}
    for folder in (root / 'data', root / 'meta/episodes'):
        for path in sorted(folder.glob('*/*')):
            if str(path.relative_to(folder).with_suffix('')) not in known:
                raise InvalidDataError(
                    f'{root}: got {path.relative_to(root)}, allowed files of {count} episodes')


def _load_stats(root: Path, info: dict) -> dict[str, FeatureStats]:
    """Return meta/stats.json, or put it together anew when it counts other frames."""
    path = root / STATS
    if path.exists():
        stats = {
            name: {key: np.array(value) for key, value in feature.items()}
            for name, feature in read_json(path).items()}
        if stats and stats['index']['count'][0] == info['total_frames']:
            return stats
    total: dict[str, FeatureStats] = {}
    for index in range(info['total_episodes']):
        one = _episode_stats(root / episode_path(index))
        total = aggregate(total, one) if total else one
    return total


def _episode_stats(path: Path) -> dict[str, FeatureStats]:
    stats: dict[str, FeatureStats] = {}
    for column, value in read_table(path).to_pylist()[0].items():
        if column.startswith('stats/'):
            _, feature, key = column.split('/')
            stats.setdefault(feature, {})[key] = np.array(value)
    return stats
