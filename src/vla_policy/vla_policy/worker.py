"""A thread for work that must not hold up the node's callbacks."""

from collections.abc import Callable
import threading
from typing import Generic, TypeVar

Job = TypeVar('Job')


class NewestWorker(Generic[Job]):
    """Does the newest job it was given, one at a time; a newer job replaces a waiting one."""

    def __init__(self, work: Callable[[Job], None]) -> None:
        self._work = work
        self._wake = threading.Condition()
        self._job: Job | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._loop, name='inference', daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> bool:
        """Hand over a job; return whether it replaced one that had not begun."""
        with self._wake:
            replaced, self._job = self._job is not None, job
            self._wake.notify()
        return replaced

    def close(self, timeout_s: float = 1.0) -> None:
        """Drop a waiting job and end the thread after the one in hand."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout_s)

    def _loop(self) -> None:
        while (job := self._next()) is not None:
            self._work(job)

    def _next(self) -> Job | None:
        with self._wake:
            self._wake.wait_for(lambda: self._closing or self._job is not None)
            job, self._job = self._job, None
            return None if self._closing else job
