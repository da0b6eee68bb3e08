"""Run many episodes over a few processes; the results do not depend on how many.

What an episode is comes in from outside: `start` is called once in each process and returns
the function that runs one job, a (task, seed) or more. Training must not know the simulator.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
import multiprocessing
from typing import Any

from vla_core.errors import VlaError
from vla_training.processes import children_since, deaf_children, die_with_parent, end

Job = tuple[str | int, ...]  # what RunEpisode takes: task, seed, perhaps more
Outcome = Mapping[str, Any]  # what came of a job, as JSON takes it
RunEpisode = Callable[..., Outcome]


def run_episodes(
    jobs: Sequence[Job], start: Callable[[], RunEpisode], workers: int
) -> Iterator[tuple[int, Outcome]]:
    """Yield (index of the job, outcome) as episodes end, in any order.

    `start` must be picklable (a function of a module, or a partial of one). Whoever stops
    reading early closes the iterator, which ends the processes at once.

    Raises VlaError when a process is killed.
    """
    context, before = multiprocessing.get_context('spawn'), multiprocessing.active_children()
    pool = ProcessPoolExecutor(workers, context, initializer=_open, initargs=(start,))
    children = []
    try:
        with deaf_children():
            futures = {pool.submit(_run, *job): index for index, job in enumerate(jobs)}
            children = children_since(before)
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        end(children)
        raise VlaError(
            'a worker process was killed, perhaps for memory; allowed: fewer --workers') from error
    except BaseException:  # Ctrl-C, say: nobody waits for the episodes that are running
        end(children)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_order(results: Iterator[tuple[int, Outcome]]) -> list[Outcome]:
    """Return the outcomes in the order of their jobs."""
    return [outcome for _, outcome in sorted(results, key=lambda result: result[0])]


def success_rate(outcomes: Sequence[Outcome]) -> float:
    """Return the share of successful episodes, 0 without any."""
    return sum(bool(o['success']) for o in outcomes) / max(1, len(outcomes))


def _open(start: Callable[[], RunEpisode]) -> None:
    die_with_parent()
    global _start
    _start = cache(start)


def _run(*job: str | int) -> Outcome:
    try:
        return _start()(*job)  # the first job starts it, so that its errors reach the parent
    except VlaError as error:
        raise VlaError(str(error)) from error  # not every kind of it can be sent on
