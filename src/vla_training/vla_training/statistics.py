"""How sure a success rate is, and how sure it is that one is better than another.

A pair is one episode (same scene, same sentence) done by A and by B. Only the pairs in which
they disagree say who is better; who ignores the pairing throws that away and needs several
times the episodes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom, norm
from vla_core.errors import InvalidDataError

Z_95 = 1.959963984540054  # 97.5 % quantile of the normal distribution
_EXACT_UP_TO = 20_000  # pairs; from there on Connor's number and the exact one are the same


def wilson_interval(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Return the 95 % interval of a success rate (Wilson 1927); (0, 1) without a trial."""
    if trials == 0:
        return 0.0, 1.0
    rate = successes / trials
    scale = 1.0 + z * z / trials
    centre = (rate + z * z / (2 * trials)) / scale
    half = z * math.sqrt(rate * (1.0 - rate) / trials + z * z / (4 * trials * trials)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True)
class PairedCounts:
    """How often A and B succeeded on the same episodes."""

    both: int
    only_a: int
    only_b: int
    neither: int

    @property
    def pairs(self) -> int:
        """All episodes."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def discordant(self) -> int:
        """Episodes in which just one of them succeeded."""
        return self.only_a + self.only_b

    @property
    def difference(self) -> float:
        """Rate of A minus rate of B, -1..1; 0 without a pair."""
        return (self.only_a - self.only_b) / self.pairs if self.pairs else 0.0

    @property
    def swapped(self) -> 'PairedCounts':
        """The same with A and B exchanged."""
        return PairedCounts(self.both, self.only_b, self.only_a, self.neither)


def count_pairs(a: Sequence[bool], b: Sequence[bool]) -> PairedCounts:
    """Count the outcomes of A and B, which are in the same order.

    Raises InvalidDataError for sequences of different lengths.
    """
    if len(a) != len(b):
        raise InvalidDataError(f'pairs: got {len(a)} and {len(b)} outcomes, allowed equally many')
    pairs = [(bool(x), bool(y)) for x, y in zip(a, b, strict=True)]
    return PairedCounts(*(pairs.count(kind) for kind in (
        (True, True), (True, False), (False, True), (False, False))))


def mcnemar_p(counts: PairedCounts) -> float:
    """Return the two-sided p of McNemar's exact test; 1 without a discordant pair.

    Given their number, discordant pairs fall to A or B like a fair coin when neither is better
    (McNemar 1947; the binomial form is Mosteller's, 1952).
    """
    fewer = min(counts.only_a, counts.only_b)
    return min(1.0, 2.0 * float(binom.cdf(fewer, counts.discordant, 0.5)))


def mcnemar_mid_p(counts: PairedCounts) -> float:
    """Return the two-sided mid-p, less conservative (Fagerland et al. 2013, BMC MRM 13:91)."""
    if not counts.discordant:
        return 1.0
    fewer = min(counts.only_a, counts.only_b)
    here = float(binom.pmf(fewer, counts.discordant, 0.5))
    tie = counts.only_a == counts.only_b  # both tails hold the middle
    return 1.0 - 0.5 * here if tie else mcnemar_p(counts) - here


def difference_interval(counts: PairedCounts, z: float = Z_95) -> tuple[float, float]:
    """Return the 95 % interval of the difference of paired rates, A minus B, within -1..1.

    Tango's score interval (1998, Statistics in Medicine 17:891): all differences that the data
    do not contradict. It covers well with few pairs and with none discordant, where Wald's
    interval is a point. (-1, 1) without a pair.
    """
    if not counts.pairs:
        return -1.0, 1.0
    return -_upper_difference(counts.swapped, z), _upper_difference(counts, z)


def _upper_difference(counts: PairedCounts, z: float) -> float:
    if counts.difference == 1.0:
        return 1.0
    return float(brentq(
        lambda difference: _score(counts, difference) + z, counts.difference, 1.0))


def _score(counts: PairedCounts, difference: float) -> float:
    """Return Tango's statistic: how far the data lie above `difference`, in deviations."""
    n, a, b = counts.pairs, counts.only_a, counts.only_b
    linear = (2 * n - a + b) * difference - a - b
    constant = -b * difference * (1.0 - difference)
    root = math.sqrt(max(0.0, linear * linear - 8 * n * constant))
    share_b = (root - linear) / (4 * n)  # most likely share of `only_b` under `difference`
    variance = n * (2.0 * share_b + difference * (1.0 - difference))
    return (a - b - n * difference) / math.sqrt(max(variance, 1e-12))


def mcnemar_power(pairs: int, share_a: float, share_b: float, alpha: float = 0.05) -> float:
    """Return how often the exact test at level `alpha` decides, 0..1.

    `share_a` and `share_b` are the shares of pairs that only A and only B win. Sums over the
    number of discordant pairs (Duffy 1984, Biometrics 40:1005).
    """
    discordant = share_a + share_b
    low, high = binom.ppf((1e-9, 1.0 - 1e-9), pairs, discordant)
    m = np.arange(low, high + 1)  # (M,) float64 numbers of discordant pairs
    critical = binom.ppf(alpha / 2, m, 0.5)  # the most that the loser may win, or one above it
    critical -= 2.0 * binom.cdf(critical, m, 0.5) > alpha
    odds = share_a / discordant
    decided = binom.cdf(critical, m, odds) + binom.cdf(critical, m, 1.0 - odds)
    return float(binom.pmf(m, pairs, discordant) @ decided)


def pairs_needed(
    counts: PairedCounts, power: float = 0.8, alpha: float = 0.05
) -> int | None:
    """Return how many pairs decide, if the true shares are the observed ones.

    The start is Connor's formula (1987, Biometrics 43:207) for the asymptotic test; the exact
    test wants a few more, which are counted by its own power. None for a difference of 0: no
    number decides it.
    """
    if counts.only_a == counts.only_b:
        return None
    share_a, share_b = counts.only_a / counts.pairs, counts.only_b / counts.pairs
    pairs = _connor(share_a, share_b, power, alpha)
    while pairs < _EXACT_UP_TO and mcnemar_power(pairs, share_a, share_b, alpha) < power:
        pairs += max(1, pairs // 100)
    return pairs


def _connor(share_a: float, share_b: float, power: float, alpha: float) -> int:
    discordant, difference = share_a + share_b, share_a - share_b
    wide = float(norm.ppf(1.0 - alpha / 2)) * math.sqrt(discordant)
    narrow = float(norm.ppf(power)) * math.sqrt(max(0.0, discordant - difference * difference))
    return math.ceil(((wide + narrow) / difference) ** 2)
