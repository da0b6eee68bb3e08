"""Run many episodes over a few processes; the results do not depend on how many.

What an episode is comes in from outside: `start` is called once in each process and returns
the function that runs one (task, seed). Training must not know the simulator.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed, ProcessPoolExecutor
import multiprocessing

from vla_training.processes import children_since, deaf_children, die_with_parent, end

Job = tuple[str, int]  # task, seed
Outcome = Mapping[str, str | int | float | bool]  # of an exam: task, seed, success and more
RunEpisode = Callable[[str, int], Outcome]


def run_episodes(
    jobs: Sequence[Job], start: Callable[[], RunEpisode], workers: int
) -> Iterator[tuple[int, Outcome]]:
    """Yield (index of the job, outcome) as episodes end, in any order.

    `start` must be picklable (a function of a module, or a partial of one). Whoever stops
    reading early closes the iterator, which ends the processes at once.
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
    global _run_episode
    _run_episode = start()


def _run(task: str, seed: int) -> Outcome:
    return _run_episode(task, seed)
