"""The journal of an exam: a line an episode, so that nothing is lost or done twice.

The first line describes the exam; each other line holds one trial and what came of it. A line is
on the disk before the next trial counts as done, and a line that was torn by a crash is dropped.
"""

from collections.abc import Mapping
import fcntl
import json
import os
from pathlib import Path
from types import TracebackType

from vla_bringup.suites import Trial
from vla_core.errors import InvalidDataError
from vla_training.evaluate import Outcome

NAME = 'journal.jsonl'
_SHOWN = 3  # differences named in a refusal


class Journal:
    """One exam's folder; use it as a context manager."""

    def __init__(self, folder: Path, description: Mapping[str, object]) -> None:
        """Begin an exam in `folder`, or go on with it.

        Raises InvalidDataError when the folder holds something else, another exam, or one that
        is running.
        """
        self.path = folder / NAME
        _check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open('a+b')
        self.finished: dict[Trial, Outcome] = {}
        try:
            self._lock()
            self._read(json.loads(json.dumps(description)))
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> 'Journal':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, trial: Trial, outcome: Outcome) -> None:
        """Note what came of a trial; it is on the disk when this returns."""
        self._append({'trial': list(trial), 'outcome': outcome})
        self.finished[trial] = outcome

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InvalidDataError(
                f'{self.path}: got an exam that is running, allowed one that has ended') from error

    def _read(self, description: dict) -> None:
        self._file.seek(0)
        whole = self._file.read()
        whole = whole[:whole.rfind(b'\n') + 1]
        self._file.truncate(len(whole))
        lines = [self._parse(line, i) for i, line in enumerate(whole.splitlines())]
        if len(lines) < 2:  # no trial was finished: nothing is lost by beginning afresh
            self._file.truncate(0)
            self._append({'exam': description})
            _sync(self.path.parent)
            return
        self._check(lines[0].get('exam', {}), description)
        self.finished = {Trial(*line['trial']): line['outcome'] for line in lines[1:]}

    def _parse(self, line: bytes, number: int) -> dict:
        try:
            return json.loads(line)
        except ValueError as error:
            raise InvalidDataError(f'{self.path}:{number + 1}: not a line of JSON') from error

    def _check(self, there: dict, here: dict) -> None:
        odd = [f'{key} {_short(there.get(key))} there, {_short(here.get(key))} here'
               for key in {**there, **here} if there.get(key) != here.get(key)]
        if odd:
            more = f'; and {len(odd) - _SHOWN} more' if len(odd) > _SHOWN else ''
            raise InvalidDataError(
                f'--out {self.path.parent} holds another exam: {"; ".join(odd[:_SHOWN])}{more}; '
                'allowed: the same options, or another folder')

    def _append(self, line: dict) -> None:
        self._file.write(json.dumps(line).encode() + b'\n')
        self._file.flush()
        os.fsync(self._file.fileno())


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InvalidDataError(f'--out {folder}: got a file, allowed a folder')
    if folder.is_dir() and not (folder / NAME).exists() and any(folder.iterdir()):
        raise InvalidDataError(
            f'--out {folder}: got other files without a {NAME}, allowed an empty or new folder')


def _sync(folder: Path) -> None:
    """Make sure that a file that is new in `folder` stays there."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f'{text[:57]}...'
