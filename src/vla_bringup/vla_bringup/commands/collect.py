"""Collect demonstrations of the scripted experts, in parallel and resumable."""

from collections.abc import Iterator
from concurrent.futures import as_completed, ProcessPoolExecutor
from dataclasses import dataclass, field
import multiprocessing
import os
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from vla_core.episode import Episode
from vla_core.errors import InvalidDataError
from vla_recorder.hdf5 import Hdf5Writer
from vla_sim.collect import DemoConfig, demonstrate, NoiseConfig
from vla_sim.environment import TableEnvironment
from vla_sim.tasks import find_task, TASKS

DAGGER_SEEDS = 20_000_000  # DAgger's scenes start here: never those of demonstrations or exams


@dataclass(frozen=True)
class CollectOptions:
    """Run the experts on all cores and write HDF5 episodes.

    Examples:
        ./vla collect --episodes 200 --out data/demos
        ./vla collect --episodes 90 --tasks open_drawer close_drawer --out data/drawer

    """

    out: Path
    """Folder of the data set; a run that was interrupted goes on where it stopped."""
    episodes: int = 200
    """Scenes to set up, spread evenly over the tasks; some hold several episodes in a row."""
    seed: int = 1_000_000
    """First seed; evaluation uses 100000 and up to 110000, keep clear of them."""
    tasks: tuple[str, ...] = tuple(TASKS)
    """Tasks to demonstrate."""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Processes."""
    robot: str = 'panda'
    """Robot."""
    noise: float = 0.25
    """Strongest disturbance of the executed actions, in full steps; labels stay clean."""
    learner: str | None = None
    """A checkpoint to drive instead of the expert, which then only labels (DAgger)."""


def main(options: CollectOptions) -> int:
    """Collect and print what was written."""
    if options.episodes < 1 or options.workers < 1:
        raise InvalidDataError(
            f'--episodes and --workers: got {options.episodes} and {options.workers}, '
            'allowed 1 or more')
    for name in options.tasks:
        find_task(name)
    jobs = [
        (options.tasks[i % len(options.tasks)], options.seed + i)
        for i in range(options.episodes)]
    jobs = [job for job in jobs if not _finished(options.out, job)]
    counts = [0, 0, 0]
    for episodes, successes, frames in _run(jobs, options):
        counts = [a + b for a, b in zip(counts, (episodes, successes, frames), strict=True)]
    print(f'{counts[0]} episodes, {counts[1]} successful, {counts[2]} frames in {options.out}')
    return 0


def _run(jobs: list[tuple[str, int]], options: CollectOptions) -> Iterator[tuple[int, int, int]]:
    bar = Progress(
        TextColumn('collect'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn('{task.fields[rate]}'))
    context = multiprocessing.get_context('spawn')
    with bar, ProcessPoolExecutor(
            options.workers, context, initializer=_open, initargs=(options,)) as pool:
        line = bar.add_task('', total=len(jobs), rate='')
        futures = [pool.submit(_demonstrate, *job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
                bar.advance(line)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _finished(folder: Path, job: tuple[str, int]) -> bool:
    return (folder / f'{job[0]}-{job[1]}.h5').exists()


class _CountingWriter:
    """An EpisodeWriter that names files after their episodes and counts frames."""

    def __init__(self, folder: Path) -> None:
        self._writer = Hdf5Writer(folder)
        self.frames = 0

    def write(self, episode: Episode) -> None:
        """Write one episode."""
        self.frames += len(episode.streams['action'])
        self._writer.write(episode, episode.episode_id)

    def close(self) -> None:
        """Do nothing."""


def _open(options: CollectOptions) -> None:
    """Set up a worker: one environment, one learner."""
    global _environment, _options, _learner
    _options, _learner = options, None
    if options.learner is not None:
        import torch
        torch.set_num_threads(1)
        from vla_policy.policy import load_policy
    _environment = TableEnvironment(options.robot, linger_steps=DemoConfig().linger_steps)
    if options.learner is not None:
        _learner = load_policy(options.learner, _environment.spec)


def _demonstrate(task: str, seed: int) -> tuple[int, int, int]:
    writer = _CountingWriter(_options.out)
    config = DemoConfig(noise=NoiseConfig(share_max=_options.noise))
    outcomes = list(demonstrate(_environment, task, seed, writer, config, _learner))
    return len(outcomes), sum(outcome.success for outcome in outcomes), writer.frames
