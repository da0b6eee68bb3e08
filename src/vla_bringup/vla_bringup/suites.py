"""The exams there are: which tasks on which tables, how long, and what the policy is told."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vla_core.chains import CHAIN_COUNT
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.tasks import SUITES as LANGUAGES
from vla_sim.variation import PERTURBATIONS

CHAIN = 'chain'  # the task name of a trial that is a whole chain
FIRST_SEED = 100_000  # of every exam but `chains`, which counts its chains from 0


class Trial(NamedTuple):
    """One episode of an exam; of a chain the seed is its number."""

    task: str
    seed: int
    perturbation: str = ''  # '' is the standard exam

    @property
    def name(self) -> str:
        """Return what its files are called."""
        return '-'.join(filter(None, (self.task, str(self.seed), self.perturbation)))


@dataclass(frozen=True)
class Suite:
    """One exam."""

    name: str
    scenes: tuple[str, ...]  # where it can be held, its own first
    tasks: tuple[str, ...]
    timeout_s: float  # simulated, of one task
    planned: bool = False  # the planner reads the instruction; else the policy alone does
    perturbations: tuple[str, ...] = PERTURBATIONS

    @property
    def chained(self) -> bool:
        """Say whether an episode is several tasks in a row."""
        return self.tasks == (CHAIN,)

    def find_scene(self, name: str) -> str:
        """Return the scene `name`, or the suite's own for ''; raise UnknownNameError."""
        if name and name not in self.scenes:
            raise UnknownNameError(f'scene of suite {self.name}', name, self.scenes)
        return name or self.scenes[0]

    def find_tasks(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the tasks called so, all without names; raise UnknownNameError."""
        for name in names:
            if name not in self.tasks:
                raise UnknownNameError('task', name, self.tasks)
        return tuple(dict.fromkeys(names)) or self.tasks

    def find_perturbations(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the perturbations called so, `all` being each; raise UnknownNameError."""
        if 'all' in names:
            return self.perturbations
        for name in names:
            if name not in self.perturbations:
                raise UnknownNameError(
                    f'perturbation of suite {self.name}', name, ('all', *self.perturbations))
        return tuple(dict.fromkeys(names))

    def trials(
        self, tasks: Sequence[str], episodes: int, seed: int, perturbations: Iterable[str] = ()
    ) -> list[Trial]:
        """Return the trials: round by round, in each the standard exam first, then the others.

        Trials that differ in their perturbation alone are pairs.
        """
        if self.chained and not 0 <= seed <= seed + episodes <= CHAIN_COUNT:
            raise InvalidDataError(
                f'chains: got number {seed} to {seed + episodes - 1}, allowed 0 to '
                f'{CHAIN_COUNT - 1} (--seed is the first, --episodes how many)')
        return [Trial(task, seed + i, perturbation) for i in range(episodes)
                for perturbation in ('', *perturbations) for task in tasks]


_TABLES = ('table_d', 'table_a', 'table_b', 'table_c')  # D first: CALVIN examines there
_TABLE34 = tuple(sorted(LANGUAGES['table34']))
SUITES = {suite.name: suite for suite in (
    Suite('bowl', ('bowl',), tuple(sorted(LANGUAGES['bowl'])), 20.0, planned=True),
    Suite('table34', _TABLES, _TABLE34, 12.0),
    Suite('chains', _TABLES, (CHAIN,), 12.0),
    Suite('touch', ('touch',), tuple(sorted(LANGUAGES['touch'])), 12.0),
    Suite('calvin', ('calvin',), (CHAIN,), 12.0, perturbations=('paraphrase', 'delay')),
)}


def find_suite(name: str) -> Suite:
    """Return the suite; raise UnknownNameError with the allowed names."""
    if name not in SUITES:
        raise UnknownNameError('suite', name, SUITES)
    return SUITES[name]
