"""Run many episodes over a few processes; the results do not depend on how many.

What an episode is comes in from outside: `start` is called once in each process and returns
the function that runs one (task, seed). Training must not know the simulator.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed, ProcessPoolExecutor
import multiprocessing

Job = tuple[str, int]  # task, seed
Outcome = Mapping[str, str | int | float | bool]  # at least task, seed and success
RunEpisode = Callable[[str, int], Outcome]


def run_episodes(
    jobs: Sequence[Job], start: Callable[[], RunEpisode], workers: int
) -> Iterator[tuple[int, Outcome]]:
    """Yield (index of the job, outcome) as episodes end, in any order.

    `start` must be picklable (a function of a module, or a partial of one).
    """
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(workers, context, initializer=_open, initargs=(start,)) as pool:
        futures = {pool.submit(_run, *job): index for index, job in enumerate(jobs)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def in_order(results: Iterator[tuple[int, Outcome]]) -> list[Outcome]:
    """Return the outcomes in the order of their jobs."""
    return [outcome for _, outcome in sorted(results, key=lambda result: result[0])]


def success_rate(outcomes: Sequence[Outcome]) -> float:
    """Return the share of successful episodes, 0 without any."""
    return sum(bool(o['success']) for o in outcomes) / max(1, len(outcomes))


def _open(start: Callable[[], RunEpisode]) -> None:
    global _run_episode
    _run_episode = start()


def _run(task: str, seed: int) -> Outcome:
    return _run_episode(task, seed)
