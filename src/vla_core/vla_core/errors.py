"""The one family of errors a user of the suite can cause and mend."""

from collections.abc import Iterable
import difflib


class VlaError(Exception):
    """A problem its user can mend; the message says what, got and allowed on one line."""


class UnknownNameError(VlaError, ValueError):
    """A name that is not among the known ones; the message lists them and the nearest."""

    def __init__(self, what: str, got: str, allowed: Iterable[str]) -> None:
        names = sorted(allowed)
        near = difflib.get_close_matches(got, names, n=1)
        hint = f' (did you mean {near[0]!r}?)' if near else ''
        super().__init__(f'unknown {what} {got!r}{hint}; allowed: {", ".join(names)}')


class InvalidDataError(VlaError, ValueError):
    """Data from outside that breaks a contract."""
