"""Every sample once an epoch, whoever takes it, and none twice after a restart."""

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from vla_core.errors import InvalidDataError
from vla_recorder.loader.sampler import ShuffledSampler


@settings(max_examples=100, deadline=None)
@given(size=st.integers(20, 60), ranks=st.integers(1, 4), taken=st.integers(0, 4),
       later=st.integers(1, 4), seed=st.integers(0, 3))
def test_a_restart_goes_on_with_the_very_next_sample_on_any_number_of_ranks(
    size: int, ranks: int, taken: int, later: int, seed: int,
) -> None:
    before = [ShuffledSampler(size, seed, rank, ranks) for rank in range(ranks)]
    had = [sample for s in before for _, sample in zip(range(taken), s)]
    state = before[0].state_dict()
    assert all(s.state_dict() == state for s in before)
    after = [ShuffledSampler(size, 99, rank, later) for rank in range(later)]
    for sampler in after:
        sampler.load_state_dict(state)
    rest = [list(s) for s in after]
    assert len({len(part) for part in rest}) == 1
    everything = had + [sample for part in rest for sample in part]
    assert len(everything) == len(set(everything)) > size - later
    assert set(everything) <= set(range(size))
    assert all(s.state_dict() == {'size': size, 'seed': seed, 'epoch': 1, 'done': 0}
               for s in after)


def test_one_rank_goes_on_as_if_nothing_had_happened() -> None:
    whole, stopped, again = (ShuffledSampler(50, 3) for _ in range(3))
    had = [sample for _, sample in zip(range(20), stopped)]
    again.load_state_dict(stopped.state_dict())
    assert len(again) == 30
    assert had + list(again) == list(whole)
    assert list(again) == list(whole)  # the next epoch too


def test_epochs_differ_and_the_same_seed_repeats_them() -> None:
    sampler, again = ShuffledSampler(50, 7), ShuffledSampler(50, 7)
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert [list(again), list(again)] == [first, second]


def test_a_position_in_another_data_set_is_refused() -> None:
    with pytest.raises(InvalidDataError, match='allowed 40'):
        ShuffledSampler(40).load_state_dict(ShuffledSampler(50).state_dict())
    with pytest.raises(InvalidDataError, match='allowed size, seed'):
        ShuffledSampler(40).load_state_dict({'sizes': 40})
