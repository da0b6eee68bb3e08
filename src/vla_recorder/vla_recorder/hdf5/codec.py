"""Episodes as HDF5 in robomimic's layout: lossless, fast to write and to read at random.

Each episode is a file (`vla_recorder.hdf5.layout`), the unit that is durable; `dataset.hdf5`
(`vla_recorder.hdf5.index`) links those of a folder, so that robomimic opens them as one.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
import re

import h5py
from vla_core.episode import Episode
from vla_core.errors import InvalidDataError
from vla_recorder.formats import WriteOptions
from vla_recorder.hdf5.files import lazy_rows, member, named, OpenFiles, verify_streams
from vla_recorder.hdf5.index import INDEX, Index
from vla_recorder.hdf5.layout import DEMO, load_episode, save_episode
from vla_recorder.store import check_name, locked, publish, remove_leftovers, temporary_file

_FILE = re.compile(r'episode_(\d{6,})\.h5')


def holds(path: Path) -> bool:
    """Say whether `path` is an episode file of ours, or a folder with some below it."""
    if path.is_dir():
        return any(not found.name.startswith('.') for found in path.rglob('*.h5'))
    return path.suffix == '.h5' or path.name == INDEX


def open_reader(path: Path) -> 'Hdf5Reader':
    """Open the episodes below a folder, of its index, or the one in a file."""
    path = Path(path)
    if path.is_dir() or path.name == INDEX:
        folder = path if path.is_dir() else path.parent
        return Hdf5Reader(list_episodes(folder))
    if not path.is_file():
        raise InvalidDataError(f'{path}: no such file, allowed an episode or a folder of them')
    return Hdf5Reader([path])


def open_writer(path: Path, options: WriteOptions) -> 'Hdf5DatasetWriter':
    """Begin a folder of episodes, or add to it."""
    return Hdf5DatasetWriter(path, options)


class Hdf5Writer:
    """Writes each episode to a file of its own that appears whole or not at all."""

    def __init__(self, folder: Path, options: WriteOptions | None = None) -> None:
        self._folder = Path(folder)
        self._options = options or WriteOptions()
        self._folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self._folder)

    def write(self, episode: Episode, name: str | None = None) -> Path:
        """Write `episode` durably and return its file.

        Without a `name` it is numbered after the existing ones, also when several processes
        write into the folder; with one it replaces the file of that name.
        """
        with temporary_file(self._folder) as temporary:
            save_episode(episode, temporary, self._options)
            if name is not None:
                path = self._folder / f'{check_name("episode file name", name)}.h5'
                publish(temporary, path)
                return path
            with locked(self._folder):
                path = self._folder / f'episode_{_next_number(self._folder):06d}.h5'
                publish(temporary, path)
                return path

    def close(self) -> None:
        """Do nothing: every episode is on the disk when `write` returns."""


class Hdf5DatasetWriter:
    """An EpisodeWriter that also keeps the index for robomimic."""

    def __init__(self, folder: Path, options: WriteOptions) -> None:
        self._writer = Hdf5Writer(folder, options)
        self._index = Index(Path(folder))

    def write(self, episode: Episode) -> None:
        """Write `episode` durably."""
        self._writer.write(episode)
        self._index.grown(by=1)

    def close(self) -> None:
        """Write the index."""
        self._index.write()


class Hdf5Reader:
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
            return load_episode(path, file, None, lazy_rows(self._files, path))

    def close(self) -> None:
        """Close the files."""
        self._files.close()


def list_episodes(folder: Path) -> list[Path]:
    """Return the episode files below `folder`, in the order of their paths."""
    if not Path(folder).is_dir():
        raise InvalidDataError(f'episodes: got {folder}, allowed an existing folder')
    return sorted(p for p in Path(folder).rglob('*.h5') if not p.name.startswith('.'))


def read_episode(path: Path, streams: Collection[str] | None = None) -> Episode:
    """Return the episode in `path`, with all its streams or only the named ones, in memory.

    Raises InvalidDataError naming the file when it is truncated, corrupt or of another format.
    """
    with _opened(Path(path)) as file:
        return load_episode(Path(path), file, streams)


def verify_episode(path: Path) -> None:
    """Hold a whole file against its checksums; raise InvalidDataError naming file and stream."""
    with _opened(Path(path)) as file:
        load_episode(Path(path), file, ())
        verify_streams(member(file, DEMO, h5py.Group))


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    with named(path), h5py.File(path, 'r') as file:
        yield file


def _next_number(folder: Path) -> int:
    matches = (_FILE.fullmatch(path.name) for path in folder.iterdir())
    return max((int(match[1]) for match in matches if match), default=-1) + 1
