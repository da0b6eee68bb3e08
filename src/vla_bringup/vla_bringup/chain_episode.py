"""Chains: several tasks in a row, each asked for when the one before it is done.

The metric is CALVIN's (Mees et al. 2022, arXiv:2112.03227): how many chains come to their first,
second, ... fifth task's end, and how many tasks a chain gets done on average.
"""

from collections.abc import Callable
from dataclasses import dataclass

from vla_bringup.suites import CHAIN
from vla_bringup.venue import Venue
from vla_core.chains import Chain
from vla_core.protocols import Environment
from vla_core.rollout import RolloutResult
from vla_core.types import Observation
from vla_sim.collect import Continued

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
    """A venue's environment whose reset sets the table for a chain."""

    def __init__(self, venue: Venue, chain: Chain) -> None:
        self._venue, self._chain = venue, chain

    def __getattr__(self, name: str) -> object:
        return getattr(self._venue.environment, name)

    def reset(self, seed: int, task: str, timeout_s: float) -> Observation:
        """Set the table and begin the first task."""
        self._venue.lay(self._chain)
        self._venue.environment.begin(task, seed, timeout_s)
        return self._venue.environment.observe()


def run_chain(venue: Venue, chain: Chain, roll: Roll, step_s: float) -> ChainRow:
    """Run a chain to its end or its first failure; a policy step takes `step_s`."""
    stage: Laid | Continued = Laid(venue, chain)
    sentences, steps, done, reason = [], 0, 0, ''
    for task in chain.tasks:
        result, sentence = roll(stage, task, chain.seed)
        sentences.append(sentence)
        steps, reason = steps + result.steps, result.outcome.reason
        if not result.outcome.success:
            reason = f'{task}: {reason}'
            break
        done += 1
        stage = Continued(venue.environment, done)
    return ChainRow(
        CHAIN, '; '.join(sentences), chain.index, done == len(chain.tasks), steps,
        round(steps * step_s, 6), tuple(chain.tasks), done, reason)
