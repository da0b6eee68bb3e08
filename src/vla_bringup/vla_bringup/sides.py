"""The two sides of a comparison: results that are there already, or an exam to hold."""

from collections.abc import Mapping
from dataclasses import dataclass
import json
from pathlib import Path

from vla_bringup.episodes import carry_out, Exam
from vla_bringup.exam_plan import ExamPlan
from vla_bringup.exam_results import CHAIN_LENGTH, exam_results
from vla_bringup.journal import Journal
from vla_bringup.machine import machine
from vla_bringup.report import write_json
from vla_bringup.suites import CHAIN
from vla_core.errors import InvalidDataError
from vla_training.comparison import compare, compare_parts, Comparison, pair_rows, Paired

RESULTS = 'results.json'
SAME = ('suite', 'scene', 'robot', 'timeout_s', 'delay')  # or the episodes are other ones
_ROW = {'task': str, 'seed': int, 'instruction': str, 'success': bool}
LAST = f'{CHAIN_LENGTH} in a row'


@dataclass(frozen=True)
class Side:
    """Who took which exam, and what came of it."""

    name: str
    exam: Mapping[str, object]  # its description; empty where the results hold none
    rows: tuple[dict, ...]  # task, seed, instruction, success, perturbation
    chains: tuple[dict, ...] = ()  # of an exam in chains, its own rows


def hold_exam(plan: ExamPlan, folder: Path, workers: int, title: str) -> Side:
    """Hold an exam, or go on with it, below `folder`, where the results stay."""
    description = plan.describe()
    with Journal(folder, description) as journal:
        outcomes = carry_out(
            plan.exam, plan.trials(), workers, title, journal.finished, journal.add)
    document = exam_results(plan, description, outcomes, (), machine())
    write_json(folder / RESULTS, document)
    return _side(plan.exam.policy, document)


def read_side(path: Path) -> Side:
    """Read what `vla eval --json` or `vla sim --json` wrote; InvalidDataError for all else."""
    try:
        document = json.loads(path.read_text())
        groups = [document['episodes'], *(
            group['episodes'] for group in document.get('perturbed', {}).values())]
        rows = [row for group in groups for row in group]
        odd = next((row for row in rows for key, kind in _ROW.items()
                    if not isinstance(row[key], kind)), None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidDataError(
            f'{path}: no results of an exam ({type(error).__name__}: {error}), allowed a file '
            'of `vla eval --json`') from error
    if odd is not None:
        raise InvalidDataError(
            f'{path}: got the episode {json.dumps(odd)}, allowed a task, a seed, an instruction '
            'and whether it was a success')
    return _side(f'{document.get("policy", "?")} ({path})', document)


def check_alike(a: Side, b: Side) -> None:
    """Refuse results whose episodes are not the same ones."""
    if bool(a.exam) != bool(b.exam):
        raise InvalidDataError(
            f'{(b if a.exam else a).name}: does not say what exam it is of, allowed results of '
            'the same version of `vla eval` on both sides')
    for name in SAME:
        if a.exam.get(name) != b.exam.get(name):
            raise InvalidDataError(
                f'{name}: A has {a.exam.get(name)}, B has {b.exam.get(name)}; allowed the same, '
                'or the episodes are not pairs')


def plan_like(side: Side, policy: str, head: str | None) -> ExamPlan:
    """Return the exam that another policy takes to be compared with `side`."""
    if not side.exam:
        raise InvalidDataError(
            f'{side.name}: does not say what exam it is of, allowed to be compared with other '
            'results only')
    exam = side.exam
    return ExamPlan(
        Exam(policy, head, exam['robot'], exam['timeout_s'], exam['replan'], exam['delay'],
             exam['suite'], exam['scene']),
        tuple(exam['tasks']), exam['episodes'], exam['seed'], tuple(exam['perturb']), 0)


def compare_sides(a: Side, b: Side) -> tuple[dict[str, Comparison], dict[str, Comparison]]:
    """Return what the parts say (tasks, perturbations or lengths of chains), and the sum."""
    check_alike(a, b)
    paired = pair_rows(a.rows, b.rows)
    standard = paired.where(perturbation='')
    parts = {task: standard.where(task) for task in standard.tasks}
    parts |= {f'with {name}': _of_sum(paired.where(perturbation=name), a)
              for name in paired.perturbations}
    name = LAST if a.chains else 'all'
    return (compare_parts(parts) if len(parts) > 1 else {},
            {name: compare(_of_sum(standard, a))})


def _of_sum(paired: Paired, side: Side) -> Paired:
    """Return what counts in sum: each chain once."""
    return paired.where(LAST) if side.chains else paired


def _side(name: str, document: Mapping) -> Side:
    rows = [{**row, 'perturbation': kind} for kind, group in _groups(document).items()
            for row in group]
    chains = tuple(row for row in document['episodes'] if row['task'] == CHAIN)
    if chains:
        rows = [{**row, 'task': f'{k} in a row', 'success': row['done'] >= k,
                 'instruction': ', '.join(row['tasks'])}
                for row in rows for k in range(1, CHAIN_LENGTH + 1)]
    return Side(name, document.get('exam', {}), tuple(rows), chains)


def _groups(document: Mapping) -> dict[str, list[dict]]:
    others = {name: group['episodes'] for name, group in document.get('perturbed', {}).items()}
    return {'': document['episodes'], **others}
