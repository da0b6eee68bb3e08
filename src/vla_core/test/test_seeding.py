"""Randomness and step counts depend on the episode alone, not on clocks or processes."""

from hypothesis import given
from hypothesis import strategies as st
from vla_core.seeding import episode_rng, policy_step

NS = 1_000_000_000


@given(st.integers(0, 10**18), st.integers(0, 10_000), st.integers(1, 50))
def test_a_clock_offset_changes_no_step(offset_ns: int, step: int, hz: int) -> None:
    assert policy_step(offset_ns + step * NS // hz, offset_ns, hz) == step


def test_same_episode_and_step_draw_the_same() -> None:
    assert episode_rng('a-1', 3).random() == episode_rng('a-1', 3).random()
    assert episode_rng('a-1', 3).random() != episode_rng('a-1', 4).random()
    assert episode_rng('a-1', 3).random() != episode_rng('a-2', 3).random()
