"""The statistics of pairs agree with the literature and with counting every possible exam."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from scipy.stats import binomtest, multinomial
from vla_core.errors import InvalidDataError
from vla_training.statistics import (
    count_pairs,
    difference_interval,
    mcnemar_mid_p,
    mcnemar_p,
    mcnemar_power,
    PairedCounts,
    pairs_needed,
    wilson_interval,
)

# Complete response before and after consolidation therapy (Cavo et al. 2012) and airway
# reactivity before and after transplantation (Bentur et al. 2009), with the results that
# Fagerland, Lydersen and Laake give (Statistical Analysis of Contingency Tables, chapter 8).
CAVO = PairedCounts(59, 6, 16, 80)
BENTUR = PairedCounts(1, 1, 7, 12)
COUNTS = st.builds(PairedCounts, *[st.integers(0, 60)] * 4)


def test_cavos_and_benturs_tables_give_the_published_results() -> None:
    assert mcnemar_p(CAVO) == pytest.approx(0.052479, abs=1e-6)
    assert mcnemar_mid_p(CAVO) == pytest.approx(0.034690, abs=1e-6)
    assert difference_interval(CAVO) == pytest.approx((-0.1240, -0.0054), abs=5e-5)
    assert mcnemar_p(BENTUR) == pytest.approx(0.0703, abs=5e-5)
    assert mcnemar_mid_p(BENTUR) == pytest.approx(0.0391, abs=5e-5)
    assert difference_interval(BENTUR) == pytest.approx((-0.517, -0.026), abs=5e-4)


@settings(deadline=None, max_examples=50)
@given(COUNTS)
def test_exact_p_is_the_binomial_tests(counts: PairedCounts) -> None:
    if counts.discordant:
        exact = binomtest(counts.only_a, counts.discordant).pvalue
        assert mcnemar_p(counts) == pytest.approx(exact)
    else:
        assert mcnemar_p(counts) == mcnemar_mid_p(counts) == 1.0


@settings(deadline=None, max_examples=50)
@given(COUNTS)
def test_who_is_called_a_changes_nothing_but_the_sign(counts: PairedCounts) -> None:
    low, high = difference_interval(counts)
    assert difference_interval(counts.swapped) == pytest.approx((-high, -low), abs=1e-9)
    assert mcnemar_p(counts.swapped) == mcnemar_p(counts)
    assert mcnemar_mid_p(counts.swapped) == mcnemar_mid_p(counts)
    assert counts.swapped.difference == -counts.difference


@settings(deadline=None, max_examples=50)
@given(COUNTS)
def test_interval_holds_the_estimate_and_mid_p_is_the_smaller(counts: PairedCounts) -> None:
    low, high = difference_interval(counts)
    assert -1 <= low <= counts.difference <= high <= 1
    assert low < high
    assert 0 < mcnemar_mid_p(counts) <= mcnemar_p(counts) <= 1


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 100))
def test_without_disagreement_the_interval_is_wilsons_on_none(pairs: int) -> None:
    _, high = wilson_interval(0, pairs)
    assert difference_interval(PairedCounts(pairs, 0, 0, 0)) == pytest.approx((-high, high))


def test_nothing_is_known_without_a_pair() -> None:
    nothing = PairedCounts(0, 0, 0, 0)
    assert difference_interval(nothing) == (-1.0, 1.0)
    assert nothing.difference == 0.0 and pairs_needed(nothing) is None


def _chance(a: int, b: int, pairs: int, share_a: float, share_b: float) -> float:
    shares = [share_a, share_b, 1.0 - share_a - share_b]
    return multinomial.pmf([a, b, pairs - a - b], pairs, shares)


@pytest.mark.parametrize(('share_a', 'share_b'), [
    (0.05, 0.05), (0.2, 0.05), (0.3, 0.3), (0.5, 0.1), (0.02, 0.02)])
def test_interval_covers_the_truth_in_95_percent_of_all_exams(
    share_a: float, share_b: float
) -> None:
    pairs, truth = 24, share_a - share_b
    exams = [(a, b) for a, b in product(range(pairs + 1), repeat=2) if a + b <= pairs]
    covered = 0.0
    for a, b in exams:
        low, high = difference_interval(PairedCounts(0, a, b, pairs - a - b))
        if low <= truth <= high:
            covered += _chance(a, b, pairs, share_a, share_b)
    assert 0.93 < covered < 0.999  # conservative where hardly a pair disagrees


@pytest.mark.parametrize('shares', [(0.3, 0.1), (0.05, 0.0), (0.5, 0.5), (0.4, 0.2)])
def test_power_is_that_of_counting_all_exams(shares: tuple[float, float]) -> None:
    pairs, (share_a, share_b) = 18, shares
    decided = sum(
        _chance(a, b, pairs, share_a, share_b)
        for a, b in product(range(pairs + 1), repeat=2)
        if a + b <= pairs and mcnemar_p(PairedCounts(0, a, b, pairs - a - b)) <= 0.05)
    assert mcnemar_power(pairs, share_a, share_b) == pytest.approx(decided, abs=1e-8)


def test_connors_example_needs_23_pairs_and_the_exact_test_a_few_more() -> None:
    needed = pairs_needed(PairedCounts(20, 45, 5, 30))
    assert 23 <= needed <= 27
    assert mcnemar_power(needed, 0.45, 0.05) >= 0.8


@settings(deadline=None, max_examples=50)
@given(COUNTS)
def test_pairs_needed_have_the_power_and_no_number_decides_a_tie(counts: PairedCounts) -> None:
    needed = pairs_needed(counts)
    assert needed == pairs_needed(counts.swapped)
    if counts.only_a == counts.only_b:
        assert needed is None
    elif needed < 2000:
        shares = counts.only_a / counts.pairs, counts.only_b / counts.pairs
        assert mcnemar_power(needed, *shares) >= 0.8


def test_pairs_of_unequal_length_are_refused() -> None:
    assert count_pairs([True, True, False, False], [True, False, True, False]) == PairedCounts(
        1, 1, 1, 1)
    with pytest.raises(InvalidDataError, match='got 2 and 1 outcomes'):
        count_pairs([True, False], [True])
