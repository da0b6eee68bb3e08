"""The graph in which a person drives: what is in it, and what is refused before it starts."""

from dataclasses import replace

import pytest
from vla_bringup.operator_graph import operator_graph, OperatorOptions, task_of
from vla_core.errors import VlaError
from vla_core.tasks import draw_instruction, TASKS
from vla_sim.catalogue import find_scene

EXPERT = OperatorOptions(device='expert', episodes=2, record='data')


@pytest.mark.parametrize(('options', 'named'), [
    (replace(EXPERT, robot='nope'), 'nope'),
    (replace(EXPERT, scene='nope'), 'nope'),
    (replace(EXPERT, device='nope'), "unknown device 'nope'"),
    (replace(EXPERT, policy='nope'), 'nope'),
    (replace(EXPERT, instruction='do a backflip'), 'backflip'),
    (replace(EXPERT, record_format='hdf5'), 'hdf5'),
    (replace(EXPERT, seed=-1), 'got -1'),
    (replace(EXPERT, tremor=2.0), 'got 2'),
    (replace(EXPERT, real=True), '--real'),
    (replace(EXPERT, lockstep=True, policy='expert'), '--lockstep'),
    (replace(EXPERT, device='keyboard', lockstep=True), '--lockstep: got device keyboard'),
    (replace(EXPERT, device='keyboard', real=True), '--task: got none'),
    (replace(EXPERT, device='keyboard', real=True, instruction='x', hands_free=True), 'judges'),
    (OperatorOptions(device='gamepad', joystick='', speed=7.0), 'got 0 and 7'),
])
def test_what_cannot_be_run_is_refused_in_one_line(options: OperatorOptions, named: str) -> None:
    with pytest.raises(VlaError, match=named) as caught:
        operator_graph(options)
    assert '\n' not in str(caught.value)


def test_a_gamepad_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('vla_bringup.operator_graph.joysticks', lambda: [])
    with pytest.raises(VlaError, match='gamepad: got none at /dev/input'):
        operator_graph(OperatorOptions(device='gamepad'))
    names = [node.name for node in operator_graph(OperatorOptions(
        device='gamepad', joystick='/dev/input/js3'))]
    assert 'joystick' in names


def test_an_arm_of_its_own_has_no_simulator_and_lives_by_the_systems_clock() -> None:
    nodes = operator_graph(OperatorOptions(
        device='spacemouse', real=True, robot='ur5e', episodes=5, instruction='fold it'))
    assert [node.name for node in nodes] == ['control', 'teleop', 'recorder', 'operator']
    assert not any(node.parameters.get('use_sim_time') for node in nodes)


@pytest.mark.parametrize('scene', ['bowl', 'table_d', 'touch'])
def test_tasks_are_known_by_name_and_by_sentence(scene: str) -> None:
    for name in find_scene(scene).tasks:
        assert task_of(name, scene) == name
        assert task_of(draw_instruction(name, 3), scene) == name
    assert task_of('do a backflip', scene) == ''
    assert set(find_scene('bowl').tasks) == set(TASKS)
