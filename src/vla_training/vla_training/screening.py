"""Does a quick exam rank checkpoints as the full one does?

After SIMPLER (Li et al. 2024, arXiv:2405.05941), which asks the same of simulation and real
arms. Two measures: Pearson's r, and the mean maximum rank violation (MMRV), which weighs a
wrong order by how much worse the wrongly preferred checkpoint really is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata
from vla_core.errors import InvalidDataError

_STREAM = 2405  # of the bootstrap
_DRAWS = 2000


@dataclass(frozen=True)
class Agreement:
    """One measure with its 95 % bootstrap interval; NaN where it is not defined."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict:
        """Return the fields of the JSON document, None for NaN."""
        return {'value': _or_none(self.value), 'ci95': [_or_none(self.low), _or_none(self.high)]}


@dataclass(frozen=True)
class Screened:
    """One checkpoint: what became of its exams."""

    name: str
    quick: np.ndarray  # (N,) bool
    full: np.ndarray  # (M,) bool, empty without a full exam
    loss: float | None  # None where unknown


Measure = Callable[[np.ndarray, np.ndarray], float]  # (C,) scores, (C,) truth -> number


def pearson(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return Pearson's r of two (C,) arrays; NaN when one of them does not vary."""
    a, b = scores - np.mean(scores), truth - np.mean(truth)
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 1e-12 else float('nan')


def spearman(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return Spearman's rank correlation of two (C,) arrays, ties sharing their mean rank."""
    return pearson(rankdata(scores), rankdata(truth))


def mean_maximum_rank_violation(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return MMRV of (C,) scores against the (C,) true success rates 0..1; 0 is best.

    Mean over i of max over j of |truth_i - truth_j| where the scores order i and j otherwise
    than the truth does.
    """
    wrong = (scores[:, None] > scores) != (truth[:, None] > truth)
    return float(np.mean(np.max(wrong * np.abs(truth[:, None] - truth), axis=1)))


MEASURES: dict[str, Measure] = {
    'pearson_r': pearson, 'spearman_rho': spearman, 'mmrv': mean_maximum_rank_violation}
SPOKEN = {'pearson_r': "Pearson's r", 'spearman_rho': "Spearman's rho", 'mmrv': 'MMRV'}


def agree(
    measure: Measure, quick: Sequence[np.ndarray | float], full: Sequence[np.ndarray],
    seed: int = 0,
) -> Agreement:
    """Return how well the order of C checkpoints agrees with that of their full exams.

    `full[c]` is (M,) bool; `quick[c]` is (N,) bool, or a score such as minus the loss. The
    bootstrap draws the episodes of each exam again, the same for all checkpoints because they
    share their scenes; the checkpoints stay: the interval is about luck in these exams, not
    about other models. Drawing again can only blur an order, so the interval is widened to hold
    the value itself.
    """
    if len(quick) != len(full) or len(full) < 2:
        raise InvalidDataError(
            f'screening: got {len(quick)} and {len(full)} checkpoints, allowed equally many, '
            '2 or more')
    a, b = _matrix('quick', [np.atleast_1d(row) for row in quick]), _matrix('full', full)
    rng = np.random.default_rng([seed, _STREAM])
    drawn = [measure(_redrawn(a, rng), _redrawn(b, rng)) for _ in range(_DRAWS)]
    return _interval(measure(a.mean(1), b.mean(1)), drawn)


def ranks(rates: np.ndarray) -> np.ndarray:
    """Return (C,) int64 ranks, 1 for the best; ties share the better rank."""
    return rankdata(-rates, method='min').astype(np.int64)


def _matrix(name: str, outcomes: Sequence[np.ndarray]) -> np.ndarray:
    """Return (C, N) float64 of outcomes that must be equally many."""
    counts = {len(row) for row in outcomes}
    if len(counts) > 1 or counts == {0}:
        raise InvalidDataError(
            f'screening: the {name} exams hold {sorted(counts)} episodes, allowed equally many')
    return np.array(outcomes, dtype=np.float64)


def _redrawn(outcomes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    episodes = outcomes.shape[1]
    return outcomes[:, rng.integers(episodes, size=episodes)].mean(1)


def _interval(value: float, drawn: Sequence[float]) -> Agreement:
    known = np.array(drawn)[~np.isnan(drawn)]
    if not len(known):
        return Agreement(value, float('nan'), float('nan'))
    low, high = np.quantile(known, (0.025, 0.975))
    return Agreement(value, float(min(low, value)), float(max(high, value)))


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value
