"""Mend a data set where what is right can be derived; move away what cannot be read.

Nothing is deleted but what a killed writer left unfinished. Every change is told, and what is
not mended is told with the reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import os
from pathlib import Path
import shutil

from vla_core.errors import InvalidDataError
from vla_recorder.check.checker import Checked
from vla_recorder.check.lerobot import rewrite_stats
from vla_recorder.checksums import MANIFEST, write_manifest
from vla_recorder.formats import find_format, WriteOptions

ONE_FILE = ('hdf5', 'aloha', 'mcap')  # formats whose episodes lie in files of their own
AWAY = '.quarantine'  # appended to the name of the data set's folder


@dataclass(frozen=True)
class Repair:
    """What was done to a data set, a line each."""

    changes: tuple[str, ...]
    refusals: tuple[str, ...]


def repair(root: Path, format_name: str, episodes: Sequence[Checked]) -> Repair:
    """Mend the data set in `root`, whose episodes were checked before."""
    root = Path(root)
    if not root.is_dir():
        return Repair((), (f'{root}: is one file, allowed the folder of a data set',))
    changes: list[str] = []
    refusals: list[str] = []
    for episode in episodes:
        if not episode.readable:
            _put_away(root, format_name, episode, changes, refusals)
    before = _tree(root)
    try:
        find_format(format_name).load().open_writer(root, WriteOptions()).close()
    except InvalidDataError as error:
        refusals.append(f'unfinished files and index: {error}')
    changes += _changed(before, _tree(root))
    if format_name == 'lerobot':
        try:
            changes += [f'rewrote meta/stats.json {name}' for name in rewrite_stats(root)]
        except InvalidDataError as error:
            refusals.append(f'meta/stats.json: {error}')
    if changes and (root / MANIFEST).is_file():
        write_manifest(root)
        changes.append(f'rewrote {MANIFEST}')
    return Repair(tuple(changes), tuple(refusals))


def _put_away(
    root: Path, format_name: str, episode: Checked, changes: list[str], refusals: list[str],
) -> None:
    file = _file_of(root, episode)
    if format_name not in ONE_FILE or file is None:
        refusals.append(
            f'{episode.episode_id}: {format_name} keeps no file for it alone; '
            './vla convert SRC DST --to FORMAT --skip-bad leaves it out')
        return
    if format_name == 'mcap' and file.parent != root:
        file = file.parent  # a bag is a folder
    target = root.with_name(root.name + AWAY) / file.relative_to(root)
    while target.exists():
        target = target.with_name(f'{target.name}.again')
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(file, target)
    changes.append(f'moved {file.relative_to(root)} to {target}')


def _file_of(root: Path, episode: Checked) -> Path | None:
    """Return the file below `root` that the finding about an unreadable episode names."""
    for finding in episode.findings:
        if finding.what == 'cannot be read':
            for part in finding.got.split(': '):
                path = Path(part)
                if path.is_file() and path.resolve().is_relative_to(root.resolve()):
                    return root / path.resolve().relative_to(root.resolve())
    return None


def _tree(root: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of every file below `root`, hidden ones and folders, too."""
    found = {}
    for folder, inner, names in os.walk(root):
        for name in (*inner, *names):
            path = Path(folder) / name
            what = path.lstat()
            times = (0, 0) if name in inner else (what.st_size, what.st_mtime_ns)
            found[path.relative_to(root).as_posix()] = times
    return found


def _changed(
    before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]],
) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if Path(name).parent.as_posix() in before.keys() ^ after.keys():
            continue  # its folder is told of
        if name not in after:
            yield f'removed {name}'
        elif name not in before:
            yield f'wrote {name}'
        elif before[name] != after[name]:
            yield f'rewrote {name}'
