"""One episode in one HDF5 file, in the layout of robomimic's demonstrations.

The demonstration is `data/demo_0`: `actions` (N, A), `rewards`, `dones`, and under `obs` flat
keys of N rows each: `static_image` (N, H, W, 3), `static_depth` (N, H, W, 1), `left_tactile`,
`joint_position` (N, J), `gripper` (N, 1). Streams that robomimic has no place for are under
`streams`. Where a stream has other stamps than the actions, `streams` holds it as it was and
`obs` shows it at the actions' instants, brought there by `vla_recorder.table`.

Arrays are contiguous, so that one frame is one read of the disk, unless pictures are asked to be
compressed. Nothing is pickled: what is not an array is an attribute or JSON. Files of format 1
name their groups otherwise, say the same in their attributes, and are read as well.
"""

from collections.abc import Callable, Collection
import json
from pathlib import Path

import h5py
import numpy as np
from vla_core.episode import (
    ACTION,
    DEPTH_PREFIX,
    Episode,
    IMAGE_PREFIX,
    Stream,
    TACTILE_PREFIX,
)
from vla_core.errors import InvalidDataError
from vla_core.lazy import Values
from vla_recorder.formats import WriteOptions
from vla_recorder.hdf5.files import load_streams, member
from vla_recorder.hdf5.streams import frames_of, StreamGroup
from vla_recorder.header import header_from_json, header_to_json
from vla_recorder.store import check_name
from vla_recorder.table import rules_of, Table

FORMAT = 'vla-hdf5-2'
READABLE = (FORMAT, 'vla-hdf5-1')
DEMO = 'data/demo_0'
_KEYS = {IMAGE_PREFIX: 'image', DEPTH_PREFIX: 'depth', TACTILE_PREFIX: 'tactile'}
# What robomimic wants to know of the environment: a type it knows; it has none of ours to open.
ENV_ARGS = json.dumps({'env_name': 'vla', 'type': 2, 'env_kwargs': {}})


def load_episode(
    path: Path, file: h5py.File, names: Collection[str] | None,
    unpack: Callable[[str, h5py.Dataset], Values] | None = None,
) -> Episode:
    """Return the episode of an open file, with the named streams; see `load_streams`."""
    if file.attrs.get('format') not in READABLE:
        raise InvalidDataError(
            f'{path}: got format {file.attrs.get("format")!r}, allowed {", ".join(READABLE)}')
    demo = member(file, DEMO, h5py.Group)
    streams = load_streams(demo, names, unpack)
    try:
        return header_from_json(str(demo.attrs['header']), streams)
    except InvalidDataError as error:
        raise InvalidDataError(f'{path}: {error}') from error


def save_episode(episode: Episode, path: Path, options: WriteOptions) -> None:
    """Write one episode into a new file."""
    frames = _frames(episode, options)
    steps = len(frames.stamps_ns) if frames and ACTION in frames.columns else 0
    with h5py.File(path, 'w', libver='latest') as file:
        demo = file.create_group(DEMO)
        file.attrs['format'] = FORMAT
        file['data'].attrs['total'] = demo.attrs['num_samples'] = steps
        file['data'].attrs['env_args'] = ENV_ARGS
        _save_header(episode, demo)
        _save_streams(episode, demo, frames, options.compress)
        if steps:
            _save_outcome(episode, demo, steps)


def _frames(episode: Episode, options: WriteOptions) -> Table | None:
    try:
        return frames_of(episode, rules_of(options.robot) if options.robot else None)
    except InvalidDataError:
        return None  # nothing tells the instants, or none is fresh: no demonstration, but kept


def _save_header(episode: Episode, demo: h5py.Group) -> None:
    demo.attrs['header'] = header_to_json(episode)
    for field in ('episode_id', 'task', 'instruction', 'robot', 'seed', 'success'):
        value = getattr(episode, field)
        if isinstance(value, str):  # HDF5 holds no NUL; the header does
            value = value.replace('\0', ' ').encode('utf-8', 'replace').decode()
        if value is not None:
            demo.attrs[field] = value


def _save_streams(
    episode: Episode, demo: h5py.Group, frames: Table | None, compress: bool
) -> None:
    group = StreamGroup(demo, compress)
    for name, stream in episode.streams.items():
        place, raw = _place(name), f'streams/{name.replace("/", "_")}'
        group.show(place, raw, name, stream, frames, _has_last_axis(name, place, stream))
    group.finish()


def _save_outcome(episode: Episode, demo: h5py.Group, steps: int) -> None:
    """Write what a reinforcement learner asks for: the task is done at the end or not at all."""
    rewards, dones = np.zeros(steps, np.float32), np.zeros(steps, np.int64)
    rewards[-1], dones[-1] = bool(episode.success), 1
    demo['rewards'], demo['dones'] = rewards, dones


def _place(name: str) -> str:
    """Return where robomimic looks for a stream inside a demonstration."""
    parts = [check_name('stream name', part) for part in name.split('/')]
    for prefix, key in _KEYS.items():
        if name.startswith(prefix):
            return '/'.join(['obs', '_'.join([*parts[2:], key])])
    if parts[:2] == ['observation', 'state']:
        return '/'.join(['obs', '_'.join(parts[2:] or parts[1:])])
    if parts[0] == 'observation':
        return '/'.join(['obs', '_'.join(parts[1:] or parts)])
    if parts[0] == 'action':
        return '_'.join(['actions', *parts[1:]])
    return '/'.join(['streams', '_'.join(parts)])


def _has_last_axis(name: str, place: str, stream: Stream) -> bool:
    """Say whether robomimic wants an axis more: it knows no plain numbers, nor pictures of one."""
    flat = len(stream.values.shape) == (3 if name.startswith(DEPTH_PREFIX) else 1)
    return flat and place.startswith('obs/')
