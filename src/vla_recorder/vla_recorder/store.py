"""Durable files: what a reader can see is whole, whatever was killed while it was written."""

from collections.abc import Iterator
from contextlib import contextmanager
import fcntl
import os
from pathlib import Path
import re
import shutil
import uuid

from vla_core.errors import InvalidDataError

NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_.-]{0,127}')
_PARTIAL = re.compile(r'\.(\d+)-[0-9a-f]{32}\.partial.*')


def check_name(what: str, name: str) -> str:
    """Return `name` if it may be one part of a path, else raise InvalidDataError."""
    if not NAME.fullmatch(name):
        raise InvalidDataError(
            f'{what}: got {name!r}, allowed a letter or digit, then also "_", "-" and "."')
    return name


def sync(path: Path) -> None:
    """Force a file or folder onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(temporary: Path, path: Path) -> None:
    """Give a finished file its name, durably and at once; it replaces what had the name."""
    sync(temporary)
    os.replace(temporary, path)
    sync(path.parent)


@contextmanager
def temporary_file(folder: Path, suffix: str = '') -> Iterator[Path]:
    """Yield an unused path in `folder` that readers skip; what is left there is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f'.{os.getpid()}-{uuid.uuid4().hex}.partial{suffix}'
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes of this machine left of `temporary_file` in `folder`."""
    for path in folder.glob('.*.partial*'):
        match = _PARTIAL.fullmatch(path.name)
        if match and not _is_alive(int(match[1])):
            path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # somebody else's; or no process of ours
        pass
    return True


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder alone among the processes that ask for it (flock, freed by the kernel)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def free_bytes(folder: Path) -> int:
    """Return the space left [bytes] on the disk that holds `folder` or will hold it."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
