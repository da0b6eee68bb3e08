"""A blind session on a real arm: in which order two policies drive, and what came of it.

Scene by scene (a block) both policies drive once, in random order; as many scenes begin with A
as with B. So drift over the day (light, wear, the operator's mood) meets both alike, and the
two trials of a scene are a pair.

What a session leaves in its folder:
    session.json    what was asked for
    order.sealed    who drives when, in base64 so that nobody reads it by accident
    trials.jsonl    one row a trial, on the disk before the next trial begins
    logs/           what the hidden command printed
    driver.txt      without a command: the policy to start now, for whoever is not the operator
    unblinded       there once a report has told the order; no trial is added after that
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
import json
import os
from pathlib import Path
import zlib

import numpy as np
from vla_bringup.report import write_json
from vla_core.errors import InvalidDataError
from vla_training.comparison import Paired, PairKey

_STREAM = zlib.crc32(b'blind order')
_PLAN, _ORDER, _TRIALS, _OPENED = 'session.json', 'order.sealed', 'trials.jsonl', 'unblinded'


class Outcome(str, Enum):
    """What the operator says of a trial."""

    SUCCESS = 'success'
    FAILURE = 'failure'
    REDO = 'redo'  # does not count: the arm was not ready, say


@dataclass(frozen=True)
class SessionPlan:
    """What a session is about; the same when it goes on."""

    a: str
    b: str
    instruction: str
    episodes: int  # trials a policy
    run: str = ''  # shell command with {policy} and {instruction}


@dataclass(frozen=True)
class Trial:
    """One trial to come; `side` is nothing for the operator's eyes."""

    number: int  # 1..
    scene: int  # 1..
    side: str  # 'a' or 'b'


@dataclass(frozen=True)
class TrialRow:
    """What came of a trial; the fields are those of trials.jsonl."""

    trial: int
    scene: int
    outcome: Outcome
    interventions: int
    note: str
    exit_code: int | None  # of the hidden command; None without one
    ended: str  # UTC, ISO 8601


class BlindSession:
    """A session in a folder, new or gone on with."""

    def __init__(self, folder: Path, plan: SessionPlan, order: str) -> None:
        """Take the order as a letter a trial; `open_session` is the way to one."""
        self.folder, self.plan = folder, plan
        self._order = order
        self.rows = _read_rows(folder / _TRIALS)

    @property
    def trials(self) -> int:
        """Trials of both policies."""
        return len(self._order)

    @property
    def unblinded(self) -> bool:
        """Say whether a report has told who drove."""
        return (self.folder / _OPENED).exists()

    def next_trial(self) -> Trial | None:
        """Return the first trial that is still to do, or None after the last."""
        done = sum(row.outcome is not Outcome.REDO for row in self.rows)
        if done == self.trials:
            return None
        return Trial(done + 1, done // 2 + 1, self._order[done])

    def policy(self, trial: Trial) -> str:
        """Return who drives; for the command, not for the screen."""
        return self.plan.a if trial.side == 'a' else self.plan.b

    def keep(self, row: TrialRow) -> None:
        """Append a row to the journal; on the disk when this returns."""
        with (self.folder / _TRIALS).open('ab') as file:
            file.write(json.dumps(asdict(row)).encode() + b'\n')
            file.flush()
            os.fsync(file.fileno())
        self.rows.append(row)

    def unblind(self) -> dict[str, list[TrialRow]]:
        """Tell who drove: the rows of 'a' and of 'b' in scenes that both have finished.

        Rows to redo are among them.
        """
        counted = sum(row.outcome is not Outcome.REDO for row in self.rows)
        if counted < 2:
            raise InvalidDataError(
                f'--real {self.folder}: got {counted} finished trials, allowed 2 or more')
        (self.folder / _OPENED).touch()
        sides: dict[str, list[TrialRow]] = {'a': [], 'b': []}
        for row in self.rows:
            if row.scene <= counted // 2:
                sides[self._order[row.trial - 1]].append(row)
        return sides


def open_session(folder: Path, plan: SessionPlan, seed: int) -> BlindSession:
    """Begin a session in `folder`, or go on with the one that is there.

    Raises InvalidDataError when the one that is there has another plan or is broken.
    """
    if is_session(folder):
        return resume_session(folder, plan)
    (folder / 'logs').mkdir(parents=True, exist_ok=True)
    order = draw_order(plan.episodes, seed)
    (folder / _ORDER).write_bytes(base64.b64encode(order.encode()) + b'\n')
    write_json(folder / _PLAN, asdict(plan))  # last: its presence means complete
    return BlindSession(folder, plan, order)


def draw_order(scenes: int, seed: int) -> str:
    """Return who drives as letters, two a scene: 'ab' or 'ba', each in half of the scenes."""
    rng = np.random.default_rng([seed, _STREAM])
    swapped = rng.permutation((np.arange(scenes) + rng.integers(2)) % 2)
    return ''.join('ba' if swap else 'ab' for swap in swapped)


def pair_trials(
    sides: Mapping[str, Sequence[TrialRow]], instruction: str, holds: Callable[[TrialRow], bool]
) -> Paired:
    """Return whether `holds` of the trials of both policies, scene by scene."""
    a, b = ({row.scene: holds(row) for row in sides[side] if row.outcome is not Outcome.REDO}
            for side in ('a', 'b'))
    scenes = sorted(a)
    return Paired(tuple(PairKey(instruction, scene) for scene in scenes),
                  tuple(a[scene] for scene in scenes), tuple(b[scene] for scene in scenes))


def is_session(folder: Path) -> bool:
    """Say whether `folder` holds a session."""
    return (folder / _PLAN).exists()


def resume_session(folder: Path, plan: SessionPlan) -> BlindSession:
    """Return the session in `folder`; InvalidDataError for none, another or a broken one."""
    if not is_session(folder):
        raise InvalidDataError(f'--real {folder}: got no session, allowed the folder of one')
    try:
        known = json.loads((folder / _PLAN).read_text())
        order = base64.b64decode((folder / _ORDER).read_bytes()).decode()
    except (OSError, ValueError) as error:
        raise InvalidDataError(f'--real {folder}: broken session: {error}') from error
    for name, value in asdict(plan).items():
        if known.get(name) != value:
            raise InvalidDataError(
                f'--real {folder}: holds a session with {name} {known.get(name)!r}, got '
                f'{value!r}; allowed the same, or a new folder')
    return BlindSession(folder, plan, order)


def _read_rows(path: Path) -> list[TrialRow]:
    """Read the journal; a last line without its end was cut off by a crash and is dropped."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[:data.rfind(b'\n') + 1]
    if whole != data:
        os.truncate(path, len(whole))
    try:
        rows = [json.loads(line) for line in whole.splitlines()]
        return [TrialRow(**{**row, 'outcome': Outcome(row['outcome'])}) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidDataError(f'{path}: broken journal of trials: {error}') from error
