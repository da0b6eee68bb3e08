"""The form of a trial: one key says what happened, a line may say more."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import os
import select
import sys
import termios
import tty
from typing import Protocol

from vla_bringup.blind import Outcome
from vla_core.errors import InvalidDataError

KEYS = 's success, f failure, i success with interventions, r redo, q quit'
_ENDS = ('\n', '\r')
_RUBOUT = ('\x7f', '\b')
_END_OF_INPUT = '\x04'


class InputEndedError(InvalidDataError):
    """The operator's terminal was closed."""

    def __init__(self) -> None:
        super().__init__('input ended: the trials so far are kept, the same command goes on')


class Operator(Protocol):
    """Who looks at the arm and answers."""

    def tell(self, text: str, end: str = '\n') -> None:
        """Show a text."""

    def key(self) -> str:
        """Return the next key; raise InputEndedError when there is none to come."""

    def pressed(self, timeout_s: float) -> bool:
        """Wait for a key and take it; False when none came in time."""


@dataclass(frozen=True)
class Answer:
    """A filled form."""

    outcome: Outcome
    interventions: int = 0
    note: str = ''


def ask(operator: Operator) -> Answer | None:
    """Have the form filled in; None when the operator quits."""
    operator.tell(f'[{KEYS}]')
    while (key := operator.key().lower()) not in ('s', 'f', 'i', 'r', 'q'):
        operator.tell(f'got {key!r}, allowed: {KEYS}')
    if key == 'q':
        return None
    outcome = {'r': Outcome.REDO, 'f': Outcome.FAILURE}.get(key, Outcome.SUCCESS)
    operator.tell(outcome.value)
    if key == 'r':
        return Answer(Outcome.REDO, note=_ask_line(operator, 'why again (Enter for nothing): '))
    interventions = 0 if key == 's' else _ask_count(operator, least=int(key == 'i'))
    return Answer(outcome, interventions, _ask_line(operator, 'note (Enter for none): '))


def _ask_count(operator: Operator, least: int) -> int:
    while True:
        text = _ask_line(operator, f'interventions (Enter for {least}): ')
        if not text:
            return least
        if text.isascii() and text.isdigit() and int(text) >= least:
            return int(text)
        operator.tell(f'got {text!r}, allowed a number from {least}')


def _ask_line(operator: Operator, prompt: str) -> str:
    """Return a line typed key by key; the rubout key takes one back."""
    operator.tell(prompt, end='')
    typed: list[str] = []
    while (key := operator.key()) not in _ENDS:
        if key.isprintable():
            typed.append(key)
            operator.tell(key, end='')
        elif key in _RUBOUT and typed:
            typed.pop()
            operator.tell('\b \b', end='')
    operator.tell('')
    return ''.join(typed).strip()


class Terminal:
    """The operator at this process's terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def tell(self, text: str, end: str = '\n') -> None:
        """Print a text."""
        print(text, end=end, flush=True)

    def key(self) -> str:
        """Read one key; it is not shown."""
        data = self._read()
        while len(data) < 4 and data[0] >= 0xc0 and not _whole(data):
            data += self._read()
        key = data.decode(errors='replace')
        if key == _END_OF_INPUT:
            raise InputEndedError
        return key

    def pressed(self, timeout_s: float) -> bool:
        """Wait for a key and take it."""
        ready, _, _ = select.select([self._descriptor], [], [], timeout_s)
        return bool(ready) and bool(self._read())

    def _read(self) -> bytes:
        try:
            data = os.read(self._descriptor, 1)
        except OSError as error:  # EIO: the terminal's other end is gone
            raise InputEndedError from error
        if not data:
            raise InputEndedError
        return data


@contextmanager
def terminal() -> Iterator[Terminal]:
    """Give the terminal key by key, and leave it as it was.

    Raises InvalidDataError where standard input is none.
    """
    if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty():
        raise InvalidDataError(
            '--real: got standard input that is no terminal, allowed one to press keys at')
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor, termios.TCSADRAIN)  # what was typed ahead is not thrown away
    try:
        yield Terminal(descriptor)
    finally:
        _restore(descriptor, before)


def _restore(descriptor: int, before: list) -> None:
    try:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
    except termios.error:  # it is gone, and needs no modes
        return


def _whole(data: bytes) -> bool:
    """Tell whether UTF-8 bytes are a whole character."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
