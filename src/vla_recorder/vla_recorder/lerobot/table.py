"""The columns an Episode becomes in a LeRobotDataset, and the way back.

LeRobot's own keys come first (`observation.state`, `observation.images.<camera>`, `action`,
`next.done`, `next.success`). Beside them every stream is kept losslessly as `vla.<stream>` and
the true stamps as `stamp_ns`, since `timestamp` is frame_index / fps by LeRobot's rule. Those
names begin with neither `observation` nor `action`, so LeRobot does not train on them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from vla_core.episode import (
    ACTION,
    DEPTH_PREFIX,
    Episode,
    GRIPPER,
    IMAGE_PREFIX,
    JOINT_POSITION,
    TACTILE_PREFIX,
    TOOL_POSE,
)
from vla_core.errors import InvalidDataError
from vla_core.lazy import Values
from vla_core.spec import RobotSpec
from vla_recorder.lerobot import images as lerobot_images
from vla_recorder.lerobot.language import FEATURE, language_arrays
from vla_recorder.lerobot.stats import PixelStats
from vla_recorder.store import check_name
from vla_recorder.table import Table
from vla_recorder.video import pixel_format

ACTION_NAMES = ('x', 'y', 'z', 'rotation_x', 'rotation_y', 'rotation_z', 'gripper')
TOOL_NAMES = ('tool_x', 'tool_y', 'tool_z', 'tool_qx', 'tool_qy', 'tool_qz', 'tool_qw')
STATE = (TOOL_POSE, GRIPPER, JOINT_POSITION)
STAMP = 'stamp_ns'
BLOCK = 64  # rows of a row group where rows hold pictures


@dataclass(frozen=True)
class Column:
    """One feature of the data set and its values in one episode."""

    feature: dict  # LeRobot's description: dtype, shape, names
    values: Values | pa.Array  # (N, ...); an Arrow array of text

    @property
    def kind(self) -> str:
        """How it is kept: 'video', 'image', 'language' or 'array'."""
        dtype = self.feature['dtype']
        return dtype if dtype in ('video', 'image', 'language') else 'array'


def episode_columns(
    episode: Episode, table: Table, robot: RobotSpec | None, fps: int, language: bool,
) -> dict[str, Column]:
    """Return the columns of an episode's `table`, without those that place it in a data set."""
    _check_values(episode)
    last = np.arange(len(table.stamps_ns)) == len(table.stamps_ns) - 1
    columns = {
        'next.done': _column(last),
        'next.success': _column(last & bool(episode.success)),
        STAMP: _column(table.stamps_ns),
    }
    state = _state(episode, table, robot)
    if state is not None:
        columns['observation.state'] = state
    for name, values in sorted(table.columns.items()):
        for key, column in _stream_columns(name, values, fps):
            if key in columns:
                raise InvalidDataError(
                    f'stream {name!r}: got a second column {key!r}, allowed one')
            columns[key] = column
    if language:
        arrays = language_arrays(episode, table, fps)
        columns |= {key: Column(dict(FEATURE), array) for key, array in arrays.items()}
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


def to_tables(
    columns: Mapping[str, Column], pixels: Mapping[str, PixelStats],
) -> Iterator[pa.Table]:
    """Yield the columns that are not videos as Arrow tables: one, or blocks of rows with images.

    The frames of images are also counted in `pixels`, by key.
    """
    kept = {key: column for key, column in columns.items() if column.kind != 'video'}
    steps = max(len(column.values) for column in kept.values())
    rows = BLOCK if any(column.kind == 'image' for column in kept.values()) else steps
    for start in range(0, steps, rows):
        yield pa.table({key: _block(column, start, start + rows, pixels.get(key))
                        for key, column in kept.items()})


def to_numpy(column: pa.ChunkedArray, feature: Mapping) -> np.ndarray:
    """Return a column (N, ...) as it was before `to_tables`; ValueError where it does not fit."""
    array = column.combine_chunks()
    rows = len(array)
    while pa.types.is_fixed_size_list(array.type) or pa.types.is_list(array.type):
        array = array.flatten()
    if array.null_count:
        raise ValueError(f'{array.null_count} missing values')
    shape = feature.get('stream_shape', [] if feature['shape'] == [1] else feature['shape'])
    flat = array.to_numpy(zero_copy_only=False).astype(feature['dtype'], copy=False)
    return flat.reshape(rows, *shape)


def _check_values(episode: Episode) -> None:
    for name, stream in episode.streams.items():
        dtype, shape = stream.values.dtype, stream.values.shape
        if dtype.itemsize > 8 or not dtype.isnative or not all(shape[1:]):
            raise InvalidDataError(
                f'stream {name!r}: got {dtype} {shape}, '
                'allowed native numbers of up to 64 bits, one or more a row')


def _state(episode: Episode, table: Table, robot: RobotSpec | None) -> Column | None:
    """Return what LeRobot's policies see of the arm: tool, gripper and joints, or all states."""
    known = table.columns
    names = [name for name in STATE if name in known]
    if len(names) < len(STATE):
        names = sorted(name for name in known if name.startswith('observation/state/'))
    parts = [np.asarray(known[name][0:len(table.stamps_ns)]) for name in names]
    flat = [part.reshape(len(part), -1) for part in parts]
    if not sum(part.shape[1] for part in flat):
        return None
    values = np.concatenate(flat, axis=1).astype(np.float32)
    if robot is None or tuple(names) != STATE:
        return _column(values, _numbered(names, flat))
    labels = [*TOOL_NAMES, 'gripper', *robot.joints.names]
    if values.shape[1] != len(labels):
        raise InvalidDataError(
            f'episode {episode.episode_id}: got a state of {values.shape[1]} numbers, '
            f'allowed {len(labels)} of robot {robot.name}')
    return _column(values, labels)


def _numbered(names: list[str], parts: list[np.ndarray]) -> list[str]:
    short = [name.rpartition('/')[2] for name in names]
    return [f'{name}_{k}' for name, part in zip(short, parts, strict=True)
            for k in range(part.shape[1])]


def _stream_columns(name: str, values: Values, fps: int) -> Iterator[tuple[str, Column]]:
    for part in name.split('/'):
        check_name('stream name', part)
    dotted = name.replace('/', '.')
    if name.startswith((IMAGE_PREFIX, TACTILE_PREFIX)) and _is_colour(values):
        yield dotted, _of_stream(name, _video(values, fps))
        return
    if name.startswith(DEPTH_PREFIX) and lerobot_images.can_hold(values.dtype, values.shape[1:]):
        camera = dotted.removeprefix('observation.depth.')
        info = {'is_depth_map': True, 'depth_unit': 'm' if values.dtype.kind == 'f' else 'mm'}
        image = _image(values, info)
        yield f'observation.images.{camera}_depth', _of_stream(name, image)
        return
    exact = name != ACTION or values.dtype == np.float32
    if name == ACTION and values.ndim <= 2:
        taught = np.asarray(values).astype(np.float32)
        names = list(ACTION_NAMES) if values.shape[1:] == (len(ACTION_NAMES),) else None
        column = _column(taught, names)
        yield dotted, _of_stream(name, column) if exact else column
        if exact:
            return
    image = _is_large(values) and lerobot_images.can_hold(values.dtype, values.shape[1:])
    yield f'vla.{dotted}', _of_stream(name, _image(values, {}) if image else _array(values))


def _is_colour(values: Values) -> bool:
    shape = values.shape
    return values.dtype == np.uint8 and len(shape) == 4 and shape[3] == 3 and all(shape)


def _is_large(values: Values) -> bool:
    return len(values.shape) > 2 and min(values.shape[1:3]) >= 16  # a matrix is no picture


def _of_stream(name: str, column: Column) -> Column:
    """Note in the feature which stream leads back to the Episode: a key of ours."""
    return Column({**column.feature, 'stream': name}, column.values)


def _array(values: Values) -> Column:
    column = _column(np.asarray(values[0:len(values)]))
    if values.shape[1:] == (1,):  # else read back as (N,)
        column.feature['stream_shape'] = [1]
    return column


def _column(values: np.ndarray, names: list[str] | None = None) -> Column:
    shape = list(values.shape[1:]) or [1]
    return Column({'dtype': str(values.dtype), 'shape': shape, 'names': names}, values)


def _video(values: Values, fps: int) -> Column:
    _, height, width, channels = values.shape
    info = {
        'video.height': height, 'video.width': width, 'video.codec': 'h264',
        'video.pix_fmt': pixel_format(height, width), 'video.is_depth_map': False,
        'video.fps': fps, 'video.channels': channels, 'has_audio': False}
    return Column({
        'dtype': 'video', 'shape': [height, width, channels],
        'names': ['height', 'width', 'channels'], 'info': info}, values)


def _image(values: Values, info: dict) -> Column:
    height, width = values.shape[1:3]
    channels = values.shape[3] if len(values.shape) == 4 else 1
    return Column({
        'dtype': 'image', 'shape': [height, width, channels],
        'names': ['height', 'width', 'channels'],
        'info': {**info, 'stored': str(values.dtype)}}, values)


def _block(column: Column, start: int, stop: int, pixels: PixelStats | None) -> pa.Array:
    rows = column.values[start:stop]
    if pixels is not None:
        for frame in rows:
            pixels.add(frame)
        return lerobot_images.to_arrow(rows)
    return rows if column.kind == 'language' else _to_arrow(np.ascontiguousarray(rows))


def _to_arrow(values: np.ndarray) -> pa.Array:
    if values.ndim == 1 or values.shape[1:] == (1,):
        return pa.array(values.reshape(-1))
    array = pa.array(values.reshape(-1))
    for size in reversed(values.shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, size)
    return array
