"""Tell which of two policies is better, from the same episodes of both: in simulation or real."""

from dataclasses import dataclass, field
from datetime import datetime, timezone
import os
from pathlib import Path
import secrets
import shlex
import sys
from typing import Annotated

import tyro
from vla_bringup.blind import is_session, open_session, resume_session, SessionPlan
from vla_bringup.commands.sim import new_run_folder
from vla_bringup.comparison_report import ComparisonReport, tell
from vla_bringup.episodes import check, Exam
from vla_bringup.exam_plan import ExamPlan
from vla_bringup.exam_results import difference
from vla_bringup.real_session import hold, session_report
from vla_bringup.sides import compare_sides, hold_exam, plan_like, read_side, Side
from vla_bringup.suites import find_suite
from vla_bringup.trial_form import terminal
from vla_core.errors import InvalidDataError


@dataclass(frozen=True)
class CompareOptions:
    """Compare two policies on the same seeds, tasks and sentences.

    A policy is 'default', 'expert', the folder of a checkpoint, or a results file of `vla eval`.
    The verdict is McNemar's exact test on the pairs; when it is open, the number of episodes
    that would decide it is told. Finished episodes are kept in OUT; the same command with the
    same --out goes on where it stopped.

    With --real, both drive a real arm in a blind, balanced order: the screen shows the number of
    the trial and its scene only (place everything alike in the two trials of a scene), a key
    says how it went, and who drove is told after the last trial.

    Examples:
        ./vla compare default runs/train/chosen --episodes 50 --out runs/compare/mine
        ./vla compare old.json new.json
        ./vla compare default runs/b --real sessions/monday --episodes 20
            --instruction "open the drawer" --run "./drive.sh {policy} {instruction}"

    """

    a: tyro.conf.Positional[str]
    """Policy A: 'default', 'expert', a checkpoint folder or a results file."""
    b: tyro.conf.Positional[str]
    """Policy B, likewise."""
    suite: str = 'bowl'
    """Exam: bowl, table34, chains, touch or calvin."""
    scene: str = ''
    """Table of table34 and chains (table_d without it)."""
    tasks: tuple[str, ...] = ()
    """Tasks of the suite (all without it)."""
    episodes: int = 10
    """Episodes a task; chains of the suite chains; with --real, trials a policy."""
    seed: int | None = None
    """First seed (the suite's own without it); with --real, of the order (drawn without it)."""
    perturb: tuple[str, ...] = ()
    """Exams beside the standard one, as in `vla eval`."""
    heads: Annotated[tuple[str, str] | None, tyro.conf.arg(metavar='A B')] = None
    """Action heads of A and B: flow or l1 (each checkpoint's own without it)."""
    robot: str = 'panda'
    """Robot: a shipped name or the path of a YAML file."""
    timeout: float | None = None
    """Simulated seconds a task may take (the suite's own without it)."""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Processes."""
    out: Path | None = None
    """Folder for episodes, table and plot (a new one in runs/compare without it)."""
    json: Path | None = None
    """File for the table, too."""
    real: Path | None = None
    """Folder of a session at a real arm, new or to go on with."""
    instruction: str = ''
    """Sentence that a real session is about."""
    run: str = ''
    """Shell command that has the policy drive, with {policy} and {instruction}; its output goes
    to the session's logs. Without it, somebody else starts the policy named in driver.txt."""
    unblind: bool = False
    """End a real session before its last trial and tell who drove."""


def main(options: CompareOptions) -> int:
    """Compare, print the table, and write the JSON and the plot."""
    for name in ('episodes', 'workers'):
        if getattr(options, name) < 1:
            raise InvalidDataError(f'--{name}: got {getattr(options, name)}, allowed 1 or more')
    if options.real is not None:
        return _real(options, options.real)
    if options.instruction or options.run or options.unblind:
        raise InvalidDataError(
            '--instruction, --run and --unblind: got one of them, allowed with --real only')
    return _simulated(options)


def _simulated(options: CompareOptions) -> int:
    known = {side: read_side(Path(policy)) for side, policy in zip('ab', (options.a, options.b))
             if Path(policy).is_file()}
    plans = {side: _plan(options, side, known) for side in 'ab' if side not in known}
    for plan in plans.values():
        check(plan.exam)
    out = options.out or new_run_folder(Path('runs/compare'))
    try:
        held = {side: hold_exam(plan, out / side, options.workers,
                                f'{side.upper()} {plan.exam.policy}')
                for side, plan in plans.items()}
    except KeyboardInterrupt:
        print(f'vla: interrupted; finished episodes are kept, go on with the same command and '
              f'--out {shlex.quote(str(out))}', file=sys.stderr)
        return 130
    sides = {**known, **held}
    report = _report(sides['a'], sides['b'])
    tell(report, out, options.json)
    return 0


def _plan(options: CompareOptions, side: str, known: dict[str, Side]) -> ExamPlan:
    """Return the exam of a policy: that of the results on the other side, or the options'."""
    policy = options.a if side == 'a' else options.b
    head = options.heads['ab'.index(side)] if options.heads else None
    if known:
        other, = known.values()
        return plan_like(other, policy, head)
    suite = find_suite(options.suite)
    timeout = suite.timeout_s if options.timeout is None else options.timeout
    if not timeout > 0.0:
        raise InvalidDataError(f'--timeout: got {timeout}, allowed more than 0 s')
    exam = Exam(policy, head, options.robot, timeout, suite=suite.name,
                scene=suite.find_scene(options.scene))
    return ExamPlan.make(
        exam, options.tasks, options.episodes, options.seed, options.perturb, videos=0)


def _report(a: Side, b: Side) -> ComparisonReport:
    parts, sums = compare_sides(a, b)
    exam = {name: value for name, value in a.exam.items() if b.exam.get(name) == value}
    what = ('suite {suite}, scene {scene}, robot {robot}, {timeout_s:g} s a task'.format(**exam)
            if exam else 'results without a description of their exam')
    notes: dict[str, object] = {'exam': exam}
    if a.chains:
        notes['average_length'] = difference(b.chains, a.chains)
    return ComparisonReport(a.name, b.name, what, parts, sums, _command(), notes)


def _real(options: CompareOptions, folder: Path) -> int:
    if not options.instruction:
        raise InvalidDataError('--instruction: got none, allowed the sentence of the session')
    if options.run and '{policy}' not in options.run:
        raise InvalidDataError(f'--run: got {options.run!r}, allowed a command with {{policy}}')
    plan = SessionPlan(options.a, options.b, options.instruction, options.episodes, options.run)
    if not options.unblind and not _finished(folder, plan):
        seed = secrets.randbits(32) if options.seed is None else options.seed
        with terminal() as operator:  # before anything is written: somebody must answer
            session = open_session(folder, plan, seed)
            if not hold(session, operator, _now):
                operator.tell('The trials so far are kept; the same command goes on.')
                return 0
    session = resume_session(folder, plan)
    tell(session_report(session, _command()), folder, options.json)
    return 0


def _finished(folder: Path, plan: SessionPlan) -> bool:
    return is_session(folder) and resume_session(folder, plan).next_trial() is None


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec='seconds')


def _command() -> str:
    return shlex.join(['./vla', *sys.argv[1:]])
