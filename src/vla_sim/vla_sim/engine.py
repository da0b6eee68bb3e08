"""PyBullet, imported without the banner that it prints to the standard error."""

from collections.abc import Iterator
from contextlib import contextmanager
import os

_STDERR = 2  # the descriptor that C code writes to


@contextmanager
def _mute() -> Iterator[None]:
    """Send what C code prints to nowhere."""
    kept, nowhere = os.dup(_STDERR), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    try:
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(nowhere)


with _mute():
    import pybullet

__all__ = ['pybullet']
