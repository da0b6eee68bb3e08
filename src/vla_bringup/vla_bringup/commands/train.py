"""Train the policy and choose its checkpoint by closed-loop success."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
import os
from pathlib import Path
import shutil

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from vla_bringup.commands import collect
from vla_bringup.episodes import Exam, examine
from vla_bringup.session import summarise
from vla_core.errors import InvalidDataError
from vla_core.spec import load_robot, RobotSpec
from vla_core.tasks import TASKS
from vla_policy import checkpoint as checkpoints
from vla_policy.checkpoint import HEADS
from vla_training.dagger import Recipe, run_recipe, train_stage
from vla_training.learner import Optimisation
from vla_training.train import Report, TrainOptions

VALIDATION_SEED = 50_000  # scenes to choose by: neither trained on nor in any exam


@dataclass(frozen=True)
class TrainCommandOptions:
    """Train on episodes of `vla collect`, or carry out the whole recipe.

    Examples:
        ./vla train --data data/demos --out runs/a --minutes 45
        ./vla train --data data/demos data/dagger --out runs/b --init runs/a/chosen --minutes 8
        ./vla train --recipe --out runs/recipe

    """

    out: Path
    """Folder of the run; ends with a checkpoint in OUT/chosen."""
    data: tuple[Path, ...] = ()
    """Data sets: folders of HDF5 episodes, of LeRobot v3 or of any other known format."""
    minutes: float | None = None
    """How long to train."""
    steps: int | None = None
    """How many steps to train, instead of --minutes."""
    resume: bool = False
    """Go on with the run in OUT, also after a kill."""
    init: Path | None = None
    """A checkpoint to start from."""
    rate: float = Optimisation().rate
    """Peak learning rate."""
    seed: int = 0
    """Seed."""
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Processes with one thread each; each adds its samples to a step."""
    validate: int = 5
    """Episodes a task, candidate and head to choose the checkpoint by."""
    recipe: bool = False
    """Collect, train, a round of DAgger, choose: everything, in under 90 minutes on 2 cores."""
    robot: str = 'panda'
    """Robot."""


def main(options: TrainCommandOptions) -> int:
    """Train, choose, and print where the checkpoint is."""
    spec = load_robot(options.robot)
    _check(options)
    if options.recipe:
        candidates = _whole_recipe(options, spec)
    else:
        training = TrainOptions(
            minutes=options.minutes, steps=options.steps, seed=options.seed,
            processes=options.processes, optimisation=Optimisation(rate=options.rate))
        with _progress('train') as report:
            candidates = train_stage(
                options.data, {}, options.out, training, spec, options.init, report)
    chosen = choose(candidates, options.out / 'chosen', spec, options)
    print(f'checkpoint {chosen}')
    return 0


def choose(
    candidates: Sequence[Path], out: Path, spec: RobotSpec, options: TrainCommandOptions
) -> Path:
    """Copy the candidate and head with the best closed-loop success to `out`."""
    jobs = [(task, VALIDATION_SEED + i) for i in range(options.validate) for task in sorted(TASKS)]
    results: dict[tuple[Path, str], dict] = {}
    for candidate in candidates:
        for head in HEADS:
            exam = Exam(str(candidate), head, options.robot)
            rows = examine(exam, jobs, options.processes, f'{candidate.name} {head}')
            results[candidate, head] = summarise(rows, candidate.name, 'vla train')
            print(f'{candidate.name} {head}: {_percent(results[candidate, head])}')
    best, head = max(results, key=lambda key: results[key]['success_rate'])
    loaded = replace(checkpoints.load(best, spec), head=head)
    card = model_card(loaded.head, {h: results[best, h] for h in HEADS}, options.validate)
    if out.exists():
        shutil.rmtree(out)
    checkpoints.save(out, loaded, spec, card)
    return out


def model_card(head: str, results: dict[str, dict], episodes: int) -> str:
    """Return the README.md of a checkpoint: what it is, and its success a head and task."""
    rows = '\n'.join(
        f'| {task} | ' + ' | '.join(_percent(results[h]['per_task'][task]) for h in HEADS) + ' |'
        for task in sorted(TASKS))
    return _CARD.format(
        head=head, episodes=episodes, seed=VALIDATION_SEED, rows=rows,
        columns=' | '.join(HEADS), rule='|'.join('---' for _ in HEADS),
        overall=' | '.join(_percent(results[h]) for h in HEADS))


_CARD = """# SmallVla

A small vision-language-action policy for nine table-top tasks of a simulated Franka Panda.
Two 96 px cameras, one sentence and the arm's state to a chunk of 12 end-effector deltas at
12 Hz, and the progress of the subtask. Default head: **{head}**.

Trained by `./vla train` on demonstrations of scripted experts with injected noise and on DAgger
rounds. In training only, an auxiliary head regresses the simulator's object positions; it is
not part of these weights. It has seen one table, one light and one arm: expect nothing of it
on a real robot.

Success on the validation scenes the checkpoint was chosen by (seeds {seed} and up,
{episodes} episodes a task):

| task | {columns} |
|---|{rule}|
{rows}
| all | {overall} |
"""


def _whole_recipe(options: TrainCommandOptions, spec: RobotSpec) -> list[Path]:
    def run_collect(learner: Path | None, out: Path, scenes: int, seed: int) -> None:
        collect.main(collect.CollectOptions(
            out=out, episodes=scenes, seed=seed, workers=options.processes, robot=options.robot,
            learner=None if learner is None else str(learner)))

    with _progress('train', transient=True) as report:
        return run_recipe(Recipe(seed=options.seed), options.out, spec, run_collect, report)


@contextmanager
def _progress(title: str, transient: bool = False) -> Iterator[Report]:
    bar = Progress(
        TextColumn(title), BarColumn(), TextColumn('{task.percentage:.0f} %'),
        TimeRemainingColumn(), TextColumn('{task.fields[line]}'), transient=transient)
    task = bar.add_task('', total=1.0, line='', start=False)

    def report(fraction: float, line: str) -> None:
        bar.start()
        bar.start_task(task)
        bar.update(task, completed=fraction, line=line)
        if fraction >= 1.0:
            bar.stop()

    try:
        yield report
    finally:
        bar.stop()


def _check(options: TrainCommandOptions) -> None:
    if options.validate < 1 or options.processes < 1:
        raise InvalidDataError(
            f'--validate and --processes: got {options.validate} and {options.processes}, '
            'allowed 1 or more')
    if not options.recipe and not options.data:
        raise InvalidDataError('--data: got no folder, allowed one or more, or --recipe')
    state = options.out / 'state.safetensors'
    if not options.recipe and state.exists() and not options.resume:
        raise InvalidDataError(f'--out {options.out} holds a run; use --resume or another folder')
    if options.resume and not options.recipe and not state.exists():
        raise InvalidDataError(f'--resume: got no run in {options.out}, allowed a folder of one')


def _percent(result: dict) -> str:
    return f'{100 * result["success_rate"]:.1f} %'
