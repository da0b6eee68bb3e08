"""Measure a policy's success in process: the simulator's verdict, episode by episode."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
import os
from pathlib import Path
import shlex
import sys

from rich.console import Console
from vla_bringup.commands.sim import new_run_folder
from vla_bringup.episodes import carry_out, check, Exam
from vla_bringup.exam_plan import ExamPlan
from vla_bringup.exam_report import write_report
from vla_bringup.exam_results import exam_results
from vla_bringup.failure_video import FOLDER, Gallery
from vla_bringup.journal import Journal
from vla_bringup.machine import machine
from vla_bringup.report import tell_exam, write_json
from vla_bringup.suites import find_suite, Trial
from vla_core.errors import InvalidDataError
from vla_training.evaluate import Outcome


@dataclass(frozen=True)
class EvalOptions:
    """Hold an exam without ROS, in parallel, the same on any number of processes.

    Every finished episode is in OUT/journal.jsonl, and the same command with the same --out
    goes on where it stopped. At the end there are OUT/results.json and OUT/report.html.

    Examples:
        ./vla eval --policy default --episodes 100 --seed 100000 --json out.json
        ./vla eval --suite table34 --policy expert --episodes 20 --perturb all --out runs/exam
        ./vla eval --suite chains --policy runs/train/chosen --head flow --episodes 200

    """

    policy: str = 'default'
    """'default', the folder of a checkpoint, 'expert' (scripted), or one that must fail:
    'random', 'hold' (keeps still), 'wrong' (the expert of another task)."""
    suite: str = 'bowl'
    """bowl (9 tasks), table34 (34), chains (five of those in a row), touch, or calvin (CALVIN's
    chains in its own simulator, if that is installed)."""
    scene: str = ''
    """Table of table34 and chains: table_a to table_d (table_d without it)."""
    tasks: tuple[str, ...] = ()
    """Tasks of the suite to run (all without it)."""
    episodes: int = 10
    """Episodes a task; of the suite chains, how many chains."""
    seed: int | None = None
    """First seed, episode i of a task has seed + i (100000 without it); of the suite chains, the
    number of the first of its 1000 chains (0 without it)."""
    perturb: tuple[str, ...] = ()
    """Exams beside the standard one: poses, light, camera, distractors, paraphrase, delay; all."""
    dataset: Path | None = None
    """Of the suite calvin: a data set of CALVIN, whose simulator is set up like it."""
    robot: str = 'panda'
    """Robot: a shipped name or the path of a YAML file."""
    head: str | None = None
    """Action head: flow or l1 (the checkpoint's own choice without it)."""
    replan: int = 1
    """Policy steps between two inferences."""
    delay: int = 0
    """Policy steps by which every chunk comes late."""
    timeout: float | None = None
    """Simulated seconds a task may take (20 in the suite bowl, else 12, without it)."""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Processes."""
    videos: int = 40
    """Failures to show: the first so many get a video and a place in the report."""
    out: Path | None = None
    """Folder of the exam (a new one in runs/eval without it)."""
    json: Path | None = None
    """File for the results, too."""


def main(options: EvalOptions) -> int:
    """Hold the exam or go on with it, print its failures and the rate, and write the report."""
    plan = make_plan(options)
    check(plan.exam)
    out = options.out or new_run_folder(Path('runs/eval'))
    exam = replace(plan.exam, films=out / FOLDER if options.videos else None)
    description = plan.describe()
    with Journal(out, description) as journal:
        sitting = Sitting(out, plan.trials(), journal, options.videos)
        try:
            outcomes = carry_out(exam, plan.trials(), options.workers, options.suite,
                                 journal.finished, sitting.keep)
        except KeyboardInterrupt:
            print(f'vla: interrupted after {len(journal.finished)} of {len(plan.trials())} '
                  f'episodes; go on with: {plan.command()} --out {shlex.quote(str(out))}',
                  file=sys.stderr)
            return 130
    results = exam_results(plan, description, outcomes, sitting.gallery.names, machine())
    for path in filter(None, (out / 'results.json', options.json)):
        write_json(path, results)
    write_report(results, out)
    tell_exam(results, Console(highlight=False))
    print(out / 'report.html')
    return 0


def make_plan(options: EvalOptions) -> ExamPlan:
    """Return the exam that the options ask for; raise a VlaError for what is none."""
    for name, least in (('episodes', 1), ('workers', 1), ('replan', 1), ('delay', 0),
                        ('videos', 0)):
        if getattr(options, name) < least:
            raise InvalidDataError(
                f'--{name}: got {getattr(options, name)}, allowed {least} or more')
    suite = find_suite(options.suite)
    if options.timeout is not None and not options.timeout > 0.0:
        raise InvalidDataError(f'--timeout: got {options.timeout}, allowed more than 0 s')
    exam = Exam(
        options.policy, options.head, options.robot,
        suite.timeout_s if options.timeout is None else options.timeout,
        options.replan, options.delay, suite.name, suite.find_scene(options.scene),
        dataset=None if options.dataset is None else str(options.dataset))
    return ExamPlan.make(exam, options.tasks, options.episodes, options.seed, options.perturb,
                         options.videos)


class Sitting:
    """Keeps what comes of an exam: the journal, and the pictures of its first failures."""

    def __init__(
        self, out: Path, trials: Sequence[Trial], journal: Journal, videos: int
    ) -> None:
        self._journal = journal
        self._index = {trial: i for i, trial in enumerate(trials)}
        self.gallery = Gallery(out, videos)
        for trial, outcome in journal.finished.items():
            self._show(trial, outcome)

    def keep(self, trial: Trial, outcome: Outcome) -> None:
        """Take what came of a trial."""
        self._journal.add(trial, outcome)
        self._show(trial, outcome)

    def _show(self, trial: Trial, outcome: Outcome) -> None:
        if not outcome['row']['success']:
            self.gallery.add(self._index[trial], trial.name)
