"""Episodes in one process: the environment, the controller, the planner and a policy."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
import time

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from vla_bringup.chain_episode import ChainRow, run_chain
from vla_bringup.failure_video import Film
from vla_bringup.reference_policies import chunk_rows, OWN_TABLES, REFERENCES
from vla_bringup.session import make_row, PlannedEpisode, Row
from vla_bringup.stopwatch import Stopwatch
from vla_bringup.suites import find_suite, Trial
from vla_bringup.venue import CalvinTable, OwnTables, Venue
from vla_core.control.controller import ArmController
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.protocols import Environment, Policy
from vla_core.rollout import rollout, RolloutResult
from vla_core.spec import load_robot, RobotSpec
from vla_planner.embedded import EmbeddedPlanner
from vla_sim.variation import perturbed, PLAIN
from vla_training.evaluate import Job, Outcome, run_episodes, RunEpisode

# What the wall time is told of: method -> label.
_STAGE = {'observe': 'cameras', 'apply': 'physics', 'reset': 'table'}
_CONTROL = dict.fromkeys(('on_chunk', 'tick'), 'control')
_POLICY = {'infer': 'policy'}


@dataclass(frozen=True)
class Exam:
    """What is examined, and how; the same for every episode."""

    policy: str  # 'default', one of REFERENCES or the folder of a checkpoint
    head: str | None = None  # None: the checkpoint's own choice
    robot: str = 'panda'
    timeout_s: float = 20.0  # of one task
    replan_steps: int = 1
    delay_steps: int = 0  # every chunk comes so much late
    suite: str = 'bowl'
    scene: str = 'bowl'
    films: Path | None = None  # folder for what failures looked like
    dataset: str | None = None  # of CALVIN, whose simulator is set up like it


def check(exam: Exam) -> None:
    """Raise the VlaError that a worker would raise for a bad robot, policy, head or suite."""
    spec = load_robot(exam.robot)
    if exam.policy not in REFERENCES:
        _check_name(exam.policy)
        _load(exam, spec)
    if exam.suite == 'calvin':
        if exam.policy in OWN_TABLES:
            raise InvalidDataError(
                f'--policy {exam.policy}: has no experts in the suite calvin, allowed any other')
        open_venue(exam).environment.close()


def examine(exam: Exam, jobs: Sequence[Job], workers: int, title: str) -> list[Row]:
    """Run all (task, seed) jobs with a progress bar; return rows in the order of the jobs."""
    trials = [Trial(*job) for job in jobs]
    outcomes = carry_out(exam, trials, workers, title)
    return [Row(**outcomes[trial]['row']) for trial in trials]


def carry_out(
    exam: Exam, trials: Sequence[Trial], workers: int, title: str,
    finished: Mapping[Trial, Outcome] | None = None,
    on_outcome: Callable[[Trial, Outcome], None] = lambda trial, outcome: None,
) -> dict[Trial, Outcome]:
    """Run the trials that are not `finished` with a progress bar; return what came of all."""
    outcomes = dict(finished or {})
    wins = sum(outcome['row']['success'] for outcome in outcomes.values())
    left = [trial for trial in trials if trial not in outcomes]
    bar = Progress(
        TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn('{task.fields[rate]}'))
    with bar, closing(run_episodes(left, partial(start, exam), workers)) as results:
        line = bar.add_task('', total=len(trials), completed=len(outcomes), rate='')
        for index, outcome in results:
            outcomes[left[index]] = outcome
            on_outcome(left[index], outcome)
            wins += outcome['row']['success']
            bar.update(line, advance=1, rate=f'{100 * wins / len(outcomes):.1f} %')
    return outcomes


def start(exam: Exam) -> RunEpisode:
    """Set up one process; return the function that runs one episode in it."""
    return Examiner(exam)


class Examiner:
    """Runs one trial after another in an environment of its own."""

    def __init__(self, exam: Exam) -> None:
        self._exam, self._suite = exam, find_suite(exam.suite)
        self._venue = open_venue(exam)
        self._environment, self._spec = self._venue.environment, self._venue.environment.spec
        self._chains = self._venue.chains() if self._suite.chained else ()
        self._learned = None if exam.policy in REFERENCES else _load(exam, self._spec)

    def __call__(self, task: str, seed: int, perturbation: str = '') -> Outcome:
        """Run a trial; return its row and where its wall time [s] went."""
        trial, began = Trial(task, seed, perturbation), time.perf_counter()
        self._watch, self._film = Stopwatch(), Film()
        drawn = self._chains[seed].seed if self._suite.chained else seed
        self._variation = perturbed((perturbation,), drawn) if perturbation else PLAIN
        self._venue.vary(self._variation)
        row = self._chain(seed) if self._suite.chained else self._single(task, seed)
        if self._exam.films is not None and not row.success:
            save = self._watch.timed(self._film.save, 'video')
            save(self._exam.films / trial.name, self._spec.policy.step_hz)
        total = {'total': time.perf_counter() - began, **self._watch.seconds}
        return {'row': asdict(row), 'time': {name: round(s, 4) for name, s in total.items()}}

    def _single(self, task: str, seed: int) -> Row:
        result, instruction = self._roll(self._environment, task, seed)
        return make_row(
            PlannedEpisode(task, seed, instruction), success=result.outcome.success,
            steps=result.steps, step_s=self._spec.policy.step_s, reason=result.outcome.reason)

    def _chain(self, number: int) -> ChainRow:
        return run_chain(
            self._venue, self._chains[number], self._roll, self._spec.policy.step_s)

    def _roll(self, stage: Environment, task: str, seed: int) -> tuple[RolloutResult, str]:
        """Run one task on a stage; return what came of it and the sentence that was said."""
        exam, variation = self._exam, self._variation
        delay = exam.delay_steps + variation.delay_steps
        policy = self._learned or REFERENCES[exam.policy](
            self._environment, chunk_rows(exam.replan_steps, delay))
        instruction = self._venue.sentence(task, seed, variation.held_out)
        result = rollout(
            self._watch.watch(stage, _STAGE),
            self._watch.watch(ArmController(self._spec), _CONTROL),
            self._watch.watch(policy, _POLICY),
            EmbeddedPlanner() if self._suite.planned else None, instruction,
            seed=seed, task=task, timeout_s=exam.timeout_s, replan_steps=exam.replan_steps,
            action_delay_steps=delay,
            subscribers=() if exam.films is None else (self._film,))
        return result, instruction


def open_venue(exam: Exam) -> Venue:
    """Open the simulator of an exam; raise the VlaError of one that is not there."""
    if exam.suite == 'calvin':
        return CalvinTable(exam.robot, Path(exam.dataset or ''))
    return OwnTables(exam.robot, exam.scene)


def _load(exam: Exam, spec: RobotSpec) -> Policy:
    from vla_policy.policy import load_policy  # imports torch, which takes seconds
    return load_policy(exam.policy, spec, exam.head)


def _check_name(policy: str) -> None:
    if policy != 'default' and not Path(policy).is_dir():
        raise UnknownNameError(
            'policy', policy, ('default', *REFERENCES, 'the path of a checkpoint folder'))
