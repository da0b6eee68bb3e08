"""Rank checkpoints by a quick exam, and tell how far its order is that of the full one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import os
from pathlib import Path
import shlex
import sys

import numpy as np
from rich.console import Console
import tyro
from vla_bringup.commands.sim import new_run_folder
from vla_bringup.commands.train import VALIDATION_SEED
from vla_bringup.episodes import check, Exam
from vla_bringup.exam_plan import ExamPlan
from vla_bringup.report import write_json
from vla_bringup.sides import hold_exam
from vla_bringup.suites import find_suite, FIRST_SEED
from vla_core.errors import InvalidDataError
from vla_core.spec import load_robot
from vla_policy.shipped import checkpoint_folder
from vla_training.comparison_plots import draw_screening
from vla_training.screening import agree, Agreement, MEASURES, ranks, Screened, SPOKEN
from vla_training.statistics import wilson_interval
from vla_training.validation import training_loss, validation_losses

_LOSS = {True: 'validation loss', False: 'training loss'}


@dataclass(frozen=True)
class ScreenOptions:
    """Rank the candidates of a training run in a few minutes.

    The quick exam is held on validation scenes (seeds 50000 and up), so it may choose. With
    --full the exam proper follows (seeds 100000 and up): how well the two orders agree is told
    as Pearson's r, Spearman's rho and the mean maximum rank violation (SIMPLER, Li et al. 2024,
    arXiv:2405.05941; 0 is best), and a plot shows beside it what the loss would have said.
    The same command with the same --out goes on where it stopped.

    Examples:
        ./vla screen runs/a/candidates/* --quick 2
        ./vla collect --episodes 27 --seed 50000 --out data/held_out
        ./vla screen runs/*/candidates/* --full 20 --demos data/held_out --out runs/screen/mine

    """

    checkpoints: tyro.conf.Positional[tuple[str, ...]]
    """Folders of two or more checkpoints; 'default' is the shipped one."""
    suite: str = 'bowl'
    """Exam: bowl, table34, touch or calvin."""
    scene: str = ''
    """Table of table34 (table_d without it)."""
    tasks: tuple[str, ...] = ()
    """Tasks of the suite (all without it)."""
    quick: int = 2
    """Episodes a task of the quick exam."""
    full: int = 0
    """Episodes a task of the full exam; 0 for none."""
    demos: Path | None = None
    """Folder of expert episodes nobody trained on: the loss shown is measured on them. Without
    it, it is the training loss that the run logged when the candidate was kept."""
    head: str | None = None
    """Action head: flow or l1 (each checkpoint's own without it)."""
    robot: str = 'panda'
    """Robot: a shipped name or the path of a YAML file."""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Processes."""
    out: Path | None = None
    """Folder for episodes, table and plot (a new one in runs/screen without it)."""
    json: Path | None = None
    """File for the table, too."""


def main(options: ScreenOptions) -> int:
    """Hold the exams, print the ranks and what they are worth, write JSON and plot."""
    names = _check(options)
    out = options.out or new_run_folder(Path('runs/screen'))
    try:
        quick, full = (_hold(options, names, out / kind, episodes, seed)
                       for kind, episodes, seed in (('quick', options.quick, VALIDATION_SEED),
                                                    ('full', options.full, FIRST_SEED)))
    except KeyboardInterrupt:
        print('vla: interrupted; finished episodes are kept, go on with the same command and '
              f'--out {shlex.quote(str(out))}', file=sys.stderr)
        return 130
    screened = [Screened(*parts) for parts in zip(
        names, quick, full, _losses(options, out), strict=True)]
    _tell(options, screened, out)
    return 0


def _check(options: ScreenOptions) -> list[str]:
    """Return the checkpoints' short names; raise the VlaError of a bad option."""
    for name, least in (('quick', 1), ('full', 0), ('workers', 1)):
        if getattr(options, name) < least:
            raise InvalidDataError(
                f'--{name}: got {getattr(options, name)}, allowed {least} or more')
    if len(set(options.checkpoints)) < max(2, len(options.checkpoints)):
        raise InvalidDataError(
            f'checkpoints: got {" ".join(options.checkpoints) or "none"}, allowed two or more, '
            'each once')
    if find_suite(options.suite).chained:
        raise InvalidDataError(
            '--suite: got chains, which has no scenes apart for validation; allowed the others')
    for policy in options.checkpoints:
        check(_plan(options, policy, 1, VALIDATION_SEED).exam)
    if options.demos is not None and not options.demos.is_dir():
        raise InvalidDataError(f'--demos: got {options.demos}, allowed a folder of episodes')
    return [short_name(policy) for policy in options.checkpoints]


def short_name(policy: str) -> str:
    """Return the run and the candidate of a checkpoint's path."""
    parts = [part for part in Path(policy).parts if part != 'candidates']
    return '/'.join(parts[-2:])


def _plan(options: ScreenOptions, policy: str, episodes: int, seed: int) -> ExamPlan:
    suite = find_suite(options.suite)
    exam = Exam(policy, options.head, options.robot, suite.timeout_s, suite=suite.name,
                scene=suite.find_scene(options.scene))
    return ExamPlan.make(exam, options.tasks, episodes, seed, (), videos=0)


def _hold(
    options: ScreenOptions, names: Sequence[str], folder: Path, episodes: int, seed: int
) -> list[np.ndarray]:
    """Return (N,) bool outcomes of each checkpoint; of no episodes, empty ones."""
    if not episodes:
        return [np.zeros(0, dtype=bool) for _ in names]
    sides = [hold_exam(
        _plan(options, policy, episodes, seed), folder / f'{number:02d}', options.workers,
        f'{folder.name} {name}')
        for number, (policy, name) in enumerate(zip(options.checkpoints, names, strict=True), 1)]
    return [np.array([row['success'] for row in side.rows]) for side in sides]


def _losses(options: ScreenOptions, out: Path) -> list[float | None]:
    folders = [checkpoint_folder(policy) for policy in options.checkpoints]
    if options.demos is None:
        return [training_loss(folder) for folder in folders]
    return [*validation_losses(
        folders, options.demos, out / 'frames', load_robot(options.robot), options.head)]


def _tell(options: ScreenOptions, screened: Sequence[Screened], out: Path) -> None:
    console, loss = Console(highlight=False, markup=False), _LOSS[options.demos is not None]
    for line in _table(screened, loss):
        console.print(line, soft_wrap=True)
    document = {
        'checkpoints': [_row(policy, one) for policy, one in zip(
            options.checkpoints, screened, strict=True)],
        'loss': loss, 'command': shlex.join(['./vla', *sys.argv[1:]])}
    if options.full:
        measures = _agreements(screened, None)
        known = [one for one in screened if one.loss is not None]
        by_loss = _agreements(known, loss) if len(known) > 1 else {}
        for what, found in (('quick exam', measures), (loss, by_loss)):
            for name, one in found.items():
                console.print(
                    f'{what} against full exam: {SPOKEN[name]} {one.value:.3f} (95 % interval '
                    f'{one.low:.3f} to {one.high:.3f})', style='bold', soft_wrap=True)
        draw_screening(out / 'screening.png', screened, measures, by_loss, loss)
        console.print(str(out / 'screening.png'))
        document |= {'quick': _dicts(measures), 'by_loss': _dicts(by_loss)}
    else:
        console.print('--full N tells how far this order can be trusted.', style='dim')
    for path in filter(None, (out / 'screening.json', options.json)):
        write_json(path, document)


def _agreements(screened: Sequence[Screened], loss: str | None) -> dict[str, Agreement]:
    """Return how the quick exam, or else the loss (less is better), agrees with the full exam."""
    full = [one.full for one in screened]
    scores = [one.quick if loss is None else -one.loss for one in screened]
    return {name: agree(measure, scores, full) for name, measure in MEASURES.items()}


def _dicts(found: Mapping[str, Agreement]) -> dict[str, dict]:
    return {name: one.to_dict() for name, one in found.items()}


def _row(policy: str, one: Screened) -> dict:
    return {
        'policy': policy, 'name': one.name, 'loss': one.loss,
        **{kind: {'success_rate': float(outcomes.mean()), 'count': len(outcomes),
                  'ci95': list(wilson_interval(int(outcomes.sum()), len(outcomes)))}
           for kind, outcomes in (('quick', one.quick), ('full', one.full)) if len(outcomes)}}


def _table(screened: Sequence[Screened], loss: str) -> list[str]:
    """Return the lines of the table, the best of the quick exam first."""
    quick = np.array([one.quick.mean() for one in screened])
    places = ranks(quick)
    full = ranks(np.array([one.full.mean() for one in screened])) if len(
        screened[0].full) else None
    last = '' if full is None else f'{"full exam":<24} rank'
    lines = [f'{"rank":<5} {"checkpoint":<28} {"quick exam":<24} {loss:<16} {last}'.rstrip()]
    for k in np.argsort(places, kind='stable'):
        one = screened[k]
        cells = [f'{places[k]:<5} {one.name:<28} {_rate(one.quick):<24}',
                 f'{"unknown" if one.loss is None else f"{one.loss:.4f}":<16}']
        cells += [] if full is None else [f'{_rate(one.full):<24} {full[k]}']
        lines.append(' '.join(cells).rstrip())
    return lines


def _rate(outcomes: np.ndarray) -> str:
    low, high = wilson_interval(int(outcomes.sum()), len(outcomes))
    return f'{100 * outcomes.mean():5.1f} % [{100 * low:.0f}, {100 * high:.0f}]'
