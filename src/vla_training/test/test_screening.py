"""A quick exam is worth what its order of checkpoints is worth."""

from pathlib import Path

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from vla_core.errors import InvalidDataError
from vla_training.comparison_plots import draw_screening
from vla_training.screening import (
    agree,
    mean_maximum_rank_violation,
    MEASURES,
    pearson,
    ranks,
    Screened,
    spearman,
)

RATES = arrays(np.int64, 6, elements=st.integers(0, 50), unique=True).map(lambda a: a / 50)


@pytest.mark.parametrize(('quick', 'full', 'violation'), [
    ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6], 0.0),  # the same order, other rates
    ([0.1, 0.3, 0.2], [0.4, 0.5, 0.9], (0.0 + 0.4 + 0.4) / 3),  # the upper two exchanged
    ([0.3, 0.2, 0.1], [0.2, 0.5, 0.9], (0.7 + 0.4 + 0.7) / 3),  # reversed
    ([0.5, 0.5], [0.2, 0.6], (0.0 + 0.4) / 2),  # a tie hides that the second is better
])
def test_violation_is_the_one_computed_by_hand(
    quick: list, full: list, violation: float
) -> None:
    assert mean_maximum_rank_violation(np.array(quick), np.array(full)) == pytest.approx(violation)


@settings(deadline=None, max_examples=50)
@given(RATES, RATES)
def test_correlations_are_scipys(a: np.ndarray, b: np.ndarray) -> None:
    assert pearson(a, b) == pytest.approx(pearsonr(a, b).statistic, abs=1e-9)
    assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(RATES)
def test_violation_is_zero_for_the_order_itself_and_worst_for_its_reverse(a: np.ndarray) -> None:
    assert mean_maximum_rank_violation(2 * a - 1, a) == 0
    reverse = mean_maximum_rank_violation(-a, a)
    farthest = np.abs(a[:, None] - a).max(1).mean()
    assert reverse == pytest.approx(farthest)


def test_equal_rates_have_no_correlation() -> None:
    assert np.isnan(pearson(np.full(3, 0.5), np.array([0.1, 0.2, 0.3])))


def _exams(rates: list[float], episodes: int) -> list[np.ndarray]:
    return [np.arange(episodes) < rate * episodes for rate in rates]


def test_intervals_hold_the_value_and_shrink_with_more_episodes() -> None:
    rates = [0.1, 0.3, 0.5, 0.7, 0.9]
    few, many = (agree(pearson, _exams(rates, n), _exams(rates, n)) for n in (10, 1000))
    assert few.low <= few.value <= few.high and many.value == pytest.approx(1.0)
    assert many.high - many.low < few.high - few.low


def test_same_seed_draws_the_same_interval() -> None:
    quick, full = _exams([0.2, 0.4, 0.9], 9), _exams([0.3, 0.2, 0.8], 40)
    for measure in MEASURES.values():
        assert agree(measure, quick, full) == agree(measure, quick, full)
    assert agree(spearman, [1.0, 2.0, 3.0], full).value == 0.5


def test_exams_of_unequal_length_and_single_checkpoints_are_refused() -> None:
    with pytest.raises(InvalidDataError, match=r'quick exams hold \[3, 4\] episodes'):
        agree(pearson, [np.ones(3), np.ones(4)], _exams([0.1, 0.2], 10))
    with pytest.raises(InvalidDataError, match='got 1 and 1 checkpoints'):
        agree(pearson, [np.ones(3)], [np.ones(3)])


def test_ranks_begin_with_the_best_and_ties_share() -> None:
    assert ranks(np.array([0.2, 0.9, 0.2, 0.5])).tolist() == [3, 1, 3, 2]


def test_screening_is_drawn_with_and_without_losses(tmp_path: Path) -> None:
    quick, full = _exams([0.2, 0.4], 9), _exams([0.3, 0.5], 40)
    figures = {name: agree(measure, quick, full) for name, measure in MEASURES.items()}
    widths = []
    for losses in ([None, None], [0.3, 0.2]):
        checkpoints = [Screened(f'at_{i}', *parts) for i, parts in enumerate(
            zip(quick, full, losses, strict=True))]
        draw_screening(tmp_path / 'plot.png', checkpoints, figures, figures, 'loss')
        widths.append(cv2.imread(str(tmp_path / 'plot.png')).shape[1])
    assert widths[1] > 1.5 * widths[0]  # the loss has a panel of its own
