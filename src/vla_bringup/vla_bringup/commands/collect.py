"""Collect demonstrations of the scripted experts, in parallel and resumable."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
import os
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from vla_bringup.episodes import check, Exam
from vla_core.episode import Episode
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.protocols import Policy
from vla_policy.policy import load_policy
from vla_recorder.hdf5.codec import Hdf5Writer
from vla_recorder.hdf5.index import Index
from vla_sim.catalogue import find_scene
from vla_sim.collect import DemoConfig, demonstrate, NoiseConfig
from vla_sim.environment import TableEnvironment
from vla_sim.randomisation import Randomisation
from vla_training.evaluate import Job, Outcome, run_episodes, RunEpisode

DAGGER_SEEDS = 20_000_000  # DAgger's scenes start here: never those of demonstrations or exams


@dataclass(frozen=True)
class CollectOptions:
    """Run the experts on all cores and write HDF5 episodes.

    Examples:
        ./vla collect --episodes 200 --out data/demos
        ./vla collect --episodes 90 --tasks open_drawer close_drawer --out data/drawer
        ./vla collect --scene table_a --randomise --episodes 340 --out data/table_a
        ./vla collect --episodes 50 --questions 12 --out data/asked

    """

    out: Path
    """Folder of the data set; a run that was interrupted goes on where it stopped."""
    episodes: int = 200
    """Scenes to set up, spread evenly over the tasks; some hold several episodes in a row."""
    seed: int = 1_000_000
    """First seed; evaluation uses 100000 and up to 110000, keep clear of them."""
    scene: str = 'bowl'
    """The table: bowl, table_a to table_d, touch."""
    tasks: tuple[str, ...] = ()
    """Tasks to demonstrate; all of the scene when none is named."""
    randomise: bool = False
    """Draw textures, light, cameras, masses, friction and latency anew for every episode."""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Processes."""
    robot: str = 'panda'
    """Robot."""
    noise: float = 0.25
    """Strongest disturbance of the executed actions, in full steps; labels stay clean."""
    questions: int = 0
    """Questions with true answers about pictures of each episode, for co-training."""
    learner: str | None = None
    """A checkpoint to drive instead of the expert, which then only labels (DAgger)."""


def main(options: CollectOptions) -> int:
    """Collect and print what was written."""
    if options.episodes < 1 or options.workers < 1:
        raise InvalidDataError(
            f'--episodes and --workers: got {options.episodes} and {options.workers}, '
            'allowed 1 or more')
    known = find_scene(options.scene).tasks
    for name in options.tasks:
        if name not in known:
            raise UnknownNameError(f'task of scene {options.scene}', name, known)
    tasks = options.tasks or tuple(known)
    jobs = [(tasks[i % len(tasks)], options.seed + i) for i in range(options.episodes)]
    if options.questions < 0:
        raise InvalidDataError(f'--questions: got {options.questions}, allowed 0 or more')
    check(Exam(options.learner or 'expert', robot=options.robot))
    jobs = [job for job in jobs if not _finished(options.out, job)]
    counts = dict.fromkeys(('episodes', 'successes', 'frames'), 0)
    for done in _run(jobs, options):
        counts = {name: count + done[name] for name, count in counts.items()}
    if counts['episodes']:
        Index(options.out).write()
    print(f'{counts["episodes"]} episodes, {counts["successes"]} successful, '
          f'{counts["frames"]} frames in {options.out}')
    return 0


def _run(jobs: Sequence[Job], options: CollectOptions) -> Iterator[Outcome]:
    bar = Progress(
        TextColumn('collect'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    results = run_episodes(jobs, partial(_start, options), options.workers)
    with bar, closing(results):
        line = bar.add_task('', total=len(jobs))
        for _, outcome in results:
            yield outcome
            bar.advance(line)


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


def _start(options: CollectOptions) -> RunEpisode:
    """Set up a worker: one environment, one learner."""
    environment = TableEnvironment(
        options.robot, options.scene, linger_steps=DemoConfig().linger_steps)
    learner = load_policy(options.learner, environment.spec) if options.learner else None
    return partial(_demonstrate, options, environment, learner)


def _demonstrate(
    options: CollectOptions, environment: TableEnvironment, learner: Policy | None,
    task: str, seed: int,
) -> Outcome:
    writer = _CountingWriter(options.out)
    if options.randomise:
        environment.set_variation(Randomisation().draw(seed))
    config = DemoConfig(
        noise=NoiseConfig(share_max=options.noise), questions=options.questions)
    outcomes = list(demonstrate(environment, task, seed, writer, config, learner))
    return {'episodes': len(outcomes), 'successes': sum(o.success for o in outcomes),
            'frames': writer.frames}
