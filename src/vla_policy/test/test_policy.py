"""The policy answers its observation, repeats itself to the bit, and refuses bad input."""

from dataclasses import replace
from pathlib import Path
import subprocess
import sys

import numpy as np
from policy_fakes import random_observation, red_subtask, SPEC, tiny_checkpoint
import pytest
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.types import Representation
from vla_policy.checkpoint import HEADS, save
from vla_policy.policy import load_policy, VlaPolicy


def _policy(head: str) -> VlaPolicy:
    return VlaPolicy('tiny', tiny_checkpoint(), SPEC, head)


def _infer(policy: VlaPolicy, seed: int = 0):
    return policy.infer(
        random_observation(), red_subtask(), previous=None, rng=np.random.default_rng(seed))


@pytest.mark.parametrize('head', HEADS)
def test_chunk_answers_its_observation(head: str) -> None:
    chunk = _infer(_policy(head))
    assert (chunk.stamp_ns, chunk.episode_id, chunk.subtask_id) == (1_000, 'lift-1', 's')
    assert chunk.representation is Representation.EE_DELTA
    assert chunk.step_s == SPEC.policy.step_s
    assert chunk.values.shape == (12, 7)
    assert chunk.values.dtype == np.float32
    assert ((chunk.values[:, 6] >= 0) & (chunk.values[:, 6] <= 1)).all()
    assert 0.0 <= chunk.progress <= 1.0


@pytest.mark.parametrize('head', HEADS)
def test_same_input_gives_the_same_bits_whatever_came_before(head: str) -> None:
    fresh, used = _policy(head), _policy(head)
    for k in range(3):
        _infer(used, k)
    assert _infer(fresh, 7).values.tobytes() == _infer(used, 7).values.tobytes()


def test_another_process_gives_the_same_bits(tmp_path: Path) -> None:
    save(tmp_path / 'c', tiny_checkpoint(), SPEC, '')
    code = ('import sys; sys.path.insert(0, sys.argv[1])\n'
            'from policy_fakes import *; from vla_policy.policy import load_policy\n'
            'p = load_policy(sys.argv[2], SPEC, "flow")\n'
            'c = p.infer(random_observation(), red_subtask(), previous=None, '
            'rng=np.random.default_rng(3))\n'
            'print(c.values.tobytes().hex(), c.progress.hex())')
    out = subprocess.run(
        [sys.executable, '-c', code, str(Path(__file__).parent), str(tmp_path / 'c')],
        capture_output=True, text=True, check=True).stdout.split()
    here = _infer(load_policy(str(tmp_path / 'c'), SPEC, 'flow'), 3)
    assert out == [here.values.tobytes().hex(), here.progress.hex()]


def test_only_flow_draws_noise() -> None:
    assert (_infer(_policy('l1'), 1).values == _infer(_policy('l1'), 2).values).all()
    assert (_infer(_policy('flow'), 1).values != _infer(_policy('flow'), 2).values).any()


def test_sequence_counts_up_and_restarts() -> None:
    policy = _policy('l1')
    assert [_infer(policy).sequence for _ in range(3)] == [0, 1, 2]
    policy.reset()
    assert _infer(policy).sequence == 0


def test_unknown_words_and_no_words_are_answered() -> None:
    for text in ('juggle the green elephant', '', 'a ' * 50):
        chunk = _policy('l1').infer(
            random_observation(), red_subtask(text), previous=None,
            rng=np.random.default_rng(0))
        assert np.isfinite(chunk.values).all()


def test_missing_camera_is_named() -> None:
    observation = random_observation()
    blind = replace(observation, images={'static': observation.images['static']})
    with pytest.raises(InvalidDataError, match="camera 'wrist': got no image"):
        _policy('l1').infer(
            blind, red_subtask(), previous=None, rng=np.random.default_rng(0))


def test_wrong_image_size_is_named() -> None:
    observation = random_observation()
    images = {**observation.images, 'static': np.zeros((64, 96, 3), np.uint8)}
    with pytest.raises(InvalidDataError, match=r"camera 'static': got uint8 \(64, 96, 3\)"):
        _policy('l1').infer(
            replace(observation, images=images), red_subtask(), previous=None,
            rng=np.random.default_rng(0))


def test_missing_default_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('vla_policy.shipped.DEFAULT', tmp_path)
    with pytest.raises(InvalidDataError, match="policy 'default': got no checkpoint in"):
        load_policy('default', SPEC)


def test_unknown_policy_and_head_list_the_allowed() -> None:
    with pytest.raises(UnknownNameError, match='default, expert'):
        load_policy('defualt', SPEC)
    with pytest.raises(UnknownNameError, match='flow, l1'):
        _policy('diffusion')
