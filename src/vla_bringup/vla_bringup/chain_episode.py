"""Chains: several tasks in a row, each asked for when the one before it is done.

The metric is CALVIN's (Mees et al. 2022, arXiv:2112.03227): how many chains come to their first,
second, ... fifth task's end, and how many tasks a chain gets done on average.
"""

from collections.abc import Callable
from dataclasses import dataclass

from vla_bringup.suites import CHAIN
from vla_core.chains import Chain
from vla_core.protocols import Environment
from vla_core.rollout import RolloutResult
from vla_core.types import Observation
from vla_sim.collect import Continued
from vla_sim.environment import TableEnvironment
from vla_sim.scenes.scene import Layout

Roll = Callable[[Environment, str, int], tuple[RolloutResult, str]]  # stage, task, seed


@dataclass(frozen=True)
class ChainRow:
    """What came of one chain; the fields are those of the results file."""

    task: str
    instruction: str  # the sentences said, with semicolons between them
    seed: int  # the chain's number
    success: bool  # all tasks done
    steps: int  # policy steps
    seconds: float  # simulated
    tasks: tuple[str, ...]
    done: int  # tasks done before the first failure
    reason: str = ''


class Laid:
    """An environment whose reset sets the table for a chain."""

    def __init__(self, environment: TableEnvironment, layout: Layout) -> None:
        self._environment, self._layout = environment, layout

    def __getattr__(self, name: str) -> object:
        return getattr(self._environment, name)

    def reset(self, seed: int, task: str, timeout_s: float) -> Observation:
        """Set the table and begin the first task."""
        self._environment.set_table(self._layout)
        self._environment.begin(task, seed, timeout_s)
        return self._environment.observe()


def run_chain(
    environment: TableEnvironment, chain: Chain, layout: Layout, roll: Roll, step_s: float
) -> ChainRow:
    """Run a chain to its end or its first failure; a policy step takes `step_s`."""
    stage: Laid | Continued = Laid(environment, layout)
    sentences, steps, done, reason = [], 0, 0, ''
    for task in chain.tasks:
        result, sentence = roll(stage, task, chain.seed)
        sentences.append(sentence)
        steps, reason = steps + result.steps, result.outcome.reason
        if not result.outcome.success:
            reason = f'{task}: {reason}'
            break
        done += 1
        stage = Continued(environment, done)
    return ChainRow(
        CHAIN, '; '.join(sentences), chain.index, done == len(chain.tasks), steps,
        round(steps * step_s, 6), tuple(chain.tasks), done, reason)
