"""Compare two policies on the same episodes: which is better, and is that decided?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from vla_core.errors import InvalidDataError
from vla_training.statistics import (
    count_pairs,
    difference_interval,
    mcnemar_mid_p,
    mcnemar_p,
    PairedCounts,
    pairs_needed,
    wilson_interval,
)

ALPHA = 0.05  # of all verdicts that are read together
POWER = 0.8


class Verdict(str, Enum):
    """What the exact test says."""

    A = 'A better'
    B = 'B better'
    UNDECIDED = 'undecided'


class PairKey(NamedTuple):
    """What makes two rows the same episode."""

    task: str
    seed: int
    perturbation: str = ''  # '' is the standard exam


@dataclass(frozen=True)
class Paired:
    """One outcome of A and B each on every episode, in the same order."""

    keys: tuple[PairKey, ...]
    a: tuple[bool, ...]
    b: tuple[bool, ...]

    def where(self, task: str | None = None, perturbation: str | None = None) -> 'Paired':
        """Return the episodes of one task, of one perturbation, or of both."""
        kept = [i for i, key in enumerate(self.keys)
                if task in (None, key.task) and perturbation in (None, key.perturbation)]
        return Paired(*(tuple(part[i] for i in kept) for part in (self.keys, self.a, self.b)))

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks, sorted."""
        return tuple(sorted({key.task for key in self.keys}))

    @property
    def perturbations(self) -> tuple[str, ...]:
        """All perturbations but the standard exam, sorted."""
        return tuple(sorted({key.perturbation for key in self.keys} - {''}))


@dataclass(frozen=True)
class Comparison:
    """What one set of pairs says; rates and differences 0..1, A minus B."""

    counts: PairedCounts
    alpha: float  # level of the verdict
    less_is_better: bool = False  # of interventions, say

    @property
    def rate_a(self) -> float:
        """Success rate of A."""
        return (self.counts.both + self.counts.only_a) / max(1, self.counts.pairs)

    @property
    def rate_b(self) -> float:
        """Success rate of B."""
        return (self.counts.both + self.counts.only_b) / max(1, self.counts.pairs)

    @property
    def verdict(self) -> Verdict:
        """Who is better by McNemar's exact test at level `alpha`."""
        if mcnemar_p(self.counts) > self.alpha:
            return Verdict.UNDECIDED
        more_of_a = self.counts.difference > 0
        return Verdict.A if more_of_a != self.less_is_better else Verdict.B

    @property
    def more(self) -> int | None:
        """Pairs that are still missing to decide at power 0.8; None: no number would."""
        needed = pairs_needed(self.counts, POWER, self.alpha)
        return None if needed is None else max(1, needed - self.counts.pairs)

    def say(self) -> str:
        """Return the verdict in words."""
        if self.verdict is not Verdict.UNDECIDED:
            return self.verdict.value
        if self.more is None:
            return 'undecided: no number decides a difference of 0'
        episodes = 'episode' if self.more == 1 else 'episodes'
        return f'undecided: {self.more} more {episodes} would decide at {100 * POWER:.0f} % power'

    def to_dict(self) -> dict:
        """Return the fields of the JSON document."""
        counts = self.counts
        a, b = counts.both + counts.only_a, counts.both + counts.only_b
        return {
            'pairs': counts.pairs,
            'both': counts.both, 'only_a': counts.only_a, 'only_b': counts.only_b,
            'neither': counts.neither,
            'rate_a': self.rate_a, 'ci95_a': list(wilson_interval(a, counts.pairs)),
            'rate_b': self.rate_b, 'ci95_b': list(wilson_interval(b, counts.pairs)),
            'difference': counts.difference, 'ci95': list(difference_interval(counts)),
            'mcnemar_p': mcnemar_p(counts), 'mcnemar_mid_p': mcnemar_mid_p(counts),
            'alpha': self.alpha, 'verdict': self.verdict.value,
            'more_pairs': self.more if self.verdict is Verdict.UNDECIDED else 0,
        }


def compare(
    paired: Paired, alpha: float = ALPHA, less_is_better: bool = False
) -> Comparison:
    """Compare all pairs at level `alpha`."""
    return Comparison(count_pairs(paired.a, paired.b), alpha, less_is_better)


def compare_parts(parts: Mapping[str, Paired]) -> dict[str, Comparison]:
    """Compare part by part; they share the level (Bonferroni), for all of them are read."""
    return {name: compare(part, ALPHA / len(parts)) for name, part in parts.items()}


def pair_rows(a: Sequence[Mapping], b: Sequence[Mapping]) -> Paired:
    """Match the rows (task, seed, instruction, success, perturbation) of A with those of B.

    Raises InvalidDataError when an episode is missing on one side, is there twice, or was told
    another sentence.
    """
    by_a, by_b = _index('A', a), _index('B', b)
    for name, here, there in (('A', by_a, by_b), ('B', by_b, by_a)):
        missing = sorted(there.keys() - here.keys())
        if missing:
            more = f' and {len(missing) - 1} more' if len(missing) > 1 else ''
            raise InvalidDataError(
                f'{name}: no episode {_say(missing[0])}{more}, '
                'allowed the same episodes of A and B')
    for key, row in by_a.items():
        if row['instruction'] != by_b[key]['instruction']:
            raise InvalidDataError(
                f'{_say(key)}: A was told {row["instruction"]!r}, B '
                f'{by_b[key]["instruction"]!r}, allowed the same sentence')
    keys = tuple(sorted(by_a))
    return Paired(keys, *(tuple(rows[key]['success'] for key in keys) for rows in (by_a, by_b)))


def _index(name: str, rows: Sequence[Mapping]) -> dict[PairKey, Mapping]:
    found: dict[PairKey, Mapping] = {}
    for row in rows:
        key = PairKey(row['task'], row['seed'], row.get('perturbation', ''))
        if key in found:
            raise InvalidDataError(f'{name}: episode {_say(key)} twice, allowed once')
        found[key] = row
    if not found:
        raise InvalidDataError(f'{name}: got no episode, allowed one or more')
    return found


def _say(key: PairKey) -> str:
    return ' '.join(filter(None, (key.task, str(key.seed), key.perturbation)))
