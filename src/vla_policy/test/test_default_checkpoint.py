"""The checkpoint that ships is there, small, free of pickles, measured, and repeats itself."""

import re

import numpy as np
from policy_fakes import random_observation, red_subtask, SPEC
import pytest
from vla_policy.checkpoint import FILES, HEADS
from vla_policy.policy import load_policy
from vla_policy.shipped import DEFAULT

MAX_BYTES = 40e6


def test_it_ships_whole_and_small() -> None:
    found = sorted(path.name for path in DEFAULT.rglob('*') if path.is_file())
    assert found == sorted([*FILES, 'README.md'])  # and so no pickle
    assert sum(path.stat().st_size for path in DEFAULT.iterdir()) < MAX_BYTES


def test_its_card_tells_the_measured_success_of_both_heads() -> None:
    card = (DEFAULT / 'README.md').read_text()
    assert all(head in card for head in HEADS)
    overall = re.search(r'^\| all \|(.*)\|$', card, re.MULTILINE)
    assert overall, 'the card has no row of the success over all tasks'
    rates = [float(rate) for rate in re.findall(r'([\d.]+) %', overall.group(1))]
    assert len(rates) == len(HEADS)
    assert max(rates) > 0.0


@pytest.mark.parametrize('head', [None, *HEADS])
def test_the_same_observation_is_answered_with_the_same_bits(head: str | None) -> None:
    first, second = (_answer(head) for _ in range(2))
    assert np.isfinite(first).all()
    assert first.tobytes() == second.tobytes()


def _answer(head: str | None) -> np.ndarray:
    policy = load_policy('default', SPEC, head)
    chunk = policy.infer(
        random_observation(), red_subtask(), previous=None, rng=np.random.default_rng(0))
    return chunk.values
