"""How worker processes end: Ctrl-C is their parent's to handle, and they never outlive it."""

from collections.abc import Iterator
from contextlib import contextmanager
import ctypes
import multiprocessing
from multiprocessing.process import BaseProcess
import signal

_PR_SET_PDEATHSIG = 1  # prctl(2)
_GRACE_S = 2.0


@contextmanager
def deaf_children() -> Iterator[None]:
    """Start processes in here that Ctrl-C does not reach: they inherit that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies, however that happens."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def end(children: list[BaseProcess]) -> None:
    """End processes at once; what they do is repeated another time."""
    for child in children:
        child.terminate()
    for child in children:
        child.join(_GRACE_S)
        if child.is_alive():
            child.kill()


def children_since(before: list[BaseProcess]) -> list[BaseProcess]:
    """Return the living children of this process that are not in `before`."""
    return [child for child in multiprocessing.active_children() if child not in before]
