"""Run a policy without showing which: its output goes to a file, its end is a key away."""

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import shlex
import signal
import subprocess
import time

from vla_bringup.trial_form import Operator
from vla_training.processes import die_with_parent

_POLL_S, _GLANCE_S = 0.1, 0.02
_PATIENCE_S = ((signal.SIGINT, 2.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 1.0))


def fill(command: str, policy: str, instruction: str) -> str:
    """Return the shell command with {policy} and {instruction} put in, quoted."""
    filled = command.replace('{instruction}', shlex.quote(instruction))
    return filled.replace('{policy}', shlex.quote(policy))


def run_hidden(command: str, log: Path, operator: Operator) -> int:
    """Run a shell command until it ends or the operator presses a key; return its exit code.

    Everything it prints is appended to `log`. Nothing of it is left when this returns or
    raises: an arm must not go on when nobody looks. Raises KeyboardInterrupt after a signal.
    """
    with log.open('ab') as file, _noted_signals() as noted:
        process = subprocess.Popen(
            command, shell=True, stdin=subprocess.DEVNULL, stdout=file,
            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=die_with_parent)
        try:
            while process.poll() is None and not noted and not operator.pressed(_POLL_S):
                pass
        finally:
            _end(process)
    if noted:
        raise KeyboardInterrupt
    return process.returncode


def _end(process: subprocess.Popen) -> None:
    """End the command and all it started, at first gently."""
    for number, patience_s in _PATIENCE_S:
        if not _lives(process):
            return
        _signal(process.pid, number)
        limit_s = time.monotonic() + patience_s
        while _lives(process) and time.monotonic() < limit_s:
            time.sleep(_GLANCE_S)


def _signal(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:  # it ended by itself
        return


def _lives(process: subprocess.Popen) -> bool:
    """Say whether the command or anything of its group runs; the dead do not count."""
    if process.poll() is None:
        return True
    for entry in Path('/proc').glob('[0-9]*/stat'):
        try:
            state, _, group = entry.read_text().rpartition(')')[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):  # ended in between
            continue
        if int(group) == process.pid and state not in 'ZX':
            return True
    return False


@contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """Note Ctrl-C, a closed terminal and SIGTERM instead of dying of them half-way."""
    noted: list[int] = []
    before = {number: signal.signal(number, lambda number, frame: noted.append(number))
              for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
