"""Laws of carrying out one instruction."""

from collections.abc import Sequence
from dataclasses import replace
import math

import numpy as np
import pytest
from vla_core.errors import VlaError
from vla_core.types import ActionChunk, Done, Observation, Representation, Subtask
from vla_planner.session import ExecuteSession, Silence

SECOND = 1_000_000_000


class FakePlanner:
    """Says what it is told to say and keeps what it hears."""

    def __init__(self) -> None:
        self.word: Subtask | Done = Subtask('a', 'e', 'i', 'open the drawer', ttl_s=2.0)
        self.heard: list[ActionChunk] = []
        self.resets = 0

    def next(
        self, observation: Observation, instruction: str, history: Sequence[ActionChunk]
    ) -> Subtask | Done:
        """Return the word put in its mouth."""
        self.heard = list(history)
        return self.word

    def reset(self) -> None:
        """Count the call."""
        self.resets += 1


def seen(stamp_ns: int, episode_id: str = 'e') -> Observation:
    """Return an observation; only its stamp and episode matter here."""
    return Observation(stamp_ns, episode_id, {}, np.zeros(7), np.zeros(7), np.zeros(7), 1.0)


def chunk(stamp_ns: int, progress: float = 0.5, subtask_id: str = 'a') -> ActionChunk:
    """Return an answer of the policy."""
    return ActionChunk(stamp_ns, 0, 'e', subtask_id, 'fake', Representation.EE_DELTA, 0.1,
                       np.zeros((1, 7), np.float32), progress)


def test_a_session_begins_with_a_reset_planner() -> None:
    planner = FakePlanner()
    ExecuteSession(planner, 'i')
    assert planner.resets == 1


def test_answers_to_earlier_times_are_not_heard() -> None:
    planner = FakePlanner()
    session = ExecuteSession(planner, 'i')
    session.on_chunk(chunk(5))
    session.on_observation(seen(10))
    session.on_chunk(chunk(9))
    session.on_chunk(chunk(10))
    session.on_observation(seen(11))
    assert [heard.stamp_ns for heard in planner.heard] == [10]


def test_progress_is_that_of_the_current_subtask() -> None:
    planner = FakePlanner()
    session = ExecuteSession(planner, 'i')
    session.on_observation(seen(0))
    session.on_chunk(chunk(0, 0.7))
    session.on_chunk(chunk(1, 0.9, subtask_id='other'))
    assert session.progress == 0.7
    planner.word = replace(planner.word, subtask_id='b')
    session.on_observation(seen(2))
    assert session.progress == 0.0


def test_the_limit_counts_from_the_first_observation() -> None:
    session = ExecuteSession(FakePlanner(), 'i', timeout_s=2.0)
    assert isinstance(session.on_observation(seen(7 * SECOND)), Subtask)
    assert isinstance(session.on_observation(seen(9 * SECOND - 1)), Subtask)
    assert session.on_observation(seen(9 * SECOND)) == Done(False, 'not done within 2 s')


def test_a_new_episode_begins_afresh() -> None:
    planner = FakePlanner()
    session = ExecuteSession(planner, 'i', timeout_s=2.0)
    session.on_observation(seen(0))
    session.on_chunk(chunk(0))
    assert isinstance(session.on_observation(seen(5 * SECOND, 'f')), Subtask)
    assert planner.heard == []


def test_rest_ends_the_last_subtask_at_once() -> None:
    session = ExecuteSession(FakePlanner(), 'i')
    assert session.rest() is None
    session.on_observation(seen(0))
    rest = session.rest()
    assert (rest.subtask_id, rest.ttl_s) == ('a', 0.0)


def test_the_end_fits_its_message() -> None:
    planner = FakePlanner()
    planner.word = Done(True, 'x' * 1000)
    assert len(ExecuteSession(planner, 'i').on_observation(seen(0)).message) == 512


@pytest.mark.parametrize('timeout_s', [-1.0, math.nan, math.inf])
def test_unfit_limits_are_refused(timeout_s: float) -> None:
    with pytest.raises(VlaError, match='timeout_s'):
        ExecuteSession(FakePlanner(), 'i', timeout_s)


def test_only_silent_topics_are_named() -> None:
    silence = Silence(('observation', 'action_chunk'))
    silence.begin(100.0)
    assert silence.topics(102.0, 2.0) == ()
    silence.hear('observation', 101.0)
    assert silence.topics(102.5, 2.0) == ('action_chunk',)
    assert silence.topics(104.0, 2.0) == ('observation', 'action_chunk')
