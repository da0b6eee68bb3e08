"""Laws of a run's plan, its results, and the graph as data."""

import json
from pathlib import Path

import pytest
from vla_bringup.commands.sim import plan, SimOptions
from vla_bringup.graph import GraphOptions, sim_graph
from vla_bringup.report import write_json
from vla_bringup.session import make_row, plan_episodes, PlannedEpisode, Row, summarise
from vla_bringup.supervisor import free_domain, node_command
from vla_core.errors import UnknownNameError, VlaError
from vla_core.tasks import TASKS


def test_episodes_rotate_through_the_sorted_tasks_with_one_seed_a_round() -> None:
    episodes = plan_episodes(27, 100000)
    assert [episode.task for episode in episodes[:9]] == sorted(TASKS)
    assert [episode.seed for episode in episodes] == [100000 + i // 9 for i in range(27)]


def test_a_plan_depends_on_its_seed_alone() -> None:
    assert plan_episodes(3, 5, rotate=False) == plan_episodes(3, 5, rotate=False)
    tasks = {plan_episodes(1, seed, rotate=False)[0].task for seed in range(40)}
    assert len(tasks) > 4


def test_a_row_tells_its_steps_as_seconds_to_the_microsecond() -> None:
    planned = PlannedEpisode('open_drawer', 7, 'open the drawer')
    row = make_row(planned, success=True, steps=37, step_s=1 / 12, reason='success')
    assert row == Row('open_drawer', 'open the drawer', 7, True, 37, 3.083333, 'success')


def test_every_planned_sentence_belongs_to_its_task() -> None:
    for episode in plan_episodes(18, 0):
        assert episode.instruction in TASKS[episode.task].instructions


def test_an_instruction_is_judged_by_its_last_task_and_has_time_for_all() -> None:
    episode, = plan_episodes(
        1, 7, 'do this, then that', judge=lambda sentence: ['open_drawer', 'press_button'])
    assert (episode.task, episode.parts, episode.seed) == ('press_button', 2, 7)


def test_no_episode_is_refused() -> None:
    with pytest.raises(VlaError, match='episodes: got 0'):
        plan_episodes(0, 0)


def test_results_hold_every_episode_and_the_rates() -> None:
    rows = [Row('open_drawer', 'open the drawer', i, i > 0, 12, 1.0, 'x') for i in range(4)]
    results = summarise(rows, 'expert', './vla sim')
    assert results['success_rate'] == 0.75
    assert set(results['episodes'][0]) == {
        'task', 'instruction', 'seed', 'success', 'steps', 'seconds'}
    assert results['per_task']['open_drawer']['count'] == 4
    low, high = results['ci95']
    assert low == pytest.approx(0.3006, abs=1e-4)  # Wilson 1927, 3 of 4
    assert high == pytest.approx(0.9544, abs=1e-4)


def test_results_without_an_episode_are_still_results(tmp_path: Path) -> None:
    write_json(tmp_path / 'a' / 'out.json', summarise([], 'expert', ''))
    assert json.loads((tmp_path / 'a' / 'out.json').read_text())['episodes'] == []


def test_the_graph_has_every_feature_once() -> None:
    nodes = sim_graph(GraphOptions(policy='expert', record='data'))
    names = [node.name for node in nodes]
    assert names == [
        'sim', 'perception', 'planner', 'policy', 'control', 'recorder', 'session']
    assert [node.name for node in nodes if node.critical] == ['sim', 'session']


def test_only_the_simulation_keeps_the_system_clock() -> None:
    nodes = sim_graph(GraphOptions(policy='expert'))
    timed = {node.name for node in nodes if node.parameters.get('use_sim_time')}
    assert timed == {'perception', 'planner', 'policy', 'control'}


@pytest.mark.parametrize(('options', 'words'), [
    ({'robot': 'nope'}, "unknown robot 'nope'"),
    ({'policy': 'nope'}, "unknown policy 'nope'"),
    ({'episodes': 0}, 'episodes: got 0'),
])
def test_a_graph_that_cannot_run_is_refused_before_it_starts(options: dict, words: str) -> None:
    with pytest.raises(VlaError, match=words):
        sim_graph(GraphOptions(**{'policy': 'expert', **options}))


def test_strings_stay_strings_on_a_command_line() -> None:
    nodes = sim_graph(GraphOptions(policy='expert', record='yes: "12"', seed=3))
    command = node_command(nodes[-1])
    assert r'record:="yes: \"12\""' in command
    assert 'seed:=3' in command and 'rotate:=true' in command


def test_an_unknown_sentence_or_head_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VlaError, match='unknown instruction'):
        plan(SimOptions(instruction='make coffee'), [])
    with pytest.raises(UnknownNameError, match='head'):
        plan(SimOptions(head='nope'), [])


def test_without_arguments_there_are_three_random_tasks_and_with_an_instruction_one() -> None:
    def planned(**options: object) -> GraphOptions:
        return plan(SimOptions(policy='expert', **options), [])

    assert planned().episodes == 3
    assert not planned().rotate
    assert planned(instruction='open the drawer').episodes == 1
    assert planned(episodes=8, seed=100).rotate


def test_a_free_domain_is_one_of_the_safe_ones() -> None:
    assert 1 <= free_domain() <= 101
