"""Episodes as a LeRobotDataset v3.0 that is whole whenever its writer may be killed.

Each episode is one data file, one video a camera and one file of `meta/episodes`, which the
format allows, and one file in `raw/` where streams have stamps of their own. They are written
and synced in `.staging/`, renamed into place, and become part of the data set when
`meta/info.json`, replaced last, counts them. What a killed writer left behind belongs to no
counted episode: LeRobot reads past it and the next episode replaces it.
"""

from collections.abc import Mapping
from dataclasses import replace
import fcntl
import json
import os
from pathlib import Path
import shutil

import numpy as np
from vla_core.episode import Episode, Stream
from vla_core.errors import InvalidDataError
from vla_core.lazy import is_lazy
from vla_core.spec import RobotSpec
from vla_recorder.formats import WriteOptions
from vla_recorder.lerobot.episode import episode_line, write_columns
from vla_recorder.lerobot.language import PERSISTENT
from vla_recorder.lerobot.layout import (
    data_path,
    DataSet,
    episode_path,
    INFO,
    load,
    new_info,
    raw_path,
    STATS,
    TASKS,
    tasks_table,
    to_parquet,
    video_path,
)
from vla_recorder.lerobot.raw import raw_table, write_raw
from vla_recorder.lerobot.reader import LeRobotReader
from vla_recorder.lerobot.staging import FOLDER, Staging
from vla_recorder.lerobot.stats import aggregate
from vla_recorder.lerobot.table import Column, episode_columns, index_columns
from vla_recorder.table import rules_of, tabulate

UNEVEN = 0.2  # by how much an episode's own rate may differ from the data set's


def holds(path: Path) -> bool:
    """Say whether `path` looks like a LeRobotDataset, of whichever version."""
    return (Path(path) / INFO).is_file()


def open_reader(path: Path) -> LeRobotReader:
    """Return the episodes of a data set of this module or of LeRobot itself."""
    return LeRobotReader(path)


def open_writer(path: Path, options: WriteOptions) -> 'LeRobotWriter':
    """Begin a data set, or append to one that this module wrote."""
    return LeRobotWriter(path, options.fps, options.robot)


class LeRobotWriter:
    """Appends episodes to the data set in a folder; one is durable when `write` returns.

    One writer at a time has the folder. Its memory grows neither with the data set nor with
    the pictures of an episode. Without `fps` the rate is the median of the first episode's
    stamps, and an episode of another rate is refused; without `robot` names are generic.
    `language` says whether to write LeRobot's language columns, which LeRobot before 0.6 cannot
    load; by default where the first episode has questions.
    """

    def __init__(self, root: Path, fps: int | None = None, robot: RobotSpec | None = None,
                 *, language: bool | None = None) -> None:
        self._root, self._fps, self._robot = Path(root), fps, robot
        self._language = language
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
        data = self._data or self._begun(episode)
        if episode.robot != data.info['robot_type']:
            raise InvalidDataError(
                f'{self._root}: got an episode of {episode.robot!r}, '
                f'allowed {data.info["robot_type"]!r}')
        self._data = self._append(data, episode)

    def close(self) -> None:
        """Let another writer have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _begun(self, episode: Episode) -> DataSet:
        """Return the empty data set that `episode` begins."""
        robot = self._robot.name if self._robot else episode.robot
        return DataSet(new_info(robot, self._fps or _own_rate(episode), {}), (), {})

    def _append(self, data: DataSet, episode: Episode) -> DataSet:
        """Put one episode on the disk and return the data set with it."""
        fps = data.info['fps']
        table = tabulate(episode, rules_of(self._robot) if self._robot else None, self._fps)
        if self._fps is None:
            _check_rate(episode, _rate(table.stamps_ns), fps)
        language = (PERSISTENT in data.info['features'] if data.episodes
                    else bool(episode.questions) if self._language is None else self._language)
        columns = episode_columns(episode, table, self._robot, fps, language)
        task, tasks = _task_index(data.tasks, episode.instruction)
        columns |= index_columns(len(table.stamps_ns), fps, data.episodes, data.frames, task)
        info = _grown_info(self._root, data, columns, len(table.stamps_ns), len(tasks))
        raw = raw_table(table)
        with Staging(self._root) as staging:
            stats = write_columns(staging, data.episodes, columns, fps, bool(raw.num_columns))
            if raw.num_columns:
                write_raw(staging.path(raw_path(data.episodes)), raw)
            after = DataSet(info, tasks, aggregate(data.stats, stats) if data.stats else stats)
            line = episode_line(data, episode, columns, stats)
            staging.write(episode_path(data.episodes), to_parquet(line))
            staging.write(TASKS, to_parquet(tasks_table(tasks)))
            staging.write(STATS, _json({k: {n: v.tolist() for n, v in s.items()}
                                        for k, s in after.stats.items()}))
            staging.write(INFO, _json(info))
            staging.publish()
        return after

    def _check_origin(self) -> None:
        if self._data is None:
            return
        info = self._data.info
        robot = self._robot.name if self._robot else None
        for key, wanted in (('fps', self._fps), ('robot_type', robot)):
            if wanted is not None and info.get(key) != wanted:
                raise InvalidDataError(
                    f'{self._root}: got a data set of {key} {info.get(key)!r}, allowed {wanted!r}')


def read_episode(root: Path, index: int) -> Episode:
    """Return episode `index` with all its pictures in memory; they went through a codec."""
    reader = LeRobotReader(root)
    try:
        episode = reader.read(index)
        return replace(episode, streams={
            name: Stream(stream.stamps_ns, stream.values[0:len(stream)])
            if is_lazy(stream.values) else stream for name, stream in episode.streams.items()})
    finally:
        reader.close()


def _own_rate(episode: Episode) -> int:
    """Return the frames a second of an episode's table, 1 or more."""
    return max(1, round(_rate(tabulate(episode).stamps_ns) or 1.0))


def _rate(stamps_ns: np.ndarray) -> float | None:
    return float(1e9 / np.median(np.diff(stamps_ns))) if len(stamps_ns) > 1 else None


def _check_rate(episode: Episode, rate: float | None, fps: int) -> None:
    if rate and abs(rate - fps) > max(UNEVEN * fps, 0.5):
        raise InvalidDataError(
            f'episode {episode.episode_id}: got {rate:.2f} frames a second, allowed about {fps} '
            'as in the data set; say the rate (fps) to write it all the same')


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


def _task_index(tasks: tuple[str, ...], instruction: str) -> tuple[int, tuple[str, ...]]:
    if instruction in tasks:
        return tasks.index(instruction), tasks
    return len(tasks), (*tasks, instruction)


def _json(value: Mapping) -> bytes:
    return json.dumps(value, indent=1).encode()


def _remove_leftovers(root: Path, data: DataSet | None) -> None:
    """Remove what a killed writer left: the files of the first episode not counted."""
    index = data.episodes if data else 0
    shutil.rmtree(root / FOLDER, ignore_errors=True)
    for file in (data_path(index), episode_path(index), raw_path(index)):
        (root / file).unlink(missing_ok=True)
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
