"""Where the time of an episode goes."""

from collections.abc import Callable, Mapping
from functools import wraps
import time
from typing import Any


class Stopwatch:
    """Sums up time [s] a label, by the clock on the wall unless another is given."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.seconds: dict[str, float] = {}

    def watch(self, target: object, labels: Mapping[str, str]) -> '_Watched':
        """Return `target` with the named methods timed, each under its label."""
        return _Watched(target, {
            method: self.timed(getattr(target, method), label)
            for method, label in labels.items()})

    def timed(self, function: Callable, label: str) -> Callable:
        """Return the function timed."""
        @wraps(function)
        def run(*arguments: Any, **named: Any) -> Any:
            began = self._clock()
            try:
                return function(*arguments, **named)
            finally:
                spent = self._clock() - began
                self.seconds[label] = self.seconds.get(label, 0.0) + spent
        return run


class _Watched:
    """An object some of whose methods are replaced."""

    def __init__(self, target: object, methods: Mapping[str, Callable]) -> None:
        self._target = target
        vars(self).update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)
