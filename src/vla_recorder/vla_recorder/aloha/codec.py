"""Episodes as HDF5 in ALOHA's layout: `episode_N.hdf5` each, for ACT and what came after it.

`layout` says what is in a file, `foreign` how files by others are read.
"""

from pathlib import Path
import re

import h5py
from vla_core.episode import Episode
from vla_core.errors import InvalidDataError
from vla_recorder.aloha.foreign import load_foreign
from vla_recorder.aloha.layout import load_episode, OURS, save_episode
from vla_recorder.formats import WriteOptions
from vla_recorder.hdf5.files import has, named, OpenFiles, verify_streams
from vla_recorder.hdf5.index import INDEX
from vla_recorder.store import locked, publish, remove_leftovers, temporary_file

_FILE = re.compile(r'episode_(\d+)\.hdf5')


def holds(path: Path) -> bool:
    """Say whether `path` is a folder of files named as ALOHA's, or may be one of them."""
    if path.is_dir():
        return any(_FILE.fullmatch(found.name) for found in path.iterdir())
    return path.is_file() and path.suffix == '.hdf5' and path.name != INDEX


def open_reader(path: Path) -> 'AlohaReader':
    """Open the episodes of a folder, or the one in a file."""
    path = Path(path)
    if not path.exists():
        raise InvalidDataError(f'{path}: got nothing, allowed an episode or a folder of them')
    return AlohaReader(list_episodes(path) if path.is_dir() else [path])


def open_writer(path: Path, options: WriteOptions) -> 'AlohaWriter':
    """Begin a folder of episodes, or add to it."""
    return AlohaWriter(path, options)


class AlohaWriter:
    """Writes each episode to a file of its own that appears whole or not at all."""

    def __init__(self, folder: Path, options: WriteOptions | None = None) -> None:
        self._folder = Path(folder)
        self._options = options or WriteOptions()
        self._folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self._folder)

    def write(self, episode: Episode) -> None:
        """Write `episode` durably, numbered after the existing ones."""
        with temporary_file(self._folder) as temporary:
            save_episode(episode, temporary, self._options)
            with locked(self._folder):
                numbers = [_number(path) for path in list_episodes(self._folder)]
                number = max(numbers, default=-1) + 1
                publish(temporary, self._folder / f'episode_{number}.hdf5')

    def close(self) -> None:
        """Do nothing: every episode is on the disk when `write` returns."""


class AlohaReader:
    """An EpisodeReader; pictures stay in their files."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._files = OpenFiles()

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, index: int) -> Episode:
        """Return episode `index`; raise InvalidDataError naming its file."""
        path = self._paths[index]
        with self._files.opened(path) as file:
            load = load_episode if has(file, OURS) else load_foreign
            return load(path, file, self._files)

    def close(self) -> None:
        """Close the files."""
        self._files.close()


def list_episodes(folder: Path) -> list[Path]:
    """Return the files of a folder that are named as ALOHA's, by their numbers."""
    return sorted((p for p in folder.iterdir() if _FILE.fullmatch(p.name)), key=_number)


def verify_episode(path: Path) -> None:
    """Hold a file of ours against its checksums; raise InvalidDataError naming file and stream."""
    with named(path), h5py.File(path, 'r') as file:
        verify_streams(file)


def _number(path: Path) -> int:
    return int(_FILE.fullmatch(path.name)[1])
