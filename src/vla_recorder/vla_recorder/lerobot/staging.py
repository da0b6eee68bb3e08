"""Files of one episode, written aside and then given their names together."""

import os
from pathlib import Path
import shutil
from types import TracebackType

from vla_recorder.store import sync

FOLDER = '.staging'


class Staging:
    """A folder beside a data set's files; what `publish` did not name is removed at the end."""

    def __init__(self, root: Path) -> None:
        self._root, self._names = root, list[str]()

    def __enter__(self) -> 'Staging':
        shutil.rmtree(self._root / FOLDER, ignore_errors=True)
        (self._root / FOLDER).mkdir()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        shutil.rmtree(self._root / FOLDER, ignore_errors=True)

    def path(self, name: str) -> Path:
        """Return where to write the file that is to be `name`, relative to the root."""
        self._names.append(name)
        return self._root / FOLDER / str(len(self._names))

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file."""
        self.path(name).write_bytes(content)

    def publish(self) -> None:
        """Sync all files, then give them their names in their order; the last one counts."""
        staged = [self._root / FOLDER / str(k + 1) for k in range(len(self._names))]
        for path in staged:
            sync(path)
        targets = [self._root / name for name in self._names]
        for path, target in zip(staged[:-1], targets):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
        for folder in sorted({self._root / parent for name in self._names
                              for parent in Path(name).parents}):
            sync(folder)
        os.replace(staged[-1], targets[-1])
        sync(targets[-1].parent)
