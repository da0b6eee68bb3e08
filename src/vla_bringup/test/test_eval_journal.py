"""Laws of an exam's journal: nothing is lost, nothing is mixed, what was torn is dropped."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from vla_bringup.journal import Journal
from vla_bringup.suites import Trial
from vla_core.errors import InvalidDataError

EXAM = {'suite': 'bowl', 'seed': 100_000, 'tasks': ['open_drawer'], 'timeout_s': 20.0}
OUTCOME = {'row': {'success': True, 'seconds': 0.1 + 0.2}, 'time': {'total': 1.5}}
TRIALS = [Trial('open_drawer', 100_000), Trial('open_drawer', 100_000, 'light')]


def _fill(folder: Path) -> bytes:
    with Journal(folder, EXAM) as journal:
        for trial in TRIALS:
            journal.add(trial, OUTCOME)
    return journal.path.read_bytes()


def test_a_journal_gives_back_what_was_added(tmp_path: Path) -> None:
    _fill(tmp_path)
    with Journal(tmp_path, EXAM) as journal:
        assert journal.finished == dict.fromkeys(TRIALS, OUTCOME)


@settings(max_examples=30, deadline=None)  # each waits for the disk
@given(share=st.floats(0.0, 1.0))
def test_a_journal_cut_anywhere_keeps_its_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    folder = tmp_path_factory.mktemp('cut')
    whole = _fill(folder)
    cut = whole[:round(share * len(whole))]
    (folder / 'journal.jsonl').write_bytes(cut)
    with Journal(folder, EXAM) as journal:
        kept = max(0, cut.count(b'\n') - 1)
        assert list(journal.finished) == TRIALS[:kept]
        journal.add(TRIALS[1], OUTCOME)
    with Journal(folder, EXAM) as journal:
        assert list(journal.finished) == sorted({*TRIALS[:kept], TRIALS[1]})


@pytest.mark.parametrize(('change', 'words'), [
    ({'seed': 5}, 'seed 100000 there, 5 here'),
    ({'tasks': ['open_drawer', 'press_button']}, 'tasks ["open_drawer"] there'),
    ({'suite': 'touch', 'seed': 1, 'tasks': [], 'timeout_s': 1.0}, 'and 1 more'),
    ({'head': 'flow'}, 'head null there, "flow" here'),
])
def test_another_exam_is_refused_with_what_differs(
    change: dict, words: str, tmp_path: Path
) -> None:
    whole = _fill(tmp_path)
    with pytest.raises(InvalidDataError, match='holds another exam') as refusal:
        Journal(tmp_path, {**EXAM, **change})
    assert words in str(refusal.value) and '\n' not in str(refusal.value)
    assert (tmp_path / 'journal.jsonl').read_bytes() == whole


def test_a_folder_in_which_nothing_was_finished_takes_any_exam(tmp_path: Path) -> None:
    for exam in (EXAM, {**EXAM, 'seed': 5}):
        with Journal(tmp_path, exam) as journal:
            assert journal.finished == {}
    with Journal(tmp_path, exam) as journal:
        journal.add(TRIALS[0], OUTCOME)
    with pytest.raises(InvalidDataError, match='seed 5 there, 100000 here'):
        Journal(tmp_path, EXAM)


def test_an_exam_that_is_running_is_left_alone(tmp_path: Path) -> None:
    with Journal(tmp_path, EXAM), pytest.raises(InvalidDataError, match='is running'):
        Journal(tmp_path, EXAM)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / 'thesis.tex').touch()
    with pytest.raises(InvalidDataError, match='got other files'):
        Journal(tmp_path, EXAM)
    with pytest.raises(InvalidDataError, match='got a file'):
        Journal(tmp_path / 'thesis.tex', EXAM)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']


def test_a_broken_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    whole = _fill(tmp_path)
    (tmp_path / 'journal.jsonl').write_bytes(whole.replace(b'{"trial"', b'{"tri', 1))
    with pytest.raises(InvalidDataError, match='journal.jsonl:2'):
        Journal(tmp_path, EXAM)
