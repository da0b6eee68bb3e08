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
_PATIENCE_S = ((signal.SIGINT, 3.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 1.0))


def fill(command: str, policy: str, instruction: str) -> str:
    """Return the shell command with {policy} and {instruction} put in, quoted."""
    filled = command.replace('{instruction}', shlex.quote(instruction))
    return filled.replace('{policy}', shlex.quote(policy))


def run_hidden(command: str, log: Path, operator: Operator) -> int:
    """Run a shell command until it ends or the operator presses a key; return its exit code.

    Everything it prints is appended to `log`. Nothing of it is left when this returns or
    raises, whatever ends this process: an arm must not go on when nobody looks.
    """
    with log.open('ab') as file, _hangup_raises():
        process = subprocess.Popen(
            command, shell=True, stdin=subprocess.DEVNULL, stdout=file,
            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=die_with_parent)
        try:
            while process.poll() is None and not operator.pressed(_POLL_S):
                pass
        finally:
            _end(process)
    return process.returncode


def _end(process: subprocess.Popen) -> None:
    """End the command and all it started, at first gently."""
    for number, patience_s in _PATIENCE_S:
        limit_s = time.monotonic() + patience_s
        try:
            os.killpg(process.pid, number)
            while time.monotonic() < limit_s:
                process.poll()  # reaps it, so that it no longer counts
                os.killpg(process.pid, 0)
                time.sleep(_GLANCE_S)
        except ProcessLookupError:  # the group is empty
            break
    process.wait()


@contextmanager
def _hangup_raises() -> Iterator[None]:
    """Have a closed terminal and SIGTERM raise, so that the command is ended first."""
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt)
              for number in (signal.SIGHUP, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
