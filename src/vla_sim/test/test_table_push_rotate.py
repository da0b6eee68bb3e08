"""Pushing and turning blocks: what counts as done, and experts from starts a chain may leave."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from vla_core.control.controller import ArmController
from vla_core.geometry import compose, rotvec_to_quat
from vla_core.rollout import rollout
from vla_core.types import SimState, TaskOutcome
from vla_sim.collect import DisturbedExpert, Noise, NoiseConfig
from vla_sim.environment import TableEnvironment
from vla_sim.scenes.table_layout import TableLayout
from vla_sim.scenes.table_measures import BLOCKS, TOP
from vla_sim.tasks.table34 import TASKS

_SIGN = {'left': 1.0, 'right': -1.0}


@pytest.fixture(scope='module')
def table() -> Iterator[TableEnvironment]:
    environment = TableEnvironment('panda', 'table_d')
    yield environment
    environment.close()


def _state(table: TableEnvironment, task: str, seed: int = 0) -> SimState:
    table.reset(seed, task)
    return table.state()


def _moved(
    state: SimState, block: str, move: tuple[float, ...] = (0.0, 0.0, 0.0), turn: float = 0.0,
    axis: int = 2, touching: tuple[str, ...] = ('table',),
) -> SimState:
    """Return the state with one block elsewhere: `move` [m], `turn` [rad] about a base axis."""
    pose = state.objects[block]
    turned = compose(
        np.array([0.0, 0.0, 0.0, *rotvec_to_quat(np.eye(3)[axis] * turn)]),
        np.array([0.0, 0.0, 0.0, *pose[3:]]))
    now = np.array([*(pose[:3] + move), *turned[3:]])
    return replace(state, objects={**state.objects, block: now},
                   touching={**state.touching, block: touching})


@pytest.mark.parametrize('block', BLOCKS)
@pytest.mark.parametrize('side', _SIGN)
def test_a_push_counts_to_its_side_and_on_the_surface_it_began_on(table, block, side) -> None:
    start, sign = _state(table, f'push_{block}_{side}'), _SIGN[side]
    done = TASKS[f'push_{block}_{side}']
    pushed = _moved(start, block, (0.0, 0.11 * sign, 0.0))
    assert done.feasible(start)
    assert done.succeeded(start, pushed)
    assert not done.succeeded(start, start)
    assert not done.succeeded(start, _moved(start, block, (0.0, -0.11 * sign, 0.0)))
    assert not done.succeeded(start, _moved(start, block, (0.0, 0.09 * sign, 0.0)))
    assert not done.succeeded(
        start, _moved(start, block, (0.0, 0.11 * sign, 0.0), touching=('robot',)))


@pytest.mark.parametrize('block', BLOCKS)
@pytest.mark.parametrize('side', _SIGN)
def test_a_turn_counts_to_its_side_upright_in_place_and_set_down(table, block, side) -> None:
    start, turn = _state(table, f'rotate_{block}_{side}'), _SIGN[side] * np.deg2rad(61.0)
    done = TASKS[f'rotate_{block}_{side}']
    assert done.feasible(start)
    assert done.succeeded(start, _moved(start, block, turn=turn))
    assert not done.succeeded(start, start)
    assert not done.succeeded(start, _moved(start, block, turn=-turn))
    assert not done.succeeded(start, _moved(start, block, turn=turn * 58.0 / 61.0))
    assert not done.succeeded(start, _moved(start, block, (0.08, 0.07, 0.0), turn))
    assert not done.succeeded(start, _moved(start, block, turn=turn, touching=('robot',)))
    tipped = _moved(_moved(start, block, turn=turn), block, turn=np.deg2rad(35.0), axis=0)
    assert not done.succeeded(start, tipped)


def test_a_turn_is_judged_from_the_start_also_beyond_half_a_turn(table) -> None:
    start = _moved(_state(table, 'rotate_pink_block_left'), 'pink_block', turn=2.8)
    now = _moved(start, 'pink_block', turn=1.2)
    assert TASKS['rotate_pink_block_left'].succeeded(start, now)
    assert not TASKS['rotate_pink_block_right'].succeeded(start, now)


def test_a_block_is_in_the_drawer_once_it_fell_there_and_is_let_alone(table) -> None:
    start, done = _state(table, 'push_into_drawer'), TASKS['push_into_drawer']
    block = next(name for name in BLOCKS if 'table' in start.touching[name])
    other = next(name for name in BLOCKS if name != block)
    fallen, down = ('drawer',), (-0.1, 0.0, -0.085)
    assert done.feasible(start)
    assert done.succeeded(start, _moved(start, block, down, touching=fallen))
    assert not done.succeeded(start, _moved(start, block, down, touching=('drawer', 'robot')))
    assert not done.succeeded(start, _moved(start, other, down, touching=fallen))


def _run(
    table: TableEnvironment, task: str, layout: TableLayout | None, noise: Noise | None
) -> TaskOutcome:
    class Arranged:
        """The environment whose reset sets one layout."""

        def __getattr__(self, name: str) -> object:
            return getattr(table, name)

        def reset(self, seed: int, name: str, timeout_s: float) -> object:
            """Set the layout, or what the seed says."""
            if layout is None:
                return table.reset(seed, name, timeout_s)
            table.set_table(layout)
            table.begin(name, seed, timeout_s)
            return table.observe()

    return rollout(
        Arranged(), ArmController(table.spec), DisturbedExpert(table, noise), None, '', seed=3,
        task=task, timeout_s=12.0).outcome


@pytest.mark.parametrize('task, block, x, y, yaw', [
    ('rotate_pink_block_right', 'pink_block', 0.56, -0.10, 2.6),
    ('rotate_blue_block_left', 'blue_block', 0.56, 0.20, 0.75),
    ('push_red_block_left', 'red_block', 0.57, -0.05, 0.80),
    ('push_into_drawer', 'pink_block', 0.57, -0.15, 0.3),
])
def test_experts_take_blocks_as_chains_leave_them(table, task, block, x, y, yaw) -> None:
    rng = np.random.default_rng([5, 1])
    left, right = (name for name in BLOCKS if name != block)
    layout = replace(table.scene.sample(rng), drawer=0.145).arranged(
        {block: 'table', left: 'slider_left', right: 'slider_right'}, rng)
    pose = np.array([x, y, TOP + 0.025, yaw])
    layout = replace(layout, blocks={**layout.blocks, block: pose})
    outcome = _run(table, task, layout, None)
    assert outcome.success, outcome


@pytest.mark.parametrize('task', ['rotate_red_block_left', 'push_blue_block_right'])
def test_experts_do_it_disturbed(table, task) -> None:
    noise = Noise(NoiseConfig(share_max=0.15, clean_episodes=0.0), np.random.default_rng(1))
    outcome = _run(table, task, None, noise)
    assert outcome.success, outcome
