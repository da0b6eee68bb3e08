"""Episodes in one process: the environment, the controller, the planner and a policy."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from vla_bringup.session import make_row, PlannedEpisode, Row
from vla_core.control.controller import ArmController
from vla_core.protocols import Policy
from vla_core.rollout import rollout
from vla_core.spec import load_robot
from vla_core.tasks import draw_instruction
from vla_planner.embedded import EmbeddedPlanner
from vla_policy.policy import load_policy
from vla_sim.collect import DisturbedExpert
from vla_sim.environment import TableEnvironment
from vla_training.evaluate import Job, Outcome, run_episodes, RunEpisode


@dataclass(frozen=True)
class Exam:
    """What is examined, and how; the same for every episode."""

    policy: str  # 'default', 'expert' or the folder of a checkpoint
    head: str | None = None  # None: the checkpoint's own choice
    robot: str = 'panda'
    timeout_s: float = 20.0
    replan_steps: int = 1


def check(exam: Exam) -> None:
    """Raise the VlaError that a worker would raise for a bad robot, policy or head."""
    spec = load_robot(exam.robot)
    if exam.policy != 'expert':
        load_policy(exam.policy, spec, exam.head)


def examine(
    exam: Exam, jobs: Sequence[Job], workers: int, title: str,
    on_row: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """Run all (task, seed) jobs with a progress bar; return rows in the order of the jobs."""
    bar = Progress(
        TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn('{task.fields[rate]}'))
    rows: dict[int, Row] = {}
    with bar, closing(run_episodes(jobs, partial(start, exam), workers)) as results:
        line = bar.add_task('', total=len(jobs), rate='')
        for index, outcome in results:
            rows[index] = Row(**outcome)
            on_row(rows[index])
            bar.update(line, advance=1, rate=f'{100 * _share(rows.values()):.1f} %')
    return [rows[index] for index in sorted(rows)]


def start(exam: Exam) -> RunEpisode:
    """Set up one process; return the function that runs one episode in it."""
    environment = TableEnvironment(exam.robot)
    policy = _policy(exam, environment)
    return partial(_run, exam, environment, policy)


def _policy(exam: Exam, environment: TableEnvironment) -> Policy:
    if exam.policy == 'expert':
        return DisturbedExpert(environment)
    return load_policy(exam.policy, environment.spec, exam.head)


def _run(
    exam: Exam, environment: TableEnvironment, policy: Policy, task: str, seed: int
) -> Outcome:
    instruction = draw_instruction(task, seed)
    result = rollout(
        environment, ArmController(environment.spec), policy, EmbeddedPlanner(), instruction,
        seed=seed, task=task, timeout_s=exam.timeout_s, replan_steps=exam.replan_steps)
    return asdict(make_row(
        PlannedEpisode(task, seed, instruction), success=result.outcome.success,
        steps=result.steps, step_s=environment.spec.policy.step_s, reason=result.outcome.reason))


def _share(rows: Iterable[Row]) -> float:
    wins = [row.success for row in rows]
    return sum(wins) / max(1, len(wins))
