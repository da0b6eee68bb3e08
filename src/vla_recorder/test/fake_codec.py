"""A format for tests: a JSON and an npz file an episode; any file can be spoilt by hand."""

from pathlib import Path

import numpy as np
from vla_core.episode import Episode, Stream
from vla_core.errors import InvalidDataError
from vla_recorder.formats import WriteOptions
from vla_recorder.header import header_from_json, header_to_json


def holds(path: Path) -> bool:
    return path.is_dir() and any(path.glob('*.fake'))


def open_reader(path: Path) -> 'Reader':
    return Reader(path)


def open_writer(path: Path, options: WriteOptions) -> 'Writer':
    return Writer(path, options)


class Reader:
    def __init__(self, folder: Path) -> None:
        self._files = sorted(folder.glob('*.fake'))

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> Episode:
        file = self._files[index]
        if not file.stat().st_size:
            raise InvalidDataError(f'{file}: got nothing, allowed a header')
        with np.load(file.with_suffix('.npz'), allow_pickle=False) as arrays:
            streams = {
                name.removeprefix('stamps/'): Stream(
                    arrays[name], arrays[name.replace('stamps/', 'values/')])
                for name in arrays if name.startswith('stamps/')}
        return header_from_json(file.read_text(), streams)

    def close(self) -> None:
        pass


class Writer:
    def __init__(self, folder: Path, options: WriteOptions) -> None:
        self._folder, self.options = folder, options
        folder.mkdir(exist_ok=True)

    def write(self, episode: Episode) -> None:
        if episode.meta.get('unwritable'):
            raise InvalidDataError(f'episode {episode.episode_id}: cannot be written')
        arrays = {f'stamps/{n}': s.stamps_ns for n, s in episode.streams.items()}
        arrays |= {f'values/{n}': s.values[:] for n, s in episode.streams.items()}
        file = self._folder / f'{len(Reader(self._folder)):04d}.fake'
        np.savez(file.with_suffix('.npz'), **arrays)
        file.write_text(header_to_json(episode))

    def close(self) -> None:
        pass
