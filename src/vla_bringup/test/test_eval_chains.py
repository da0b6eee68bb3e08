"""Laws of a chain: tasks follow without a reset, and the first failure ends it."""

from dataclasses import dataclass, field

import pytest
from vla_bringup.chain_episode import run_chain
from vla_bringup.suites import CHAIN
from vla_core.chains import chains
from vla_core.protocols import Environment
from vla_core.rollout import RolloutResult
from vla_core.types import TaskOutcome

STEP_S = 1 / 12


@dataclass
class _Venue:
    """A table that only notes what is asked of it."""

    told: list[tuple] = field(default_factory=list)

    @property
    def environment(self) -> '_Venue':
        return self

    def lay(self, chain: object) -> None:
        self.told.append(('lay', chain))

    def begin(self, task: str, seed: int, timeout_s: float, part: int = 0) -> None:
        self.told.append((task, seed, part))

    def observe(self) -> None:
        """Return nothing."""


def _roll(done: int) -> object:
    """Return a rollout of 10 steps that fails after so many tasks."""
    count = iter(range(9))

    def roll(stage: Environment, task: str, seed: int) -> tuple[RolloutResult, str]:
        stage.reset(seed, task, 12.0)
        won = next(count) < done
        outcome = TaskOutcome(0, 'e', task, won, True, 'success' if won else 'late', 10)
        return RolloutResult(outcome, 10, 10 * STEP_S), f'please {task}'

    return roll


@pytest.mark.parametrize('done', range(6))
def test_a_chain_goes_on_without_a_reset_until_a_task_fails(done: int) -> None:
    venue, chain = _Venue(), chains(3)[2]
    row = run_chain(venue, chain, _roll(done), STEP_S)
    asked = chain.tasks[:min(done + 1, 5)]
    assert venue.told == [('lay', chain), *((task, chain.seed, i) for i, task in enumerate(asked))]
    assert (row.task, row.seed, row.done, row.success) == (CHAIN, 2, done, done == 5)
    assert (row.steps, row.seconds) == (10 * len(asked), round(10 * len(asked) * STEP_S, 6))
    assert row.instruction == '; '.join(f'please {task}' for task in asked)
    assert row.reason == ('success' if done == 5 else f'{chain.tasks[done]}: late')
