"""Lift, place, stack and unstack at CALVIN's table: starts, predicates, experts."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from vla_core.control.controller import ArmController
from vla_core.rollout import rollout
from vla_core.types import SimState
from vla_sim.collect import DisturbedExpert, Noise, NoiseConfig
from vla_sim.environment import TableEnvironment
from vla_sim.experts.table34.grip import find_grasp, held_block
from vla_sim.scenes.table_measures import BLOCKS, DOOR_TRAVEL, SHELF
from vla_sim.tasks.table34 import lift, place, stack

_TASKS = tuple(task.name for family in (lift, place, stack) for task in family.TASKS)


class Blind(TableEnvironment):
    """Renders nothing: experts see the state only."""

    def images(self) -> dict[str, np.ndarray]:
        return {}


@pytest.fixture(scope='module')
def table() -> Iterator[TableEnvironment]:
    environment = Blind(scene='table_d')
    yield environment
    environment.close()


class Continuing:
    """The environment as it stands: a reset begins the task and sets nothing."""

    def __init__(self, environment: TableEnvironment) -> None:
        self._environment = environment

    def __getattr__(self, name: str) -> object:
        return getattr(self._environment, name)

    def reset(self, seed: int, task: str, timeout_s: float) -> object:
        self._environment.begin(task, seed, timeout_s)
        return self._environment.observe()


def _succeeds(table: TableEnvironment, task: str, seed: int, *, noise: Noise | None = None,
              delay: int = 0, stage: object = None) -> bool:
    return rollout(
        stage or table, ArmController(table.spec), DisturbedExpert(table, noise), None, '',
        seed=seed, task=task, timeout_s=12.0, action_delay_steps=delay).outcome.success


def _stage(table: TableEnvironment, places: dict, blocks: dict, **changes: object) -> None:
    """Set the table with blocks where they are told to be, in words and in numbers."""
    rng = np.random.default_rng(0)
    layout = replace(table.scene.sample(rng), **changes).arranged(places, rng)
    table.set_table(replace(layout, blocks={**layout.blocks, **blocks}))


@pytest.mark.parametrize('task', _TASKS)
def test_a_task_can_begin_at_its_start_and_is_not_done(table, task) -> None:
    table.reset(3, task)
    assert table.feasible(task)
    assert not table.find_task(task).succeeded(table.start, table.state())
    held = held_block(table.state())
    assert bool(held) == (task in ('place_in_slider', 'place_in_drawer', 'stack_block'))


@pytest.mark.parametrize('task', (
    'lift_red_block_table', 'lift_blue_block_slider', 'lift_pink_block_drawer',
    'place_in_slider', 'place_in_drawer', 'stack_block', 'unstack_block'))
def test_experts_succeed_late_and_disturbed(table, task) -> None:
    assert _succeeds(table, task, seed=21, delay=1)
    noise = Noise(NoiseConfig(share_max=0.15, clean_episodes=0.0), np.random.default_rng(2))
    assert _succeeds(table, task, seed=22, noise=noise)


@pytest.mark.parametrize('task', ('place_in_drawer', 'stack_block'))
def test_a_dropped_block_is_taken_up_again(table, task) -> None:
    table.reset(5, task)
    start, joints = table.start, table.follower.goal
    table.world.arm.set_gripper(1.0)
    for _ in range(120):
        table.world.step(joints, np.zeros_like(joints))
    table.begin(task, 5, 12.0)
    assert not held_block(table.state())
    assert not table.find_task(task).succeeded(start, table.state())
    state = _after(table, start, task)
    assert table.find_task(task).succeeded(start, state)


def _after(table: TableEnvironment, start: SimState, task: str) -> SimState:
    """Return the state after the expert's run that remembers another start."""
    stage = Continuing(table)
    stage.reset(5, task, 12.0)
    table.start = start
    stage.reset = lambda seed, name, timeout_s: table.observe()
    rollout(stage, ArmController(table.spec), DisturbedExpert(table), None, '',
            seed=5, task=task, timeout_s=12.0)
    return table.state()


def test_a_second_block_goes_beside_the_first_in_the_free_half(table) -> None:
    middle = table.scene.design.cabinet_y + 0.1
    _stage(table, {'red_block': 'held', 'blue_block': 'slider_left', 'pink_block': 'table'},
           {'blue_block': np.array([0.73, middle + 0.015, SHELF + 0.025, 0.05])}, door=0.0)
    assert _succeeds(table, 'place_in_slider', 0, stage=Continuing(table))
    red, blue = (table.state().objects[name] for name in ('red_block', 'blue_block'))
    assert abs(red[1] - middle) < 0.1 and abs(red[1] - blue[1]) > 0.05


def test_a_block_wedged_in_the_cabinet_is_dragged_off_the_wall(table) -> None:
    wall = table.scene.design.cabinet_y - 0.2
    _stage(table, {'red_block': 'slider_right', 'blue_block': 'table', 'pink_block': 'table'},
           {'red_block': np.array([0.755, wall + 0.03, SHELF + 0.025, 0.0])}, door=DOOR_TRAVEL)
    table.begin('lift_red_block_slider', 0, 12.0)
    assert not find_grasp(table.state(), 'red_block').room
    assert _succeeds(table, 'lift_red_block_slider', 0, stage=Continuing(table))


def test_a_stack_is_neither_lifted_from_below_nor_stacked_again(table) -> None:
    table.reset(4, 'unstack_block')
    state = table.state()
    upper = next(block for block in BLOCKS if stack.on_top(state, block))
    lower = state.touching[upper][0]
    assert lift.burdened(state, lower)
    assert not table.feasible(f'lift_{lower}_table') and not table.feasible(f'lift_{upper}_table')
    assert not table.find_task('stack_block').succeeded(state, state)


def test_a_stack_that_was_knocked_over_was_not_taken_down(table) -> None:
    table.reset(4, 'unstack_block')
    start, task = table.state(), table.find_task('unstack_block')
    upper = next(block for block in BLOCKS if stack.on_top(start, block))
    lower = start.touching[upper][0]
    beside = start.objects[lower] + [0.0, 0.12, 0.0, 0.0, 0.0, 0.0, 0.0]
    down = replace(
        start, objects={**start.objects, upper: beside},
        touching={**start.touching, upper: ('table',), lower: ('table',)})
    assert task.succeeded(start, down)
    shoved = start.objects[lower] + [0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert not task.succeeded(start, replace(down, objects={**down.objects, lower: shoved}))
    toppled = np.array([*beside[:3], np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])
    assert not task.succeeded(start, replace(down, objects={**down.objects, upper: toppled}))
