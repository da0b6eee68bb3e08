"""Laws of the robot spec: the shipped ones load, broken ones are refused with a reason."""

from pathlib import Path

import numpy as np
import pytest
from vla_core import spec as spec_module
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.spec import load_robot, robot_names
import yaml


def shipped(name: str) -> dict:
    return yaml.safe_load((Path(spec_module.__file__).parent / 'config' / 'robots'
                           / f'{name}.yaml').read_text())


def written(tmp_path: Path, data: object) -> str:
    path = tmp_path / 'robot.yaml'
    path.write_text(yaml.safe_dump(data))
    return str(path)


@pytest.mark.parametrize('name', robot_names())
def test_every_shipped_robot_loads_and_is_consistent(name: str) -> None:
    robot = load_robot(name)
    assert robot.name == name
    assert robot.ticks_per_step * robot.policy.step_hz == robot.controller.rate_hz
    assert (robot.joints.lower <= robot.joints.home).all()
    assert (robot.joints.home <= robot.joints.upper).all()
    assert (robot.policy.workspace_lower < robot.policy.workspace_upper).all()
    assert robot.streams.keys() == {
        *robot.cameras, 'joint_states', 'tf', 'tactile', 'wrench'}
    assert robot.tactile.keys() == {'left', 'right'}
    assert robot.joints.velocity.dtype == np.float64


def test_an_unknown_robot_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'panda'"):
        load_robot('pandas')


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match='FileNotFoundError') as info:
        load_robot(str(tmp_path / 'none.yaml'))
    assert '\n' not in str(info.value)


@pytest.mark.parametrize(('path', 'value', 'match'), [
    (('joints', 'lower'), [0.0], 'joints.lower.*7 finite numbers'),
    (('joints', 'home'), [float('nan')] * 7, 'joints.home'),
    (('joints', 'lower'), [9.0] * 7, 'below joints.upper'),
    (('policy', 'step_hz'), 7, 'multiple of policy.step_hz 7'),
    (('streams', 'tf'), {'align': 'guess', 'max_age_s': 1.0}, "unknown alignment 'guess'"),
    (('cameras',), None, 'AttributeError'),
    (('gripper', 'colour'), 'red', 'colour'),
])
def test_a_broken_spec_is_refused_by_the_entry(
    tmp_path: Path, path: tuple[str, ...], value: object, match: str
) -> None:
    data = shipped('panda')
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises((InvalidDataError, UnknownNameError), match=match):
        load_robot(written(tmp_path, data))


def test_a_missing_entry_is_named(tmp_path: Path) -> None:
    data = shipped('panda')
    del data['base_frame']
    with pytest.raises(InvalidDataError, match="KeyError: 'base_frame'"):
        load_robot(written(tmp_path, data))
