"""Screening tells an order, and what that order is worth, from exams that are there already."""

from dataclasses import asdict
import json
from pathlib import Path

import pytest
import tyro
from vla_bringup.commands import screen
from vla_bringup.commands.screen import ScreenOptions, short_name
from vla_bringup.episodes import Exam
from vla_bringup.exam_plan import ExamPlan
from vla_bringup.journal import Journal
from vla_bringup.session import Row
from vla_core.errors import VlaError
from vla_policy.shipped import DEFAULT


def _screen(*arguments: str | Path) -> int:
    return screen.main(tyro.cli(ScreenOptions, args=[str(word) for word in arguments]))


def _held(folder: Path, policy: str, episodes: int, seed: int, wins: int) -> None:
    """Write the journal of an exam in which the first `wins` episodes succeeded."""
    plan = ExamPlan(Exam(policy), ('press_button',), episodes, seed, (), 0)
    with Journal(folder, plan.describe()) as journal:
        for k, trial in enumerate(plan.trials()):
            row = Row('press_button', 'press it', trial.seed, k < wins, 9, 0.75, '')
            journal.add(trial, {'row': asdict(row), 'time': {'total': 1.0}})


@pytest.fixture
def checkpoints(tmp_path: Path) -> list[str]:
    """Return three folders with the shipped weights, whose exams are said to differ."""
    folders = [tmp_path / 'run' / 'candidates' / f'at_{k}' for k in (50, 80, 100)]
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'log.jsonl').write_text(''.join(
        json.dumps({'step': step, 'l1': loss, 'flow': loss}) + '\n'
        for step, loss in ((50, 0.3), (80, 0.2), (100, 0.1))))
    for number, (folder, quick, full) in enumerate(zip(folders, (1, 3, 2), (5, 18, 10)), 1):
        folder.mkdir(parents=True)
        for path in DEFAULT.iterdir():
            (folder / path.name).symlink_to(path)
        (folder / 'README.md').unlink()
        (folder / 'README.md').write_text(f'# Candidate after {folder.name[3:]} steps\n')
        out = tmp_path / 'out'
        _held(out / 'quick' / f'{number:02d}', str(folder), 4, 50_000, quick)
        _held(out / 'full' / f'{number:02d}', str(folder), 20, 100_000, full)
    return [str(folder) for folder in folders]


def test_the_order_is_told_beside_what_the_loss_would_have_said(
    checkpoints: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert _screen(*checkpoints, '--tasks', 'press_button', '--quick', 4, '--full', 20,
                   '--workers', 1, '--out', tmp_path / 'out') == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    ranked = [line[:2] for line in lines if line and line[0].isdigit()]
    assert ranked == [['1', 'run/at_80'], ['2', 'run/at_100'], ['3', 'run/at_50']]
    document = json.loads((tmp_path / 'out' / 'screening.json').read_text())
    assert document['quick']['mmrv']['value'] == 0.0
    assert document['quick']['spearman_rho']['value'] == pytest.approx(1.0)
    # the loss takes the last for the best: 80 above 100 by 0.4 is the one wrong pair
    assert document['by_loss']['mmrv']['value'] == pytest.approx(0.8 / 3)
    assert [row['loss'] for row in document['checkpoints']] == [0.3, 0.2, 0.1]
    assert (tmp_path / 'out' / 'screening.png').read_bytes().startswith(b'\x89PNG')


def test_without_the_full_exam_there_is_an_order_only(
    checkpoints: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert _screen(*checkpoints, '--tasks', 'press_button', '--quick', 4, '--workers', 1,
                   '--out', tmp_path / 'out', '--json', tmp_path / 'also.json') == 0
    assert '--full N tells' in capsys.readouterr().out
    document = json.loads((tmp_path / 'also.json').read_text())
    assert 'quick' not in document and 'full' not in document['checkpoints'][0]
    assert document['checkpoints'][1]['quick']['success_rate'] == 0.75


@pytest.mark.parametrize(('arguments', 'words'), [
    (['default'], 'checkpoints: got default, allowed two or more'),
    (['default', 'default'], 'allowed two or more, each once'),
    (['default', 'nobody'], "unknown policy 'nobody'"),
    (['default', 'x', '--suite', 'bowling'], "unknown suite 'bowling'"),
    (['default', 'x', '--suite', 'chains'], '--suite: got chains'),
    (['default', 'x', '--quick', '0'], '--quick: got 0, allowed 1 or more'),
    (['default', 'x', '--full', '-1'], '--full: got -1, allowed 0 or more'),
    (['default', str(DEFAULT), '--demos', 'none'], '--demos: got none, allowed a folder'),
])
def test_bad_options_leave_nothing_behind(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VlaError) as error:
        _screen(*arguments)
    assert words in str(error.value) and '\n' not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_short_names_tell_the_run_and_the_candidate() -> None:
    assert short_name('runs/a/candidates/at_100') == 'a/at_100'
    assert short_name('default') == 'default'
