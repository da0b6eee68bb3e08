"""The speed figures: the parts add up, and only looks differ under the plain meshes."""

import math
from pathlib import Path

import numpy as np
import pytest
from vla_bringup.benchmarks import sim
from vla_core.errors import InvalidDataError
from vla_core.spec import load_robot
from vla_sim.environment import TableEnvironment


def test_parts_of_a_demonstration_add_up_to_it(tmp_path: Path) -> None:
    rows = dict(sim.demonstrations('bowl', [('press_button', 100)], tmp_path))
    whole = rows.pop('demonstrations')
    assert whole['frames'] > 5
    shares = [figures['share [%]'] for figures in rows.values()]
    assert math.isclose(sum(shares), 100.0)
    assert min(shares) > 0.0  # no part lies within another, and each was measured
    milliseconds = sum(figures['ms a frame'] for figures in rows.values())
    assert math.isclose(milliseconds * whole['frames/s of CPU'], 1e3)
    assert len(list(tmp_path.glob('*.h5'))) == 1


def test_meshes_change_looks_and_not_motion(tmp_path: Path) -> None:
    spec = load_robot('panda')
    seen = []
    for robot in (spec, sim.with_meshes(spec, tmp_path)):
        table = TableEnvironment(robot, 'bowl')
        seen.append((table.reset(0, 'press_button', 5.0), table.state()))
        table.close()
    (boxes, state), (meshes, same) = seen
    assert (boxes.images['static'] != meshes.images['static']).any()
    assert all(np.array_equal(pose, same.objects[name]) for name, pose in state.objects.items())
    assert np.array_equal(state.tool_pose, same.tool_pose)


def test_no_episodes_is_one_line() -> None:
    with pytest.raises(InvalidDataError, match='allowed 1 or more'):
        sim.run(0, 100)
