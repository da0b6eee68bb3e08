"""The results of an exam as one JSON document, which is also all that its report is made of.

Shares have Wilson's 95 % interval; differences of paired shares Tango's; the mean number of
tasks done in a chain, and differences of it, the normal one (1.96 standard errors).
"""

from collections.abc import Mapping, Sequence
import math

import numpy as np
from vla_bringup.benchmarks.figures import percentiles
from vla_bringup.exam_plan import ExamPlan
from vla_bringup.session import Row, summarise
from vla_bringup.suites import CHAIN, Trial
from vla_core.chains import CHAIN_LENGTH
from vla_training.evaluate import Outcome
from vla_training.statistics import (
    count_pairs,
    difference_interval,
    mcnemar_p,
    wilson_interval,
    Z_95,
)


def exam_results(
    plan: ExamPlan, description: Mapping[str, object], outcomes: Mapping[Trial, Outcome],
    filmed: Sequence[str], machine: Mapping[str, str],
) -> dict:
    """Return the document; all but its `time` is the same however the exam was carried out.

    `description` is the plan's, `filmed` names the failures that have a video.
    """
    groups: dict[str, list[dict]] = {'': []}
    for trial in plan.trials():
        groups.setdefault(trial.perturbation, []).append(outcomes[trial]['row'])
    told = {name: _group(rows, plan) for name, rows in groups.items()}
    standard, shown = told.pop(''), set(filmed)
    return {
        **standard,
        'perturbed': {
            name: {**group, 'difference': difference(standard['episodes'], group['episodes'])}
            for name, group in told.items()},
        'failures': [_failure(trial, outcomes[trial]['row'], trial.name in shown)
                     for trial in plan.trials() if not outcomes[trial]['row']['success']],
        'exam': dict(description),
        'machine': dict(machine),
        'time': spent([outcome['time'] for outcome in outcomes.values()]),
    }


def chain_figures(rows: Sequence[Mapping]) -> dict:
    """Return the share of chains that come to 1..5 tasks, and the mean number of tasks done."""
    done = [row['done'] for row in rows]
    reached = [sum(d >= k for d in done) for k in range(1, CHAIN_LENGTH + 1)]
    mean, low, high = _mean(done)
    return {
        'success_at': [count / max(1, len(done)) for count in reached],
        'success_at_ci95': [list(wilson_interval(count, len(done))) for count in reached],
        'average_length': mean,
        'average_length_ci95': [max(0.0, low), min(float(CHAIN_LENGTH), high)],
        'interval': 'normal',
    }


def difference(standard: Sequence[Mapping], other: Sequence[Mapping]) -> dict:
    """Return how an exam differs from the standard one on the same tasks and seeds."""
    known = {(row['task'], row['seed']): row for row in standard}
    pairs = [(known[row['task'], row['seed']], row) for row in other
             if (row['task'], row['seed']) in known]
    counts = count_pairs([there['success'] for _, there in pairs],
                         [here['success'] for here, _ in pairs])
    found = {'pairs': counts.pairs, 'success_rate': counts.difference,
             'ci95': list(difference_interval(counts)), 'mcnemar_p': mcnemar_p(counts)}
    if pairs and 'done' in pairs[0][0]:
        mean, low, high = _mean([there['done'] - here['done'] for here, there in pairs])
        found |= {'average_length': mean, 'average_length_ci95': [low, high]}
    return found


def spent(times: Sequence[Mapping[str, float]]) -> dict:
    """Return the wall time of an episode [s], and the share of it that each part takes."""
    totals = percentiles([time['total'] for time in times])
    whole = sum(time['total'] for time in times)
    labels = sorted({label for time in times for label in time} - {'total'})
    shares = {label: sum(time.get(label, 0.0) for time in times) / max(whole, 1e-9)
              for label in labels}
    return {
        'episode_p50_s': totals['p50'], 'episode_p99_s': totals['p99'], 'processor_s': whole,
        'shares': {**shares, 'other': max(0.0, 1.0 - sum(shares.values()))}}


def _group(rows: Sequence[dict], plan: ExamPlan) -> dict:
    """Return what `vla sim` would tell of these rows, and of chains their curve as well."""
    policy, command = plan.exam.policy, plan.command()
    if rows and rows[0]['task'] == CHAIN:
        return _chain_group(rows, policy, command)
    return summarise([Row(**row) for row in rows], policy, command)


def _chain_group(rows: Sequence[dict], policy: str, command: str) -> dict:
    """Return the document of chains; tasks are counted wherever a chain came to them."""
    told = [{key: row[key] for key in row if key != 'reason'} for row in rows]
    parts = [Row(task, '', row['seed'], k < row['done'], 0, 0.0) for row in rows
             for k, task in enumerate(row['tasks'][:row['done'] + 1])]
    whole = [Row(CHAIN, '', row['seed'], row['success'], 0, 0.0) for row in rows]
    return {
        **summarise(whole, policy, command), 'episodes': told,
        'per_task': summarise(parts, policy, command)['per_task'], 'chain': chain_figures(rows)}


def _failure(trial: Trial, row: Mapping, filmed: bool) -> dict:
    return {
        'name': trial.name, 'task': trial.task, 'seed': trial.seed,
        'perturbation': trial.perturbation, 'instruction': row['instruction'],
        'reason': row['reason'], 'seconds': row['seconds'], 'filmed': filmed}


def _mean(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean and its normal 95 % interval; without a spread, a point."""
    if not len(values):
        return math.nan, math.nan, math.nan
    data = np.asarray(values, dtype=np.float64)
    error = float(data.std(ddof=1)) / math.sqrt(len(data)) if len(data) > 1 else 0.0
    mean = float(data.mean())
    return mean, mean - Z_95 * error, mean + Z_95 * error
