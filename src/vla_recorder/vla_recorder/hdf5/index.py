"""`dataset.hdf5`: all episodes of a folder as one file, for robomimic.

It holds links to the episodes and nothing of them, is made again from the folder whenever it is
lost or old, and replaced at once. Our own reader does not use it. `mask/train` names all
demonstrations but those that failed.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from vla_core.errors import InvalidDataError
from vla_recorder.hdf5.files import named
from vla_recorder.hdf5.layout import DEMO, ENV_ARGS
from vla_recorder.store import locked, publish, temporary_file

INDEX = 'dataset.hdf5'
_GROWTH = 0.01  # share of the episodes that the index may lack while a writer is at work


@dataclass(frozen=True)
class Entry:
    """What the index says of an episode file."""

    changed_ns: int  # when the file was, by the file system
    samples: int  # frames with an action; robomimic knows no demonstration without
    failed: bool


class Index:
    """The index of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Entry] = {}  # path below the folder -> entry
        self._missing = 0

    def grown(self, by: int) -> None:
        """Count episodes that were written, and write the index when they are many."""
        self._missing += by
        if self._missing > _GROWTH * len(self._known):
            self.write()

    def write(self) -> None:
        """Write the index of what is in the folder now."""
        with locked(self._folder):
            self._known = self._entries()
            with temporary_file(self._folder) as temporary:
                _save(temporary, self._known)
                publish(temporary, self._folder / INDEX)
        self._missing = 0

    def _entries(self) -> dict[str, Entry]:
        known = self._known or _read(self._folder / INDEX)
        entries = {}
        for path in sorted(self._folder.rglob('*.h5')):
            name, changed = path.relative_to(self._folder).as_posix(), path.stat().st_mtime_ns
            if path.name.startswith('.'):
                continue
            old = known.get(name)
            entry = old if old and old.changed_ns == changed else _measure(path, changed)
            if entry is not None:
                entries[name] = entry
        return entries


def _measure(path: Path, changed_ns: int) -> Entry | None:
    """Return the entry of an episode file; None for one that is broken."""
    try:
        with named(path), h5py.File(path, 'r') as file:
            demo = file[DEMO].attrs
            return Entry(changed_ns, int(demo['num_samples']), not demo.get('success', True))
    except InvalidDataError:
        return None


def _read(path: Path) -> dict[str, Entry]:
    """Return the entries of an index; none of one that cannot be read."""
    try:
        with named(path), h5py.File(path, 'r') as file:
            group = file['index']
            names = group['file'].asstr()[()]
            numbers = [group[part][()].tolist() for part in ('changed_ns', 'samples', 'failed')]
            return {name: Entry(*entry) for name, *entry in zip(names, *numbers, strict=True)}
    except InvalidDataError:
        return {}


def _save(path: Path, entries: dict[str, Entry]) -> None:
    with h5py.File(path, 'w', libver='latest') as file:
        data, group = file.create_group('data'), file.create_group('index')
        usable = {name: entry for name, entry in entries.items() if entry.samples}
        for number, name in enumerate(usable):
            data[f'demo_{number}'] = h5py.ExternalLink(name, f'/{DEMO}')
        data.attrs['total'] = sum(entry.samples for entry in usable.values())
        data.attrs['env_args'] = ENV_ARGS
        kept = [f'demo_{k}' for k, entry in enumerate(usable.values()) if not entry.failed]
        file['mask/train'] = np.array(kept, dtype='S')
        group.create_dataset('file', data=list(entries), dtype=h5py.string_dtype())
        for part in ('changed_ns', 'samples', 'failed'):
            group[part] = np.array([getattr(entry, part) for entry in entries.values()])
