"""Files of a data set: what a writer left unfinished, and what rotted on the disk."""

from collections.abc import Iterator
import os
from pathlib import Path
import re

from vla_recorder.check.findings import Finding, Level, WHOLE
from vla_recorder.check.lerobot import stats_findings
from vla_recorder.checksums import MANIFEST, verify

UNFINISHED = re.compile(r'\..*\.partial.*|\.staging|episode_\d+\.recording')


def file_findings(root: Path, format_name: str) -> Iterator[Finding]:
    """Yield what is wrong with the files of a data set; its episodes are not read."""
    root = Path(root)
    if not root.is_dir():
        return
    left = unfinished(root)
    if left:
        yield Finding(
            Level.WARNING, WHOLE, left[0], 'is unfinished: a writer is at work, or was killed',
            f'{len(left)} such files or folders', '0')
    if (root / MANIFEST).is_file():
        for problem in verify(root):
            path, _, what = problem.rpartition(': ')
            level = Level.WARNING if what.startswith('not in') else Level.ERROR
            yield Finding(level, WHOLE, _below(root, path), 'differs from its checksum', what,
                          'the file as it was written')
    if format_name == 'lerobot':
        yield from stats_findings(root)


def unfinished(root: Path) -> list[str]:
    """Return what lies below `root` that readers skip as it was never finished."""
    found = []
    for folder, inner, names in os.walk(root):
        here = Path(folder).relative_to(root)
        found += [(here / name).as_posix() for name in (*inner, *names)
                  if UNFINISHED.fullmatch(name)]
        inner[:] = [name for name in inner if not UNFINISHED.fullmatch(name)]
    return sorted(found)


def _below(root: Path, path: str) -> str:
    return path.removeprefix(f'{root}/')
