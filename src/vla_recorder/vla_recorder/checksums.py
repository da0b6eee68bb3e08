"""A SHA-256 of every file of a data set, in a file that `sha256sum -c` reads as well.

`checksums.sha256` lies at the root of the data set and names every file below it but hidden
ones. A file keeps the sum it has for as long as nothing wrote to it since: what rots on the disk
is found, not signed anew.
"""

import hashlib
import os
from pathlib import Path
import re

from vla_core.errors import InvalidDataError
from vla_recorder.store import publish, temporary_file

MANIFEST = 'checksums.sha256'
_LINE = re.compile(r'([0-9a-f]{64}) [ *](.+)')
_PIECE = 1 << 20  # bytes read at a time


def write_manifest(root: Path) -> int:
    """Write the sums of all files durably and return how many there are.

    Only files written since the last manifest are read. Raises InvalidDataError for a name that
    a line cannot hold.
    """
    root = Path(root)
    path = root / MANIFEST
    known, _ = _parse(path) if path.exists() else ({}, [])
    since = path.stat().st_ctime_ns if known else 0  # a rename counts: modification may be older
    sums = {}
    for name in data_files(root):
        if re.search(r'[\n\r\\]', name):
            raise InvalidDataError(
                f'{root}: got a file {name!r}, allowed names without line break and backslash')
        old = (root / name).stat().st_ctime_ns < since
        sums[name] = known[name] if old and name in known else _sum(root / name)
    with temporary_file(root) as temporary:
        temporary.write_text(''.join(f'{sums[name]}  {name}\n' for name in sums))
        publish(temporary, path)
    return len(sums)


def verify(root: Path) -> list[str]:
    """Return what is wrong, a line each that names the file; nothing where all is as written."""
    root = Path(root)
    path = root / MANIFEST
    if not path.is_file():
        return [f'{path}: missing']
    sums, problems = _parse(path)
    present = data_files(root)
    for name in sorted(sums.keys() | set(present)):
        if name not in sums:
            problems.append(f'{root / name}: not in {MANIFEST}')
        elif name not in present:
            problems.append(f'{root / name}: missing')
        else:
            problems += _compared(root / name, sums[name])
    return problems


def data_files(root: Path) -> list[str]:
    """Return the paths of all files below `root`, sorted; hidden ones and the manifest are not."""
    found = []
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith('.'))
        here = Path(folder).relative_to(root)
        found += [(here / name).as_posix() for name in names if not name.startswith('.')]
    return sorted(name for name in found if name != MANIFEST)


def _parse(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return the sums of a manifest and the lines that are none."""
    sums, problems = {}, []
    text = path.read_text(encoding='utf-8', errors='replace')
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match:
            sums[match[2]] = match[1]
        else:
            problems.append(f'{path}:{number}: not a line of a checksum and a name')
    return sums, problems


def _compared(path: Path, wanted: str) -> list[str]:
    try:
        return [] if _sum(path) == wanted else [f'{path}: changed since its checksum was taken']
    except OSError as error:
        return [f'{path}: unreadable ({error.strerror})']


def _sum(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
