"""Files in ALOHA's layout by others, as Episodes.

They keep no stamps: frame k is at k / 50 s, the rate of ALOHA's recorder. `qpos` holds arms and
grippers together, so all of it is `joint_position` (14 of two arms: six joints and a gripper
each); actions are targets of the same joints. Pictures are arrays, or JPEG padded to rows of one
length or of any length. Everything must be in the file itself and of as many frames as `action`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
import re

import h5py
import numpy as np
from vla_core.episode import (
    ACTION,
    DEPTH_PREFIX,
    Episode,
    IMAGE_PREFIX,
    JOINT_POSITION,
    JOINT_VELOCITY,
    Stream,
)
from vla_core.errors import InvalidDataError
from vla_core.lazy import Values
from vla_recorder.aloha.jpeg import jpeg_rows
from vla_recorder.aloha.layout import BASE_ACTION, EFFORT, GROUPS
from vla_recorder.hdf5.files import FileRows, has, in_file, member, OpenFiles, plain

STEP_NS = 20_000_000  # 50 Hz, DT = 0.02 in ALOHA's constants
BIMANUAL = 14  # joints and grippers of ALOHA's two arms
_STATES = {'qpos': JOINT_POSITION, 'qvel': JOINT_VELOCITY, 'effort': EFFORT}
_PICTURES = {**{folder: prefix for prefix, folder in GROUPS.items()},
             'images_depth': DEPTH_PREFIX, 'depth_images': DEPTH_PREFIX}
_UNSAFE = re.compile(r'[^A-Za-z0-9_]+')
_SENTENCES = ('language_instruction', 'instruction', 'task')  # attributes that some files have


def load_foreign(path: Path, file: h5py.File, files: OpenFiles) -> Episode:
    """Return the episode of an open file; pictures stay in the file."""
    actions = plain(member(file, 'action'))[()]
    stamps = np.arange(len(actions)) * STEP_NS
    streams = {ACTION: actions}
    if has(file, 'base_action'):
        streams[BASE_ACTION] = plain(member(file, 'base_action'))[()]
    for name, data in _observations(file):
        streams[name] = _values(path, name, data, files)
    try:
        return Episode(
            episode_id=_UNSAFE.sub('-', path.stem), robot=_robot(streams), task='',
            instruction=_sentence(file),
            streams={name: _stream(name, stamps, value) for name, value in streams.items()},
            meta={'source': 'aloha', 'sim': bool(file.attrs.get('sim', False)),
                  'action': 'joint_absolute', 'assumed_rate_hz': 1e9 / STEP_NS})
    except InvalidDataError as error:
        raise InvalidDataError(f'{path}: {error}') from error


def _robot(streams: Mapping[str, Values]) -> str:
    joints = streams.get(JOINT_POSITION, streams[ACTION])
    return 'aloha' if joints.shape[-1] == BIMANUAL else 'unknown'


def _sentence(file: h5py.File) -> str:
    said = (file.attrs.get(key) for key in _SENTENCES)
    return next((text for text in said if isinstance(text, str)), '')


def _observations(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield stream names and their datasets."""
    group = member(file, 'observations', h5py.Group)
    for key in group:
        item = member(group, key, h5py.HLObject)
        if isinstance(item, h5py.Dataset):
            yield _STATES.get(key, f'observation/state/{key}'), item
        for camera in item if key in _PICTURES else ():
            prefix = DEPTH_PREFIX if 'depth' in camera else _PICTURES[key]
            yield prefix + camera, member(item, camera)


def _values(path: Path, name: str, data: h5py.Dataset, files: OpenFiles) -> Values:
    if not name.startswith((IMAGE_PREFIX, DEPTH_PREFIX)):
        return plain(data)[()]
    if h5py.check_vlen_dtype(data.dtype) == np.uint8 and data.ndim == 1:
        return jpeg_rows(files, path, in_file(data))
    if plain(data).dtype == np.uint8 and data.ndim == 2 and name.startswith(IMAGE_PREFIX):
        return jpeg_rows(files, path, data)
    wanted = 4 if name.startswith(IMAGE_PREFIX) else 3
    if data.ndim != wanted or wanted == 4 and data.shape[3] != 3:
        raise InvalidDataError(
            f'{path}: {data.name}: got {data.dtype} {data.shape}, '
            'allowed pictures (T, H, W, 3), depth (T, H, W) or JPEG (T, bytes)')
    return FileRows(files, path, data.name, data.shape, data.dtype)


def _stream(name: str, stamps_ns: np.ndarray, values: Values) -> Stream:
    if len(values) != len(stamps_ns):
        raise InvalidDataError(
            f'{name}: got {len(values)} frames, allowed {len(stamps_ns)} as of the action')
    return Stream(stamps_ns, values)
