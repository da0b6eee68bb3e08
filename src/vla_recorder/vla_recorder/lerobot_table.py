"""The columns and videos an Episode becomes in a LeRobotDataset, and the way back.

LeRobot's own keys come first (`observation.state`, `observation.images.<camera>`, `action`,
`next.done`, `next.success`). Beside them every stream is kept losslessly as `vla.<stream>` and
the true stamps as `stamp_ns`, since `timestamp` is frame_index / fps by LeRobot's rule. Those
names begin with neither `observation` nor `action`, so LeRobot does not train on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from vla_core.episode import (
    ACTION,
    Episode,
    GRIPPER,
    JOINT_POSITION,
    TOOL_POSE,
)
from vla_core.errors import InvalidDataError
from vla_core.spec import RobotSpec
from vla_recorder.store import check_name
from vla_recorder.video import pixel_format

ACTION_NAMES = ('x', 'y', 'z', 'rotation_x', 'rotation_y', 'rotation_z', 'gripper')
TOOL_NAMES = ('tool_x', 'tool_y', 'tool_z', 'tool_qx', 'tool_qy', 'tool_qz', 'tool_qw')
STAMP = 'stamp_ns'


@dataclass(frozen=True)
class Column:
    """One feature of the data set and its values in one episode."""

    feature: dict  # LeRobot's description: dtype, shape, names
    values: np.ndarray  # (N,) or (N, D); videos (N, H, W, 3) uint8

    @property
    def is_video(self) -> bool:
        """Whether the values are kept as a video."""
        return self.feature['dtype'] == 'video'


def episode_columns(episode: Episode, robot: RobotSpec, fps: int) -> dict[str, Column]:
    """Return the columns of `episode`, without those that place it in a data set."""
    stamps = _common_stamps(episode)
    last = np.arange(len(stamps)) == len(stamps) - 1
    columns = {
        'observation.state': _state(episode, robot),
        'next.done': _column(last),
        'next.success': _column(last & bool(episode.success)),
        STAMP: _column(stamps),
    }
    for name, stream in sorted(episode.streams.items()):
        for part in name.split('/'):
            check_name('stream name', part)
        key, column = _stream_column(name, stream.values, fps)
        if key in columns:
            raise InvalidDataError(f'stream {name!r}: got a second column {key!r}, allowed one')
        column.feature['stream'] = name  # ours: leads back to the Episode
        columns[key] = column
    return columns


def index_columns(steps: int, fps: int, episode: int, first: int, task: int) -> dict[str, Column]:
    """Return the columns LeRobot asks of every data set; `timestamp` is frame_index / fps."""
    frames = np.arange(steps, dtype=np.int64)
    return {
        'timestamp': _column((frames / fps).astype(np.float32)),
        'frame_index': _column(frames),
        'episode_index': _column(np.full(steps, episode, np.int64)),
        'index': _column(first + frames),
        'task_index': _column(np.full(steps, task, np.int64)),
    }


def to_table(columns: Mapping[str, Column]) -> pa.Table:
    """Return the columns that are not videos as an Arrow table of fixed-size rows."""
    return pa.table({
        name: _to_arrow(column.values)
        for name, column in columns.items() if not column.is_video})


def to_numpy(column: pa.ChunkedArray, feature: Mapping) -> np.ndarray:
    """Return a column (N,) or (N, D) as it was before `to_table`."""
    array = column.combine_chunks()
    if pa.types.is_fixed_size_list(array.type) or pa.types.is_list(array.type):
        flat = array.flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(len(array), -1).astype(feature['dtype'], copy=False)
    return array.to_numpy(zero_copy_only=False).astype(feature['dtype'], copy=False)


def _common_stamps(episode: Episode) -> np.ndarray:
    needed = (ACTION, TOOL_POSE, GRIPPER, JOINT_POSITION)
    missing = [name for name in needed if name not in episode.streams]
    if missing:
        raise InvalidDataError(
            f'episode {episode.episode_id}: got no stream {missing[0]!r}, '
            f'allowed {", ".join(needed)} and more')
    stamps = episode.streams[ACTION].stamps_ns
    if not len(stamps):
        raise InvalidDataError(f'episode {episode.episode_id}: got 0 steps, allowed 1 or more')
    for name, stream in episode.streams.items():
        if not np.array_equal(stream.stamps_ns, stamps):
            raise InvalidDataError(
                f'episode {episode.episode_id}: got stream {name!r} with stamps of its own, '
                'allowed one table of frames: align the streams first')
    return stamps


def _state(episode: Episode, robot: RobotSpec) -> Column:
    parts = [episode.streams[name].values for name in (TOOL_POSE, GRIPPER, JOINT_POSITION)]
    values = np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)
    names = [*TOOL_NAMES, 'gripper', *robot.joints.names]
    if values.shape[1] != len(names):
        raise InvalidDataError(
            f'episode {episode.episode_id}: got a state of {values.shape[1]} numbers, '
            f'allowed {len(names)} of robot {robot.name}')
    return _column(values.astype(np.float32), names)


def _stream_column(name: str, values: np.ndarray, fps: int) -> tuple[str, Column]:
    dotted = name.replace('/', '.')
    if values.ndim == 4 and values.dtype == np.uint8 and values.shape[3] == 3:
        return dotted, _video(values, fps)
    if name == ACTION:
        names = list(ACTION_NAMES) if values.shape[1:] == (len(ACTION_NAMES),) else None
        return dotted, _column(values.astype(np.float32), names)
    if values.ndim > 2:
        raise InvalidDataError(
            f'stream {name!r}: got {values.dtype} {values.shape}, '
            'allowed (N,), (N, D) or (N, H, W, 3) uint8')
    return f'vla.{dotted}', _column(values)


def _column(values: np.ndarray, names: list[str] | None = None) -> Column:
    shape = list(values.shape[1:]) or [1]
    return Column({'dtype': str(values.dtype), 'shape': shape, 'names': names}, values)


def _video(values: np.ndarray, fps: int) -> Column:
    _, height, width, channels = values.shape
    info = {
        'video.height': height, 'video.width': width, 'video.codec': 'h264',
        'video.pix_fmt': pixel_format(height, width), 'video.is_depth_map': False,
        'video.fps': fps, 'video.channels': channels, 'has_audio': False}
    return Column({
        'dtype': 'video', 'shape': [height, width, channels],
        'names': ['height', 'width', 'channels'], 'info': info}, values)


def _to_arrow(values: np.ndarray) -> pa.Array:
    values = np.ascontiguousarray(values)
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
