"""Measure a policy's success in process: the simulator's verdict, episode by episode."""

from dataclasses import dataclass, field
import os
from pathlib import Path
import shlex
import sys

from rich.console import Console
from vla_bringup.episodes import check, Exam, examine
from vla_bringup.report import Report, write_json
from vla_bringup.session import summarise
from vla_core.errors import InvalidDataError
from vla_core.tasks import task as find_task
from vla_core.tasks import TASKS


@dataclass(frozen=True)
class EvalOptions:
    """Run episodes of every task without ROS, in parallel, the same on any number of processes.

    Examples:
        ./vla eval --policy default --episodes 100 --seed 100000 --json out.json
        ./vla eval --policy runs/train/chosen --head flow --tasks open_drawer --episodes 20

    """

    policy: str = 'default'
    """'default', 'expert' (scripted) or the folder of a checkpoint."""
    episodes: int = 10
    """Episodes a task."""
    seed: int = 100_000
    """First seed; episode i of a task has seed + i."""
    head: str | None = None
    """Action head: flow or l1 (the checkpoint's own choice without it)."""
    tasks: tuple[str, ...] = tuple(sorted(TASKS))
    """Tasks to run."""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Processes."""
    robot: str = 'panda'
    """Robot: a shipped name or the path of a YAML file."""
    timeout: float = 20.0
    """Simulated seconds an episode may take."""
    replan: int = 1
    """Policy steps between two inferences."""
    json: Path | None = None
    """File for the results."""


def main(options: EvalOptions) -> int:
    """Run the exam, print its failures and the rate, and write the JSON."""
    for name in ('episodes', 'workers', 'replan'):
        if getattr(options, name) < 1:
            raise InvalidDataError(f'--{name}: got {getattr(options, name)}, allowed 1 or more')
    jobs = [(find_task(name).name, options.seed + i)
            for i in range(options.episodes) for name in options.tasks]
    exam = Exam(options.policy, options.head, options.robot, options.timeout, options.replan)
    check(exam)
    rows = examine(exam, jobs, options.workers, 'eval')
    console = Console(highlight=False)
    report = Report(console)
    for row in rows:
        if not row.success:
            report.row(row)
    results = summarise(rows, options.policy, shlex.join(['./vla', *sys.argv[1:]]))
    for name, rate in results['per_task'].items():
        console.print(f'{name:<24} {100 * rate["success_rate"]:5.1f} %')
    report.summary(results)
    if options.json is not None:
        write_json(options.json, results)
    return 0
