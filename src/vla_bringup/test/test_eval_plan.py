"""Laws of an exam's plan: which trials, in which order, and how to ask for them again."""

from pathlib import Path
import shlex

import pytest
import tyro
from vla_bringup import cli
from vla_bringup.commands.eval import EvalOptions, make_plan
from vla_bringup.session import plan_episodes
from vla_bringup.suites import CHAIN, SUITES, Trial
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.tasks import SUITES as LANGUAGES


def _plan(**options: object) -> object:
    return make_plan(EvalOptions(policy='expert', workers=1, **options))


def test_the_standard_exam_has_the_episodes_of_the_graph() -> None:
    graph = [(episode.task, episode.seed) for episode in plan_episodes(27, 100_000)]
    assert [(trial.task, trial.seed) for trial in _plan(episodes=3).trials()] == graph


def test_every_suite_asks_for_its_own_tasks() -> None:
    assert {name: len(suite.tasks) for name, suite in SUITES.items()} == {
        'bowl': 9, 'table34': 34, 'chains': 1, 'touch': 3, 'calvin': 1}
    assert all(set(SUITES[name].tasks) == set(LANGUAGES[name]) for name in LANGUAGES)


def test_a_perturbed_exam_has_the_pairs_of_the_standard_one() -> None:
    trials = _plan(episodes=2, seed=7, perturb=('all',)).trials()
    standard = [trial for trial in trials if not trial.perturbation]
    assert len(trials) == len(set(trials)) == 7 * len(standard)
    for name in SUITES['bowl'].perturbations:
        assert [trial._replace(perturbation='') for trial in trials
                if trial.perturbation == name] == standard


def test_chains_are_counted_from_nought_and_there_are_a_thousand() -> None:
    assert _plan(suite='chains', episodes=3).trials() == [Trial(CHAIN, i) for i in range(3)]
    assert len(_plan(suite='chains', episodes=1000).trials()) == 1000
    with pytest.raises(InvalidDataError, match='number 1 to 1000, allowed 0 to 999'):
        _plan(suite='chains', episodes=1000, seed=1)


@pytest.mark.parametrize('options', [
    {}, {'suite': 'table34', 'scene': 'table_b', 'tasks': ('stack_block', 'open_drawer')},
    {'suite': 'chains', 'episodes': 2, 'seed': 5, 'perturb': ('all',), 'videos': 0},
    {'robot': 'ur5e', 'head': 'flow', 'replan': 2, 'delay': 1, 'timeout': 3.5, 'tasks': (
        'open_drawer',), 'perturb': ('delay', 'light')},
])
def test_the_command_to_repeat_an_exam_makes_the_same_plan(options: dict) -> None:
    plan = _plan(**options)
    words = shlex.split(plan.command())
    assert words[:2] == ['./vla', 'eval']
    assert make_plan(tyro.cli(EvalOptions, args=words[2:])) == plan


@pytest.mark.parametrize(('options', 'words'), [
    ({'suite': 'salad'}, "unknown suite 'salad'; allowed: bowl, calvin, chains, table34, touch"),
    ({'suite': 'touch', 'tasks': ('open_drawer',)}, "unknown task 'open_drawer'"),
    ({'scene': 'table_a'}, "unknown scene of suite bowl 'table_a'; allowed: bowl"),
    ({'suite': 'chains', 'scene': 'table_e'}, 'allowed: table_a, table_b, table_c, table_d'),
    ({'perturb': ('fog',)}, "unknown perturbation of suite bowl 'fog'; allowed: all, camera"),
    ({'suite': 'calvin', 'perturb': ('light',)}, 'allowed: all, delay, paraphrase'),
])
def test_what_a_suite_does_not_have_is_refused(options: dict, words: str) -> None:
    with pytest.raises(UnknownNameError) as refusal:
        _plan(**options)
    assert words in str(refusal.value)


@pytest.mark.parametrize(('options', 'words'), [
    ({'delay': -1}, '--delay: got -1, allowed 0 or more'),
    ({'videos': -1}, '--videos: got -1, allowed 0 or more'),
    ({'timeout': 0.0}, '--timeout: got 0.0, allowed more than 0 s'),
    ({'suite': 'chains', 'tasks': ('open_drawer',)}, '--tasks: got open_drawer, allowed none'),
])
def test_numbers_that_make_no_exam_are_refused(options: dict, words: str) -> None:
    with pytest.raises(InvalidDataError) as refusal:
        _plan(**options)
    assert words in str(refusal.value)


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--suite', 'salad'], "unknown suite 'salad'"),
    (['--policy', 'luck'], 'allowed: default, expert, hold, random, the path of a checkpoint'),
    (['--suite', 'calvin', '--policy', 'expert'], 'has no experts in the suite calvin'),
    (['--suite', 'calvin', '--policy', 'hold'], 'git clone --recurse-submodules'),
    (['--policy', 'hold', '--out', 'thesis'], 'allowed an empty or new folder'),
])
def test_an_exam_that_cannot_be_held_is_refused_in_one_line(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'thesis').mkdir()
    (tmp_path / 'thesis' / 'thesis.tex').touch()
    assert cli.main(['eval', *arguments]) == 2
    line = capsys.readouterr().err
    assert words in line and line.count('\n') == 1
    assert [path.name for path in tmp_path.rglob('*')] == ['thesis', 'thesis.tex']
