"""Pairs are the same episodes, and a verdict needs a test, not a difference."""

from pathlib import Path

import cv2
import pytest
from vla_core.errors import InvalidDataError
from vla_training.comparison import (
    compare,
    compare_parts,
    Comparison,
    pair_rows,
    Paired,
    PairKey,
    Verdict,
)
from vla_training.comparison_plots import draw_forest
from vla_training.statistics import PairedCounts


def _rows(outcomes: str, task: str = 'lift', seed: int = 0) -> list[dict]:
    """Return a row for each letter: y succeeded, n did not."""
    return [{'task': task, 'seed': seed + i, 'instruction': f'{task} it', 'success': c == 'y'}
            for i, c in enumerate(outcomes)]


def test_rows_are_paired_by_task_and_seed_in_any_order() -> None:
    paired = pair_rows(_rows('yyn'), list(reversed(_rows('yny'))))
    assert paired.keys == (PairKey('lift', 0), PairKey('lift', 1), PairKey('lift', 2))
    assert compare(paired).counts == PairedCounts(1, 1, 1, 0)


@pytest.mark.parametrize(('a', 'b', 'words'), [
    (_rows('yy'), _rows('yyyy'), 'A: no episode lift 2 and 1 more'),
    (_rows('yy'), _rows('y'), 'B: no episode lift 1,'),
    (_rows('y') * 2, _rows('y'), 'A: episode lift 0 twice'),
    ([], _rows('y'), 'A: got no episode'),
    (_rows('y'), [{**_rows('y')[0], 'instruction': 'raise it'}], "B 'raise it'"),
])
def test_what_cannot_be_paired_is_refused(a: list, b: list, words: str) -> None:
    with pytest.raises(InvalidDataError, match=words):
        pair_rows(a, b)


def test_six_wins_of_six_decide_and_five_do_not() -> None:
    six, five = (compare(pair_rows(_rows('y' * n), _rows('n' * n))) for n in (6, 5))
    assert six.verdict is Verdict.A and six.say() == 'A better'
    assert six.to_dict()['more_pairs'] == 0
    assert five.say() == 'undecided: 1 more episode would decide at 80 % power'
    assert compare(pair_rows(_rows('nnnnnn'), _rows('yyyyyy'))).verdict is Verdict.B


def test_no_number_decides_equal_rates() -> None:
    tie = compare(pair_rows(_rows('yn'), _rows('ny')))
    assert tie.more is None and 'no number decides a difference of 0' in tie.say()


def test_the_more_tasks_the_harder_a_verdict_on_one() -> None:
    wins = _rows('y' * 6) + _rows('y' * 6, 'press')
    losses = _rows('n' * 6) + _rows('n' * 6, 'press')
    paired = pair_rows(wins, losses)
    by_task = compare_parts({task: paired.where(task) for task in paired.tasks})
    assert {name: row.verdict for name, row in by_task.items()} == {
        'lift': Verdict.UNDECIDED, 'press': Verdict.UNDECIDED}  # 0.031 is no less than 0.05 / 2
    assert compare(paired).verdict is Verdict.A


def test_document_holds_both_rates_and_what_they_share() -> None:
    document = compare(pair_rows(_rows('yyyn'), _rows('yynn'))).to_dict()
    assert (document['rate_a'], document['rate_b'], document['difference']) == (0.75, 0.5, 0.25)
    assert (document['both'], document['only_a'], document['only_b'], document['neither']) == (
        2, 1, 0, 1)
    assert document['ci95'][0] < 0.25 < document['ci95'][1]


def test_forest_is_drawn_for_every_verdict(tmp_path: Path) -> None:
    rows = {'lift': Comparison(PairedCounts(5, 9, 0, 1), 0.05),
            'press': Comparison(PairedCounts(1, 0, 9, 0), 0.05),
            'all': Comparison(PairedCounts(6, 9, 9, 1), 0.05)}
    draw_forest(tmp_path / 'new' / 'forest.png', rows, 'default', 'expert', 'bowl')
    drawn = cv2.imread(str(tmp_path / 'new' / 'forest.png'))
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['forest.png']
    colours = {tuple(int(v) for v in pixel) for pixel in drawn.reshape(-1, 3)}
    assert {(180, 111, 31), (27, 100, 200), (122, 122, 122)} <= colours  # A, B, neither; BGR


def test_tasks_and_perturbations_are_told_apart() -> None:
    keys = (PairKey('a', 0), PairKey('a', 0, 'light'), PairKey('b', 0))
    paired = Paired(keys, (True, False, True), (False, False, True))
    assert paired.tasks == ('a', 'b') and paired.perturbations == ('light',)
    assert paired.where('a') == Paired(keys[:2], (True, False), (False, False))
    assert paired.where(perturbation='') == Paired((keys[0], keys[2]), (True, True), (False, True))
    assert paired.where('a', 'light').keys == (keys[1],)


def test_who_needs_less_help_is_better() -> None:
    helped = pair_rows(_rows('y' * 6), _rows('n' * 6))
    assert compare(helped, less_is_better=True).verdict is Verdict.B
