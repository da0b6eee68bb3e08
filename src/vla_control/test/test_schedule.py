"""Control ticks lie on an even grid of the robot's clock, however unevenly messages arrive."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from vla_control.schedule import TickSchedule

PERIOD, LEAD = 8_333_333, 40_000_000
S = PERIOD * 1e-9


def test_no_tick_before_the_first_joint_state() -> None:
    assert TickSchedule(PERIOD, LEAD).due(1.0, moving=False) == []


@given(st.lists(st.floats(0.0, 0.02), min_size=5, max_size=60))
def test_ticks_are_one_period_apart_under_jitter(late: list[float]) -> None:
    schedule = TickSchedule(PERIOD, LEAD)
    ticks = []
    arrivals = sorted((k * S + delay, k * PERIOD) for k, delay in enumerate(late))
    for steady_s, stamp_ns in arrivals:
        schedule.on_joint_state(stamp_ns, steady_s)
        ticks += schedule.due(steady_s, moving=True)
    assert all(b - a == PERIOD for a, b in pairwise(ticks))


def test_ticks_keep_pace_with_a_slow_simulation() -> None:
    schedule, ticks = TickSchedule(PERIOD, LEAD), []
    for k in range(100):  # four times slower than real time
        schedule.on_joint_state(k * PERIOD, k * 4 * S)
        for quarter in range(4):
            ticks += schedule.due(k * 4 * S + quarter * S, moving=True)
    assert 99 <= len(ticks) <= 105


def test_ticks_go_on_when_joint_states_stop() -> None:
    schedule = TickSchedule(PERIOD, LEAD)
    schedule.on_joint_state(0, 0.0)
    ticks = [tick for k in range(61) for tick in schedule.due(k * S + 1e-4, moving=True)]
    assert len(ticks) == 61


def test_a_moving_arm_never_sees_time_go_back() -> None:
    schedule = TickSchedule(PERIOD, LEAD)
    schedule.on_joint_state(0, 0.0)
    before = [tick for k in range(30) for tick in schedule.due(k * S, moving=True)]
    schedule.on_joint_state(PERIOD, 30 * S)
    assert schedule.due(30 * S, moving=True) == []
    assert schedule.due(30 * S, moving=False)[0] < before[-1]


def test_a_short_gap_is_caught_up_with() -> None:
    schedule = TickSchedule(PERIOD, LEAD)
    schedule.on_joint_state(0, 0.0)
    first = schedule.due(0.0, moving=True)
    rest = schedule.due(10 * S + 1e-4, moving=True)
    assert len(rest) == 10
    assert all(b - a == PERIOD for a, b in pairwise(first + rest))


def test_a_long_gap_is_skipped_not_chased() -> None:
    schedule = TickSchedule(PERIOD, LEAD)
    schedule.on_joint_state(0, 0.0)
    schedule.due(0.0, moving=True)
    schedule.on_joint_state(1_000_000_000, 1.0)
    assert schedule.due(1.0, moving=True) == [1_000_000_000 + LEAD]
