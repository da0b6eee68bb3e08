"""Policies that must fail do what they are called, and stay within the guard's limits."""

from collections.abc import Iterator

import numpy as np
import pytest
from vla_bringup.episodes import Exam, start
from vla_bringup.reference_policies import chunk_rows, REFERENCES, wrong_tasks
from vla_core.control.controller import ArmController
from vla_core.protocols import Policy
from vla_core.rollout import rollout, RolloutResult
from vla_sim.environment import TableEnvironment

TASK, SEED = 'open_drawer', 100_000


@pytest.fixture(scope='module')
def environment() -> Iterator[TableEnvironment]:
    environment = TableEnvironment('panda')
    yield environment
    environment.close()


def _roll(environment: TableEnvironment, policy: Policy, delay: int = 0) -> RolloutResult:
    return rollout(environment, ArmController(environment.spec), policy, None, 'open the drawer',
                   seed=SEED, task=TASK, timeout_s=2.0, action_delay_steps=delay)


@pytest.mark.parametrize('delay', [0, 3])
def test_the_random_walk_moves_without_being_stopped(
    environment: TableEnvironment, delay: int
) -> None:
    policy = REFERENCES['random'](environment, chunk_rows(1, delay))
    result = _roll(environment, policy, delay)
    moved = environment.state().tool_pose[:3] - environment.start.tool_pose[:3]
    assert result.rejections == () and np.linalg.norm(moved) > 0.02


def test_holding_still_moves_nothing(environment: TableEnvironment) -> None:
    result = _roll(environment, REFERENCES['hold'](environment, chunk_rows(1, 0)))
    moved = environment.state().tool_pose[:3] - environment.start.tool_pose[:3]
    assert result.rejections == () and np.linalg.norm(moved) < 1e-3
    assert not result.outcome.success


def test_the_wrong_expert_does_another_task_that_is_possible(
    environment: TableEnvironment
) -> None:
    environment.reset(SEED, 'lift_red_block')
    names = wrong_tasks(environment, 'lift_red_block')
    assert names and all(environment.feasible(name) for name in names)
    assert not {'lift_red_block', 'put_red_block_in_bowl'} & set(names)
    result = _roll(environment, REFERENCES['wrong'](environment, chunk_rows(1, 0)))
    moved = environment.state().tool_pose[:3] - environment.start.tool_pose[:3]
    assert not result.outcome.success and np.linalg.norm(moved) > 0.02


def test_a_process_repeats_a_trial_to_the_bit() -> None:
    run = start(Exam('random', timeout_s=1.0))
    first = run(TASK, SEED)
    run('press_button', SEED + 1)
    assert run(TASK, SEED)['row'] == first['row']
