"""Where a conversion takes place: a hidden folder that gets its name when it is whole."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import fcntl
import os
from pathlib import Path
import re
import shutil

from vla_core.errors import InvalidDataError
from vla_recorder.checksums import write_manifest
from vla_recorder.convert.journal import JOURNAL, Journal, load_journal
from vla_recorder.store import free_bytes, sync

FLOOR_BYTES = 10**9  # left free on the disk, whatever happens
_LOCK = '.lock'
_LEFTOVER = re.compile(r'\.\d+-[0-9a-f]{32}\.partial')  # of a killed `temporary_file`


def finished(destination: Path, identity: Mapping[str, str]) -> Journal | None:
    """Return the journal of a finished conversion of that identity, None where nothing is.

    Raises InvalidDataError where something else has the place.
    """
    if not destination.exists() or (destination.is_dir() and not any(destination.iterdir())):
        return None
    journal = load_journal(destination)
    if journal is None or journal.episodes is None:
        raise InvalidDataError(
            f'{destination}: got something that is no conversion of {identity["source"]}, '
            'allowed a new path')
    odd = [key for key in identity if journal.identity.get(key) != identity[key]]
    if odd:
        raise InvalidDataError(
            f'{destination}: got a conversion that differs in {", ".join(odd)} '
            f'({journal.identity.get(odd[0])!r} instead of {identity[odd[0]]!r}), '
            'allowed the same one again or a new path')
    return journal


@contextmanager
def alone(destination: Path) -> Iterator[Path]:
    """Yield the hidden folder of a destination; raise InvalidDataError where it is in use."""
    partial = destination.resolve().with_name(f'.{destination.resolve().name}.partial')
    partial.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(partial / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    try:
        _lock(descriptor, destination)
        try:
            yield partial
        finally:
            _remove_if_empty(partial)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, destination: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InvalidDataError(
            f'{destination}: got a second conversion into it, allowed one at a time') from error


def _remove_if_empty(partial: Path) -> None:
    """Remove the hidden folder of a conversion that has no episode yet."""
    if partial.is_dir() and {path.name for path in partial.iterdir()} <= {_LOCK, JOURNAL}:
        shutil.rmtree(partial)


def check_space(place: Path) -> None:
    """Raise InvalidDataError where the disk has less than the floor left."""
    free = free_bytes(place.resolve())
    if free < FLOOR_BYTES:
        raise InvalidDataError(
            f'{place}: got {free / 1e9:.2f} GB left on the disk, '
            f'allowed {FLOOR_BYTES / 1e9:g} GB or more; the same command goes on')


def begin(partial: Path, journal: Journal) -> Journal:
    """Return the journal of what an earlier run left, or begin anew.

    Raises InvalidDataError where the folder holds files of something else.
    """
    known = load_journal(partial)
    files = [p for p in partial.iterdir()
             if p.name not in (_LOCK, JOURNAL) and not _LEFTOVER.fullmatch(p.name)]
    if known is None and files:
        raise InvalidDataError(f'{partial}: got files of something else, allowed none')
    if known is None or known.identity != journal.identity:
        Journal({}).save(partial)  # while files go, it is the conversion of nothing
        for path in files:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        journal.save(partial)
        known = journal
    for path in partial.iterdir():
        if _LEFTOVER.fullmatch(path.name):
            path.unlink()
    return known


def publish_folder(partial: Path, destination: Path, journal: Journal) -> None:
    """Sign the files of a whole data set and give the folder its name."""
    write_manifest(partial)
    journal.save(partial)
    (partial / _LOCK).unlink()
    sync(partial)
    os.rename(partial, destination.resolve())
    sync(destination.resolve().parent)
