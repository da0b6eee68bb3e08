"""What an operator may say at each stage, and that no episode is counted twice or lost."""

from hypothesis import given
from hypothesis import strategies as st
import pytest
from vla_bringup.recording_session import Act, Deed, RecordingSession, Stage
from vla_control.teleop.signals import OPERATING

WORDS = st.lists(st.sampled_from(OPERATING), max_size=40)


def after(*words: str, kept: int = 0, wanted: int = 3) -> RecordingSession:
    session = RecordingSession(kept, wanted)
    for word in words:
        assert isinstance(session.hear(word), Act), word
    return session


def test_start_stop_and_a_verdict_keep_an_episode() -> None:
    session = after('start', 'stop')
    assert session.stage is Stage.REVIEW
    assert session.hear('failure') == Act(Deed.KEEP, False)
    assert (session.kept, session.stage) == (1, Stage.READY)


def test_a_verdict_while_recording_ends_and_keeps_at_once() -> None:
    assert after('start').hear('success') == Act(Deed.KEEP, True)


def test_one_button_starts_stops_and_keeps() -> None:
    session = after('start', 'start')
    assert session.stage is Stage.REVIEW
    assert session.hear('start') == Act(Deed.KEEP, None)


def test_redo_begins_again_and_discard_waits() -> None:
    assert after('start', 'stop', 'redo').stage is Stage.RECORDING
    assert after('start', 'discard').stage is Stage.READY
    assert after('start', 'redo').kept == 0


def test_the_simulators_verdict_ends_the_episode_and_stands_until_a_person_differs() -> None:
    session = after('start')
    assert session.judge(True) == Act(Deed.FREEZE)
    assert session.judge(False) is None
    assert session.hear('keep') == Act(Deed.KEEP, True)
    session = after('start')
    session.judge(True)
    assert session.hear('failure') == Act(Deed.KEEP, False)


def test_a_word_out_of_place_changes_nothing_and_says_what_is_allowed() -> None:
    session = after('start')
    assert session.hear('quit') == (
        'quit: got it while recording, allowed start, stop, success, failure, redo, discard')
    assert session.stage is Stage.RECORDING
    assert RecordingSession(3, 3).hear('start').endswith('allowed nothing more')


def test_a_session_goes_on_where_an_earlier_one_stopped() -> None:
    session = after('start', 'success', kept=2)
    assert (session.kept, session.stage) == (3, Stage.OVER)


def test_what_the_recorder_could_not_keep_does_not_count() -> None:
    session = after('start', 'success', kept=2)
    session.unkeep()
    assert (session.kept, session.stage) == (2, Stage.READY)


@given(WORDS)
def test_whatever_is_said_each_begin_has_one_end(words: list[str]) -> None:
    session, running, kept = RecordingSession(0, 3), False, 0
    for word in words:
        act = session.hear(word)
        if isinstance(act, str):
            continue
        if act.deed is Deed.BEGIN:
            assert not running
        if act.deed in (Deed.FREEZE, Deed.KEEP, Deed.DISCARD, Deed.REDO):
            assert running
        running = act.deed in (Deed.BEGIN, Deed.FREEZE, Deed.REDO)
        kept += act.deed is Deed.KEEP
        assert session.kept == kept <= 3
    assert running == (session.stage in (Stage.RECORDING, Stage.REVIEW))


@pytest.mark.parametrize('word', OPERATING)
def test_every_word_is_of_use_somewhere(word: str) -> None:
    stages = (after(), after('start'), after('start', 'stop'))
    assert any(isinstance(session.hear(word), Act) for session in stages)
