"""Laws of an exam's results and of its report."""

from html.parser import HTMLParser
import json
from pathlib import Path

import pytest
from vla_bringup.commands.eval import EvalOptions, make_plan
from vla_bringup.exam_report import write_report
from vla_bringup.exam_results import chain_figures, difference, exam_results, spent
from vla_bringup.suites import Trial

_MACHINE = {'processor': 'p', 'cores': '2', 'system': 's', 'commit': 'c'}
_CHAIN = ('open_drawer', 'stack_block', 'turn_on_led', 'close_drawer', 'push_into_drawer')


def _outcome(trial: Trial, success: bool, done: int | None = None) -> dict:
    row = {'task': trial.task, 'instruction': '<script>&"do"', 'seed': trial.seed,
           'success': success, 'steps': 12, 'seconds': 1.0, 'reason': 'late'}
    if done is not None:
        row |= {'tasks': list(_CHAIN), 'done': done}
    return {'row': row, 'time': {'total': 2.0, 'cameras': 1.0}}


def _results(**options: object) -> dict:
    """Return results in which the standard exam is won and perturbed ones are lost."""
    plan = make_plan(EvalOptions(policy='expert', **options))
    chained = plan.exam.suite == 'chains'
    outcomes = {}
    for trial in plan.trials():
        won = not trial.perturbation and trial.seed % 2 == 0
        outcomes[trial] = _outcome(trial, won, (5 if won else 1) if chained else None)
    filmed = [trial.name for trial in plan.trials()]
    return exam_results(plan, plan.describe(), outcomes, filmed, _MACHINE)


def test_the_chain_curve_counts_who_came_so_far() -> None:
    figures = chain_figures([{'done': done} for done in (5, 5, 3, 0)])
    assert figures['success_at'] == [0.75, 0.75, 0.75, 0.5, 0.5]
    assert figures['average_length'] == 3.25 == sum(figures['success_at'])
    low, high = figures['average_length_ci95']  # 1.96 * 2.363 / 2 to either side, at most 5
    assert (low, high) == (pytest.approx(0.934, abs=1e-3), 5.0)


def test_a_difference_is_of_pairs_alone() -> None:
    rows = [_outcome(Trial('a', i), i < 8)['row'] for i in range(10)]
    worse = [{**row, 'success': row['seed'] < 3} for row in rows]
    found = difference(rows, [*worse, {**rows[0], 'seed': 99}])
    assert (found['pairs'], found['success_rate']) == (10, -0.5)
    assert found['ci95'][0] < -0.5 < found['ci95'][1] < 0.0
    assert found['mcnemar_p'] == pytest.approx(2 / 2 ** 5)


def test_a_perturbed_exam_stands_beside_the_standard_one() -> None:
    results = _results(episodes=2, perturb=('light', 'delay'))
    assert results['success_rate'] == 0.5 and results['count'] == 18
    assert list(results['perturbed']) == ['light', 'delay']
    assert results['perturbed']['light']['difference']['success_rate'] == -0.5
    assert {row['perturbation'] for row in results['failures']} == {'', 'light', 'delay'}


def test_tasks_of_chains_are_counted_as_often_as_a_chain_came_to_them() -> None:
    results = _results(suite='chains', episodes=4)
    counts = [results['per_task'][name]['count'] for name in _CHAIN]
    assert counts == [4, 4, 2, 2, 2]
    assert results['per_task']['stack_block']['success_rate'] == 0.5
    assert results['chain']['average_length'] == 3.0
    assert results['perturbed'] == {}


def test_the_parts_of_the_time_add_up() -> None:
    figures = spent([{'total': 2.0, 'cameras': 1.0}, {'total': 4.0, 'cameras': 0.5, 'video': 1}])
    assert (figures['episode_p50_s'], figures['processor_s']) == (3.0, 6.0)
    assert figures['shares'] == pytest.approx({'cameras': 0.25, 'video': 1 / 6, 'other': 3.5 / 6})


class _Page(HTMLParser):
    """Notes what a page refers to and says."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ''

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ('src', 'href')]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize('options', [
    {'episodes': 2, 'perturb': ('light',)}, {'suite': 'table34', 'episodes': 2},
    {'suite': 'chains', 'episodes': 3, 'perturb': ('all',)}])
def test_the_report_needs_nothing_but_its_videos_and_says_all(
    options: dict, tmp_path: Path
) -> None:
    results = json.loads(json.dumps(_results(**options)))
    (tmp_path / 'videos').mkdir()
    for failure in results['failures'][:3]:
        (tmp_path / 'videos' / f'{failure["name"]}.jpg').write_bytes(b'picture')
    write_report(results, tmp_path)
    page = _Page()
    page.feed((tmp_path / 'report.html').read_text())
    strips, links = page.links[1::2], page.links[::2]
    assert len(strips) == len(links) == min(3, len(results['failures']))
    assert all(strip.startswith('data:image/jpeg;base64,') for strip in strips)
    assert links == [f'videos/{row["name"]}.mp4' for row in results['failures'][:3]]
    assert results['command'] in page.text
    assert f'{100 * results["success_rate"]:.1f} %' in page.text
    assert all(name.replace('_', ' ') in page.text for name in results['per_task'])
    assert '“<script>&"do"”' in page.text and 'script' not in page.tags
