"""Keys of a terminal: their names, and what is left of a terminal that is lost."""

import os
import pty
import termios

from hypothesis import given
from hypothesis import strategies as st
import pytest
from vla_bringup.terminal import decode_keys, Terminal
from vla_core.errors import VlaError


@pytest.mark.parametrize(('sent', 'names'), [
    (b'w', ['w']), (b'\r', ['enter']), (b'\n', ['enter']), (b' ', ['space']),
    (b'\x7f', ['backspace']), (b'\x1b[A', ['up']), (b'\x1bOD', ['left']), (b'\x1b[3~', []),
    (b'ws\x1b[Bd', ['w', 's', 'down', 'd']), (b'\xff', []), (b'\x01', []), (b'\x1b', []),
    ('ß'.encode(), ['ß']),
])
def test_keys_have_names(sent: bytes, names: list[str]) -> None:
    assert decode_keys(sent) == names


@given(st.binary(max_size=40))
def test_whatever_a_terminal_sends_is_names(sent: bytes) -> None:
    assert all(name and name.isprintable() for name in decode_keys(sent))


def test_a_terminal_hands_over_single_keys_and_is_put_right_afterwards() -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    with Terminal(slave) as terminal:
        assert terminal.read(0.0) == []
        os.write(master, b'w\r')
        assert terminal.read(5.0) == ['w', 'enter']
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_a_terminal_that_hangs_up_is_none() -> None:
    master, slave = pty.openpty()
    with Terminal(slave) as terminal:
        os.close(master)
        assert terminal.read(5.0) is None
    os.close(slave)


def test_what_is_no_terminal_is_refused() -> None:
    reader, writer = os.pipe()
    with pytest.raises(VlaError, match='standard input that is no terminal'):
        Terminal(reader)
    os.close(reader)
    os.close(writer)
