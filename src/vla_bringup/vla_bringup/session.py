"""Which episodes a run consists of, and what came of each."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from vla_core.errors import VlaError
from vla_core.tasks import draw_instruction, task, TASKS
from vla_training.statistics import wilson_interval

TIMEOUT_S = 20.0  # of a task of the bowl scene in simulated time, as in `vla eval`
TABLE_TIMEOUT_S = 12.0  # of a task of any other scene: CALVIN's 360 steps at 30 Hz
ANYTHING = ''  # the task of an instruction whose parts have no predicate of their own


@dataclass(frozen=True)
class PlannedEpisode:
    """One episode to run: the scene's seed, the task that judges it, the sentence said."""

    task: str
    seed: int
    instruction: str
    parts: int = 1  # tasks the sentence asks for, each with its own share of time


@dataclass(frozen=True)
class Row:
    """What came of one episode; the fields are those of the results file."""

    task: str
    instruction: str
    seed: int
    success: bool
    steps: int  # policy steps
    seconds: float  # simulated
    reason: str = ''


def plan_episodes(
    episodes: int,
    seed: int,
    instruction: str = '',
    *,
    rotate: bool = True,
    judge: Callable[[str], Sequence[str]] | None = None,
    tasks: Sequence[str] = tuple(TASKS),
) -> list[PlannedEpisode]:
    """Return the episodes of a run.

    Without an instruction, episode i is task i mod n of the n sorted names with seed
    `seed + i // n`, which is how `vla eval` counts too; with `rotate` off the tasks are drawn
    by the seed. With one, `judge` names its tasks in order and the last of them is the one
    whose predicate judges the episode.
    """
    if episodes < 1:
        raise VlaError(f'episodes: got {episodes}, allowed 1 or more')
    if instruction:
        asked = list(judge(instruction)) if judge else []
        judged = asked[-1] if asked else ANYTHING
        return [
            PlannedEpisode(judged, seed + i, instruction, max(len(asked), 1))
            for i in range(episodes)]
    return [
        PlannedEpisode(name, task_seed, draw_instruction(name, task_seed))
        for name, task_seed in (_rotation if rotate else _drawn)(sorted(tasks), episodes, seed)]


def tasks_of(sentence: str, tasks: Sequence[str]) -> list[str]:
    """Return the one of `tasks` that a sentence asks for, or nothing for a sentence of none."""
    return [name for name in tasks if sentence in task(name).sentences][:1]


def make_row(
    planned: PlannedEpisode, *, success: bool, steps: int, step_s: float, reason: str
) -> Row:
    """Return the row of an episode that took `steps` policy steps of `step_s` seconds."""
    return Row(planned.task, planned.instruction, planned.seed, success, steps,
               round(steps * step_s, 6), reason)


def summarise(rows: Sequence[Row], policy: str, command: str) -> dict:
    """Return the results of a run as the JSON document of `vla sim` and `vla eval`."""
    episodes = [asdict(row) for row in rows]
    return {
        'episodes': [{key: row[key] for key in list(row) if key != 'reason'} for row in episodes],
        **_rate([row.success for row in rows]),
        'per_task': {
            task: _rate([row.success for row in rows if row.task == task])
            for task in sorted({row.task for row in rows})},
        'policy': policy,
        'command': command,
    }


def _rotation(names: Sequence[str], episodes: int, seed: int) -> list[tuple[str, int]]:
    return [(names[i % len(names)], seed + i // len(names)) for i in range(episodes)]


def _drawn(names: Sequence[str], episodes: int, seed: int) -> list[tuple[str, int]]:
    order = np.random.default_rng(seed).permutation(len(names))
    return [(names[order[i % len(names)]], seed + i // len(names)) for i in range(episodes)]


def _rate(outcomes: Sequence[bool]) -> dict:
    low, high = wilson_interval(sum(outcomes), len(outcomes))
    return {
        'success_rate': sum(outcomes) / len(outcomes) if outcomes else 0.0,
        'ci95': [low, high],
        'count': len(outcomes),
    }
