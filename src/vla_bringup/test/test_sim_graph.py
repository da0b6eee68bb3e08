"""The graph as data: what is refused before anything starts, and whose clock its nodes hear."""

import os
from pathlib import Path
import runpy

import pytest
from vla_bringup.graph import GraphOptions, NodeSpec, sim_graph
from vla_bringup.operator_graph import operator_graph, OperatorOptions
from vla_core.errors import VlaError

LAUNCH = Path(__file__).parents[1] / 'launch'
EXPERT = GraphOptions(policy='expert', record='dataset')


@pytest.mark.parametrize('options, named', [
    (GraphOptions(policy='nope'), 'nope'),
    (GraphOptions(policy='expert', robot='nope'), 'nope'),
    (GraphOptions(policy='expert', instruction='do a backflip'), 'backflip'),
    (GraphOptions(policy='expert', episodes=0), 'episodes: got 0'),
    (GraphOptions(policy='expert', seed=-1), 'seed: got -1'),
])
def test_what_cannot_be_run_is_refused_in_one_line(options: GraphOptions, named: str) -> None:
    with pytest.raises(VlaError, match=named) as caught:
        sim_graph(options)
    assert '\n' not in str(caught.value)


def test_every_node_is_told_the_robot_as_the_user_named_it() -> None:
    assert {spec.parameters['robot'] for spec in sim_graph(EXPERT)} == {'panda'}


def test_nodes_of_simulated_time_hear_the_clock_of_their_namespace() -> None:
    timed = [spec for spec in sim_graph(EXPERT) if spec.parameters.get('use_sim_time')]
    assert [spec.name for spec in timed] == [
        'perception', 'planner', 'policy', 'control', 'recorder']
    assert all(('/clock', 'clock') in spec.remappings for spec in timed)


@pytest.mark.parametrize(('file', 'arguments', 'nodes'), [
    ('sim', {'policy': 'expert'}, sim_graph(EXPERT)),
    ('teleop', {'device': 'leader'}, operator_graph(OperatorOptions(device='leader'))),
    ('record', {'out': 'data', 'policy': 'expert', 'episodes': '3'}, operator_graph(
        OperatorOptions(device='gamepad', drivers=True, policy='expert', episodes=3))),
])
def test_a_launch_file_starts_the_nodes_of_its_graph(
    monkeypatch: pytest.MonkeyPatch, file: str, arguments: dict[str, str], nodes: list[NodeSpec],
) -> None:
    actions = pytest.importorskip(
        'launch_ros.actions', reason='launch_ros is not among the ROS wheels')
    launch = pytest.importorskip('launch')
    monkeypatch.setattr(os, 'environ', {**os.environ})  # launch sets variables in it
    description = runpy.run_path(
        str(LAUNCH / f'{file}.launch.py'))['generate_launch_description']()
    context = launch.LaunchContext()
    context.launch_configurations.update(arguments)
    found: list[str] = []
    waiting = list(description.entities)
    while waiting:
        entity = waiting.pop(0)
        if isinstance(entity, actions.Node):
            found.append(entity.node_executable)
        else:
            waiting += entity.visit(context) or []
    assert found == [spec.executable for spec in nodes]
