"""Episodes in HDF5 for the loader: pictures are read past HDF5, straight from their place.

`hdf5.codec` keeps pictures contiguous and uncompressed, so HDF5 is asked once where they
begin. Episodes kept in another way go through their codec (`any_format`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
from vla_core.episode import ACTION, IMAGE_PREFIX
from vla_core.errors import InvalidDataError
from vla_recorder.hdf5.codec import read_episode
from vla_recorder.loader.episode import EpisodeRows, Pictures, RawPictures, STATE, state_and_action

_FORMAT = 'vla-hdf5-'  # of any version: what is needed here is said in attributes since the first


def read_rows(path: Path, cameras: Sequence[str] | None) -> EpisodeRows | None:
    """Return an episode with the wanted cameras (None: all), or None where it needs its codec.

    Raises InvalidDataError naming the file when it cannot be read.
    """
    try:
        with h5py.File(path, 'r') as file:
            if not str(file.attrs.get('format')).startswith(_FORMAT):
                return None
            demo = file['data/demo_0']
            found = _streams(demo)
            names = [name for name in (ACTION, *STATE) if name in found]
            pictures = _pictures(path, demo, found, cameras)
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
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
        subtasks=episode.subtasks, questions=episode.questions)


def _streams(demo: h5py.Group) -> dict[str, h5py.Dataset]:
    found: dict[str, h5py.Dataset] = {}

    def visit(_: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and 'stream' in item.attrs:
            found[str(item.attrs['stream'])] = item

    demo.visititems(visit)  # follows hard links alone
    return found


def _pictures(
    path: Path, demo: h5py.Group, found: Mapping[str, h5py.Dataset],
    cameras: Sequence[str] | None,
) -> dict[str, Pictures] | None:
    """Return the pictures by camera, or None unless all are raw and at the action's stamps."""
    if ACTION not in found:
        return None
    if cameras is None:
        cameras = sorted(
            name.removeprefix(IMAGE_PREFIX) for name in found if name.startswith(IMAGE_PREFIX))
    pictures: dict[str, Pictures] = {}
    for camera in cameras:
        data = found.get(IMAGE_PREFIX + camera)
        if data is None or data.dtype != np.uint8 or data.ndim != 4 or data.shape[3] != 3:
            return None
        offset = None if data.is_virtual or data.external else data.id.get_offset()
        if offset is None or not _same_stamps(demo, data, found[ACTION]):
            return None  # chunked, compressed, elsewhere, or of another rate
        height, width = map(int, data.shape[1:3])
        pictures[camera] = RawPictures(str(path), int(offset), height, width)
    return pictures


def _same_stamps(demo: h5py.Group, one: h5py.Dataset, other: h5py.Dataset) -> bool:
    places = one.attrs['stamps'], other.attrs['stamps']
    return places[0] == places[1] or np.array_equal(*(demo[place][()] for place in places))
