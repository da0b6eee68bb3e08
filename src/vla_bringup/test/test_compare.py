"""Only the same episodes are compared, and what is there already is not run again."""

from dataclasses import asdict
import json
from pathlib import Path

import pytest
import tyro
from vla_bringup.blind import open_session, SessionPlan
from vla_bringup.commands import compare
from vla_bringup.commands.compare import CompareOptions
from vla_bringup.episodes import Exam
from vla_bringup.exam_plan import ExamPlan
from vla_bringup.journal import Journal
from vla_bringup.session import Row
from vla_core.errors import VlaError

EXAM = {'suite': 'bowl', 'scene': 'bowl', 'robot': 'panda', 'timeout_s': 20.0, 'delay': 0,
        'policy': 'p', 'head': None, 'replan': 1, 'tasks': ['press_button'], 'episodes': 6,
        'seed': 100_000, 'perturb': []}


def _compare(*arguments: str | Path) -> int:
    return compare.main(tyro.cli(CompareOptions, args=[str(word) for word in arguments]))


def _rows(outcomes: str, task: str = 'press_button') -> list[dict]:
    return [{'task': task, 'seed': 100_000 + i, 'instruction': 'press it', 'success': c == 'y',
             'steps': 9, 'seconds': 0.75} for i, c in enumerate(outcomes)]


def _write(path: Path, rows: list[dict], perturbed: dict | None = None, **exam: object) -> Path:
    path.write_text(json.dumps({
        'episodes': rows, 'policy': path.stem, 'exam': {**EXAM, **exam},
        'perturbed': {name: {'episodes': group} for name, group in (perturbed or {}).items()}}))
    return path


def test_results_are_compared_without_running_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    a = _write(tmp_path / 'a.json', _rows('yyyyyy') + _rows('yn', 'open_drawer'))
    b = _write(tmp_path / 'b.json', _rows('nnnnnn') + _rows('ny', 'open_drawer'))
    assert _compare(a, b, '--out', tmp_path / 'out', '--json', tmp_path / 'also.json') == 0
    shown = capsys.readouterr().out
    assert 'press_button' in shown and 'all: undecided: ' in shown
    document = json.loads((tmp_path / 'out' / 'comparison.json').read_text())
    assert document == json.loads((tmp_path / 'also.json').read_text())
    whole, part = document['overall']['all'], document['parts']['press_button']
    assert (whole['pairs'], whole['only_a'], whole['only_b']) == (8, 7, 1)
    assert whole['mcnemar_p'] == pytest.approx(0.0703, abs=1e-4)
    assert part['difference'] == 1.0 and part['verdict'] == 'undecided'  # 0.031 of 0.05 / 2
    assert (tmp_path / 'out' / 'comparison.png').read_bytes().startswith(b'\x89PNG')
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        'comparison.json', 'comparison.png']


def test_perturbed_exams_are_parts_and_do_not_count_in_sum(tmp_path: Path) -> None:
    a = _write(tmp_path / 'a.json', _rows('yy'), {'light': _rows('yyyyyyy')})
    b = _write(tmp_path / 'b.json', _rows('yy'), {'light': _rows('nnnnnnn')})
    _compare(a, b, '--out', tmp_path / 'out')
    document = json.loads((tmp_path / 'out' / 'comparison.json').read_text())
    assert document['parts']['with light']['verdict'] == 'A better'
    assert document['overall']['all']['pairs'] == 2


def test_chains_are_compared_length_by_length(tmp_path: Path) -> None:
    def chains(*done: int) -> list[dict]:
        return [{'task': 'chain', 'seed': i, 'instruction': f'as far as {d}', 'success': d == 5,
                 'tasks': ['a', 'b', 'c', 'd', 'e'], 'done': d, 'steps': 9, 'seconds': 1.0}
                for i, d in enumerate(done)]

    a = _write(tmp_path / 'a.json', chains(5, 3, 2), suite='chains')
    b = _write(tmp_path / 'b.json', chains(1, 3, 0), suite='chains')
    _compare(a, b, '--out', tmp_path / 'out')
    document = json.loads((tmp_path / 'out' / 'comparison.json').read_text())
    assert [document['parts'][f'{k} in a row']['only_a'] for k in range(1, 6)] == [1, 2, 1, 1, 1]
    assert document['overall']['5 in a row']['pairs'] == 3
    assert document['average_length']['average_length'] == pytest.approx(2.0)


@pytest.mark.parametrize(('rows', 'exam', 'words'), [
    (_rows('yyy'), {}, 'A: no episode press_button 100002, allowed the same'),
    (_rows('y'), {}, 'B: no episode press_button 100001, allowed the same'),
    (_rows('yy'), {'timeout_s': 12.0}, 'timeout_s: A has 20.0, B has 12.0'),
    (_rows('yy'), {'suite': 'table34'}, 'suite: A has bowl, B has table34'),
    ([{**row, 'instruction': 'push'} for row in _rows('yy')], {}, "was told 'press it', B 'push'"),
    ([{'task': 'press_button'}], {}, "no results of an exam (KeyError: 'seed')"),
    ([{**_rows('y')[0], 'seed': 'one'}], {}, 'got the episode {"task": "press_button", "seed": '),
])
def test_other_episodes_are_refused(
    rows: list[dict], exam: dict, words: str, tmp_path: Path
) -> None:
    a = _write(tmp_path / 'a.json', _rows('yy'))
    b = _write(tmp_path / 'b.json', rows, **exam)
    with pytest.raises(VlaError) as error:
        _compare(a, b, '--out', tmp_path / 'out')
    assert words in str(error.value) and '\n' not in str(error.value)
    assert not (tmp_path / 'out').exists()


def test_results_must_say_what_exam_they_are_of(tmp_path: Path) -> None:
    a, b = (_write(tmp_path / f'{name}.json', _rows('yn')) for name in 'ab')
    old = json.loads(b.read_text())
    del old['exam']
    b.write_text(json.dumps(old))
    for other in (a, 'expert'):
        with pytest.raises(VlaError, match='does not say what exam it is of'):
            _compare(other, b, '--out', tmp_path / 'out')
    assert _compare(b, b, '--out', tmp_path / 'out') == 0  # as old as each other


@pytest.mark.parametrize(('arguments', 'words'), [
    (['expert', 'nobody'], "unknown policy 'nobody'"),
    (['expert', 'expert', '--suite', 'bowling'], "unknown suite 'bowling'"),
    (['expert', 'expert', '--tasks', 'juggle'], "unknown task 'juggle'"),
    (['expert', 'expert', '--episodes', '0'], '--episodes: got 0, allowed 1 or more'),
    (['expert', 'expert', '--timeout', '-1'], '--timeout: got -1.0'),
    (['broken.json', 'expert'], 'broken.json: no results of an exam'),
    (['expert', 'expert', '--run', 'x'], 'allowed with --real only'),
    (['expert', 'expert', '--real', 'here'], '--instruction: got none'),
    (['a', 'b', '--real', 'here', '--instruction', 'go', '--run', 'x'], "--run: got 'x'"),
    (['a', 'b', '--real', 'here', '--instruction', 'go'], 'standard input that is no terminal'),
    (['a', 'b', '--real', 'here', '--instruction', 'go', '--unblind'], 'got no session'),
])
def test_bad_options_leave_nothing_behind(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'broken.json').write_text('[]')
    with pytest.raises(VlaError) as error:
        _compare(*arguments)
    assert words in str(error.value) and '\n' not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ['broken.json']


def test_finished_episodes_are_not_run_again_and_the_exam_is_that_of_the_results(
    tmp_path: Path
) -> None:
    results = _write(tmp_path / 'a.json', _rows('yyyyyy'))
    plan = ExamPlan(Exam('hold'), ('press_button',), 6, 100_000, (), 0)
    with Journal(tmp_path / 'out' / 'b', plan.describe()) as journal:
        for trial in plan.trials():
            row = Row('press_button', 'press it', trial.seed, False, 240, 20.0, 'late')
            journal.add(trial, {'row': asdict(row), 'time': {'total': 1.0}})
    before = (tmp_path / 'out' / 'b' / 'journal.jsonl').read_bytes()
    assert _compare(results, 'hold', '--out', tmp_path / 'out', '--workers', '1') == 0
    assert (tmp_path / 'out' / 'b' / 'journal.jsonl').read_bytes() == before
    document = json.loads((tmp_path / 'out' / 'comparison.json').read_text())
    assert document['b'] == 'hold' and document['overall']['all']['verdict'] == 'A better'
    assert (tmp_path / 'out' / 'b' / 'results.json').is_file()


def test_a_finished_session_is_told_without_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / 's'
    session = open_session(folder, SessionPlan('x', 'y', 'go', 1), seed=1)
    rows = [{'trial': k, 'scene': 1, 'outcome': 'success', 'interventions': k - 1, 'note': '',
             'exit_code': None, 'ended': ''} for k in (1, 2)]
    (folder / 'trials.jsonl').write_text(''.join(json.dumps(row) + '\n' for row in rows))
    assert _compare('x', 'y', '--real', folder, '--instruction', 'go', '--episodes', '1') == 0
    assert 'success without help: undecided' in capsys.readouterr().out
    document = json.loads((folder / 'comparison.json').read_text())
    assert {trial['side'] for trial in document['trials']} == {'a', 'b'}
    assert session.unblinded
