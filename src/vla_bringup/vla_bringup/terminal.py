"""Single keys of a plain terminal, also over SSH."""

import os
import select
import sys
import termios
import tty

from vla_core.errors import VlaError

_NAMES = {' ': 'space', '\r': 'enter', '\n': 'enter', '\x7f': 'backspace', '\x08': 'backspace',
          '\t': 'tab'}
_ARROWS = {'A': 'up', 'B': 'down', 'C': 'right', 'D': 'left'}


def decode_keys(data: bytes) -> list[str]:
    """Return the names of the keys in what a terminal sent; unknown sequences are none."""
    text, names, at = data.decode('utf-8', 'ignore'), [], 0
    while at < len(text):
        if text[at] == '\x1b' and text[at + 1:at + 2] in ('[', 'O'):
            end = at + 2
            while end < len(text) and not ('@' <= text[end] <= '~'):
                end += 1
            names += [_ARROWS[text[end]]] if text[end:end + 1] in _ARROWS else []
            at = end + 1
            continue
        name = _NAMES.get(text[at], text[at])
        names += [name] if name.isprintable() else []
        at += 1
    return names


class Terminal:
    """The terminal behind a descriptor, set to hand over each key at once and to show none."""

    def __init__(self, descriptor: int | None = None) -> None:
        """Raise VlaError where the descriptor (standard input without one) is no terminal."""
        self._descriptor = sys.stdin.fileno() if descriptor is None else descriptor
        if not os.isatty(self._descriptor):
            raise VlaError('keyboard: got standard input that is no terminal, allowed a terminal')
        self._before: list | None = None

    def __enter__(self) -> 'Terminal':
        self._before = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor)
        return self

    def __exit__(self, *error: object) -> None:
        try:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
        except termios.error:
            return  # it is gone, and nothing of it needs to be put right

    def read(self, timeout_s: float) -> list[str] | None:
        """Return the keys pressed within a time; None once the terminal is gone."""
        try:
            ready, _, _ = select.select([self._descriptor], [], [], timeout_s)
            data = os.read(self._descriptor, 1024) if ready else b''
        except OSError:  # EIO: the other end hung up
            return None
        return None if ready and not data else decode_keys(data)
