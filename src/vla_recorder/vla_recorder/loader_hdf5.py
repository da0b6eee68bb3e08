"""Episodes in HDF5 for the loader: pictures are read past HDF5, straight from their place.

`vla_recorder.hdf5` keeps pictures contiguous and uncompressed, so HDF5 is asked once where they
begin. Episodes kept in another way go through their codec (`loader_any`).
"""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from vla_core.episode import ACTION, IMAGE_PREFIX
from vla_core.errors import InvalidDataError
from vla_recorder.hdf5 import FORMAT, read_episode
from vla_recorder.loader_episode import EpisodeRows, Pictures, RawPictures, STATE, state_and_action

_DEMO = 'data/demo_0'


def read_rows(path: Path, cameras: Sequence[str] | None) -> EpisodeRows | None:
    """Return an episode with the wanted cameras (None: all), or None where it needs its codec.

    Raises InvalidDataError naming the file when it cannot be read.
    """
    try:
        with h5py.File(path, 'r') as file:
            if file.attrs.get('format') != FORMAT:
                return None
            demo = file[_DEMO]
            names = [name for name in (ACTION, *STATE) if _place(name) in demo]
            pictures = _pictures(path, demo, cameras)
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidDataError(f'{path}: not a readable episode ({reason})') from error
    if pictures is None or ACTION not in names:
        return None
    episode = read_episode(path, names)
    stamps = episode.streams[ACTION].stamps_ns
    if any(not np.array_equal(s.stamps_ns, stamps) for s in episode.streams.values()):
        return None
    state, action = state_and_action(
        str(path), {name: stream.values for name, stream in episode.streams.items()})
    return EpisodeRows(
        name=str(path), stamps_ns=stamps, state=state, action=action, pictures=pictures,
        instructions=(episode.instruction,), instruction=np.zeros(len(stamps), np.int32),
        subtasks=episode.subtasks)


def _place(name: str) -> str:
    """Return where robomimic's layout has a stream inside the demonstration."""
    return name.replace('observation/', 'obs/') if name != ACTION else 'actions'


def _pictures(
    path: Path, demo: h5py.Group, cameras: Sequence[str] | None
) -> dict[str, Pictures] | None:
    """Return the pictures by camera, or None unless all are raw and at the action's stamps."""
    folder = _place(IMAGE_PREFIX).rstrip('/')
    here = list(demo[folder]) if folder in demo else []
    found: dict[str, Pictures] = {}
    for camera in here if cameras is None else cameras:
        data = demo.get(f'{folder}/{camera}')
        if not isinstance(data, h5py.Dataset) or data.dtype != np.uint8 or data.ndim != 4:
            return None
        offset = data.id.get_offset()  # None: chunked or compressed
        stamps = demo.get(f'stamps_ns/{folder}/{camera}')
        actions = demo.get('stamps_ns/actions')
        if offset is None or data.shape[3] != 3 or stamps is None or actions is None:
            return None
        if not np.array_equal(stamps[()], actions[()]):
            return None
        found[camera] = RawPictures(str(path), int(offset), *map(int, data.shape[1:3]))
    return found
