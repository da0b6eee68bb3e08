"""When an observation is made, and which episode it belongs to."""

from itertools import pairwise

from vla_core.types import Tick
from vla_perception.trigger import EpisodeClock, FrameTrigger, TickTrigger

STEP_NS = 83_333_333
STEP_S = STEP_NS * 1e-9


def test_frame_is_observed_at_once_when_nothing_is_missing() -> None:
    trigger = FrameTrigger(STEP_S)
    trigger.on_frame(5, 0.0)
    assert trigger.take((), 0.0) == 5
    assert trigger.take((), 0.0) is None


def test_missing_streams_are_waited_for_but_not_for_ever() -> None:
    trigger = FrameTrigger(STEP_S, patience_s=0.02)
    trigger.on_frame(5, 1.0)
    assert trigger.take(('wrist',), 1.01) is None
    assert trigger.take(('wrist',), 1.03) == 5


def test_a_faster_camera_is_observed_near_the_policys_rate() -> None:
    trigger, seen = FrameTrigger(STEP_S), []
    for k in range(50):
        trigger.on_frame(k * 33_333_333, k / 30)  # 30 Hz
        seen.append(trigger.take((), k / 30))
    stamps = [stamp for stamp in seen if stamp is not None]
    assert all(b - a >= 0.75 * STEP_NS for a, b in pairwise(stamps))
    assert len(stamps) == 25  # 15 Hz: every second frame is nearer to 12 Hz than every third


def test_a_clock_set_back_is_followed() -> None:
    trigger = FrameTrigger(STEP_S)
    trigger.on_frame(10 * STEP_NS, 0.0)
    trigger.take((), 0.0)
    trigger.on_frame(0, 1.0)
    assert trigger.take((), 1.0) == 0


def test_lockstep_waits_for_every_stream_of_the_tick() -> None:
    trigger = TickTrigger()
    trigger.on_tick(Tick(7, 0, 'e', observe=False))
    assert trigger.pending_ns() is None
    trigger.on_tick(Tick(9, 1, 'e', observe=True))
    assert trigger.take(('tf',), 99.0) is None
    assert trigger.take((), 99.0) == 9


def test_lockstep_waits_for_as_many_messages_as_a_tick_counts() -> None:
    trigger = TickTrigger()
    trigger.on_message()
    trigger.on_tick(Tick(9, 0, 'e', observe=True, messages=2))
    assert trigger.take((), 0.0) is None
    trigger.on_message()
    assert trigger.take(('static',), 0.0) == 9  # unsynchronised: no frame of this very stamp


def test_an_instant_belongs_to_the_episode_that_was_on() -> None:
    episodes = EpisodeClock()
    assert episodes.at(0) == ''
    episodes.on_tick(Tick(10, 0, 'a', observe=True))
    episodes.on_tick(Tick(20, 0, 'b', observe=True))
    assert (episodes.at(9), episodes.at(15), episodes.at(20)) == ('', 'a', 'b')
