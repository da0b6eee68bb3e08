"""Episodes as HDF5, one file an episode: lossless, fast to write and to read at random.

The layout is robomimic's with one demonstration: `data/demo_0/actions`, `data/demo_0/obs/...`
and the attributes `total` and `num_samples`; beside it `data/demo_0/stamps_ns/...` keeps the
true stamps of every stream. Arrays are contiguous and uncompressed, so that reading one frame
is one read of the disk. Nothing is pickled: what is not an array is an attribute or JSON.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
import re

import h5py
import numpy as np
from vla_core.episode import Episode, Stream
from vla_core.errors import InvalidDataError
from vla_recorder.header import header_from_json, header_to_json
from vla_recorder.store import check_name, locked, publish, temporary_file

FORMAT = 'vla-hdf5-1'
_FILE = re.compile(r'episode_(\d{6,})\.h5')


class Hdf5Writer:
    """Writes each episode to a file of its own that appears whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)

    def write(self, episode: Episode, name: str | None = None) -> Path:
        """Write `episode` durably and return its file.

        Without a `name` it is numbered after the existing ones, also when several processes
        write into the folder; with one it replaces the file of that name.
        """
        with temporary_file(self._folder) as temporary:
            _save(episode, temporary)
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


def list_episodes(folder: Path) -> list[Path]:
    """Return the episode files below `folder`, in the order of their paths."""
    if not Path(folder).is_dir():
        raise InvalidDataError(f'episodes: got {folder}, allowed an existing folder')
    return sorted(p for p in Path(folder).rglob('*.h5') if not p.name.startswith('.'))


def read_episode(path: Path, streams: Collection[str] | None = None) -> Episode:
    """Return the episode in `path`, with all its streams or only the named ones.

    Raises InvalidDataError naming the file when it is truncated, corrupt or of another format.
    """
    with _opened(Path(path)) as demo:
        names = {str(data.attrs['stream']): data for data in _datasets(demo)}
        wanted = names if streams is None else streams
        missing = [name for name in wanted if name not in names]
        if missing:
            raise InvalidDataError(
                f'{path}: got no stream {missing[0]!r}, allowed {", ".join(sorted(names))}')
        return header_from_json(
            demo.attrs['header'],
            {name: _stream(demo, names[name]) for name in wanted})


def _save(episode: Episode, path: Path) -> None:
    with h5py.File(path, 'w', libver='latest') as file:
        data = file.create_group('data')
        demo = data.create_group('demo_0')
        steps = len(episode.streams['action'].values) if 'action' in episode.streams else 0
        file.attrs['format'] = FORMAT
        data.attrs['total'] = demo.attrs['num_samples'] = steps
        data.attrs['env_args'] = '{}'
        _save_header(episode, demo)
        for name, stream in episode.streams.items():
            _save_stream(demo, name, stream)


def _save_header(episode: Episode, demo: h5py.Group) -> None:
    demo.attrs['header'] = header_to_json(episode)
    for field in ('episode_id', 'task', 'instruction', 'robot', 'seed', 'success'):
        value = getattr(episode, field)
        if isinstance(value, str):  # HDF5 holds no NUL; the header does
            value = value.replace('\0', ' ').encode('utf-8', 'replace').decode()
        if value is not None:
            demo.attrs[field] = value


def _save_stream(demo: h5py.Group, name: str, stream: Stream) -> None:
    place = _place(name)
    values = demo.create_dataset(place, data=np.ascontiguousarray(stream.values))
    values.attrs['stream'] = name
    values.attrs['stamps'] = f'stamps_ns/{place}'
    demo.create_dataset(f'stamps_ns/{place}', data=np.asarray(stream.stamps_ns, np.int64))


def _place(name: str) -> str:
    """Return where robomimic looks for a stream inside a demonstration."""
    parts = [check_name('stream name', part) for part in name.split('/')]
    if parts[0] == 'observation':
        return '/'.join(['obs', *parts[1:]])
    if parts[0] == 'action':
        return '_'.join(['actions', *parts[1:]])
    return '/'.join(['streams', *parts])


@contextmanager
def _opened(path: Path) -> Iterator[h5py.Group]:
    """Yield the demonstration of a file; whatever is wrong with it names the file."""
    try:
        with h5py.File(path, 'r') as file:
            if file.attrs.get('format') != FORMAT:
                raise InvalidDataError(
                    f'{path}: got format {file.attrs.get("format")!r}, allowed {FORMAT!r}')
            yield file['data/demo_0']
    except InvalidDataError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidDataError(
            f'{path}: not a readable episode ({reason}); allowed a whole {FORMAT} file') from error


def _datasets(group: h5py.Group) -> list[h5py.Dataset]:
    found: list[h5py.Dataset] = []

    def visit(_: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and 'stream' in item.attrs:
            found.append(item)

    group.visititems(visit)
    return found


def _stream(demo: h5py.Group, data: h5py.Dataset) -> Stream:
    return Stream(stamps_ns=demo[data.attrs['stamps']][()], values=data[()])


def _next_number(folder: Path) -> int:
    matches = (_FILE.fullmatch(path.name) for path in folder.iterdir())
    return max((int(match[1]) for match in matches if match), default=-1) + 1
