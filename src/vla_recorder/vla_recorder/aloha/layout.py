"""One episode in one HDF5 file of ALOHA's layout, with all that ALOHA has no place for beside.

`action` (T, A), `observations/qpos` (T, J + 1) of joints and gripper, `observations/qvel` alike,
`observations/effort` where it was recorded, `observations/images/<camera>` (T, H, W, 3); depth
and touch are under `observations` likewise, where ALOHA's readers do not look. `vla` holds what
makes the episode whole again: header, stamps, and every stream as it was recorded. The T frames
are at the instants of the actions; pictures of other rates are views (`hdf5.streams`).

`qvel` of the gripper is the difference of its opening over time, as is that of joints without a
recorded velocity; of a single frame it is unknown and NaN.
"""

from pathlib import Path

import h5py
import numpy as np
from vla_core.episode import (
    ACTION,
    DEPTH_PREFIX,
    Episode,
    GRIPPER,
    IMAGE_PREFIX,
    JOINT_POSITION,
    JOINT_VELOCITY,
    TACTILE_PREFIX,
)
from vla_core.errors import InvalidDataError
from vla_core.lazy import Values
from vla_recorder.aloha.jpeg import jpeg_rows, lengths, pack_jpeg, SHAPE
from vla_recorder.formats import WriteOptions
from vla_recorder.hdf5.files import lazy_rows, load_streams, member, OpenFiles, plain
from vla_recorder.hdf5.streams import frames_of, StreamGroup
from vla_recorder.header import header_from_json, header_to_json
from vla_recorder.store import check_name
from vla_recorder.table import rules_of, Table

OURS = 'vla'  # our group in the file
FORMAT = 'vla-aloha-1'
EFFORT = 'observation/state/joint_effort'  # (N, J) float [Nm]
BASE_ACTION = 'action/base'  # (N, 2) float forward [m/s] and turn [rad/s] of a mobile base
GROUPS = {IMAGE_PREFIX: 'images', DEPTH_PREFIX: 'depth', TACTILE_PREFIX: 'tactile'}
_PLACES = {ACTION: 'action', BASE_ACTION: 'base_action'}


def save_episode(episode: Episode, path: Path, options: WriteOptions) -> None:
    """Write one episode into a new file; raise InvalidDataError without actions or joints."""
    frames = frames_of(episode, rules_of(options.robot) if options.robot else None)
    missing = [name for name in (ACTION, JOINT_POSITION) if name not in frames.columns]
    if missing:
        raise InvalidDataError(
            f'episode {episode.episode_id}: got no stream {missing[0]!r}, '
            'allowed in the layout of ALOHA: episodes with actions and joint positions')
    with h5py.File(path, 'w', libver='latest') as file:
        file.attrs['sim'], file.attrs['compress'] = episode.seed is not None, options.compress
        ours = file.create_group(OURS)
        ours.attrs['format'], ours.attrs['header'] = FORMAT, header_to_json(episode)
        _save_streams(episode, file, frames, options.compress)
        _save_joints(file.require_group('observations'), frames)
        if options.compress:
            _save_lengths(file)


def load_episode(path: Path, file: h5py.File, files: OpenFiles) -> Episode:
    """Return the episode of an open file of ours; pictures stay in the file."""
    ours = member(file, OURS, h5py.Group)
    if ours.attrs.get('format') != FORMAT:
        raise InvalidDataError(
            f'{path}: got format {ours.attrs.get("format")!r}, allowed {FORMAT!r}')

    def unpack(name: str, data: h5py.Dataset) -> Values:
        if SHAPE in data.attrs:
            return jpeg_rows(files, path, plain(data))
        return lazy_rows(files, path)(name, data)

    streams = load_streams(file, None, unpack)
    try:
        return header_from_json(str(ours.attrs['header']), streams)
    except InvalidDataError as error:
        raise InvalidDataError(f'{path}: {error}') from error


def _save_streams(episode: Episode, file: h5py.File, frames: Table, compress: bool) -> None:
    group = StreamGroup(
        file, compress, stamps=f'{OURS}/stamps_ns', pack=pack_jpeg if compress else None)
    for name, stream in episode.streams.items():
        raw = f'{OURS}/streams/{_flat(name)}'
        group.show(_place(name) or raw, raw, name, stream, frames)
    group.finish()


def _place(name: str) -> str | None:
    """Return where ALOHA's readers look for a stream, None where they do not."""
    for prefix, folder in GROUPS.items():
        if name.startswith(prefix):
            return f'observations/{folder}/{_flat(name.removeprefix(prefix))}'
    return _PLACES.get(name)


def _flat(name: str) -> str:
    return '_'.join(check_name('stream name', part) for part in name.split('/'))


def _save_joints(observations: h5py.Group, frames: Table) -> None:
    columns = frames.columns
    joints = _rows(columns[JOINT_POSITION])
    speeds = _rows(columns[JOINT_VELOCITY]) if JOINT_VELOCITY in columns else _rate(
        joints, frames.stamps_ns)
    if GRIPPER in columns:
        opening = _rows(columns[GRIPPER])
        joints = np.concatenate([joints, opening], axis=1)
        speeds = np.concatenate([speeds, _rate(opening, frames.stamps_ns)], axis=1)
    observations['qpos'], observations['qvel'] = joints, speeds
    if EFFORT in columns:
        observations['effort'] = _rows(columns[EFFORT])


def _rows(values: Values) -> np.ndarray:
    return np.asarray(values).reshape(len(values), -1)


def _rate(values: np.ndarray, stamps_ns: np.ndarray) -> np.ndarray:
    """Return the change (T, J) of `values` a second."""
    if len(values) < 2:
        return np.full(values.shape, np.nan)
    return np.gradient(values, (stamps_ns - stamps_ns[0]) / 1e9, axis=0)


def _save_lengths(file: h5py.File) -> None:
    """Write `compress_len` (cameras, T): the bytes of each JPEG, cameras by name."""
    images = file.get('observations/images', {})
    found = [lengths(data) for data in images.values() if data.ndim == 2]
    if found:
        file['compress_len'] = np.array(found)
