"""Encoding and decoding of actions, states and words undo each other."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
from policy_fakes import tiny_checkpoint
import pytest
from vla_core.errors import InvalidDataError
from vla_policy.actions import Normalisation, state_vector
from vla_policy.text import WordTokenizer

_ACTIONS = arrays(np.float32, (12, 7), elements=st.floats(-0.125, 0.125, width=32))
_NORMALISATION = Normalisation.measure(
    np.random.default_rng(0).normal(size=(50, 17)).astype(np.float32),
    np.random.default_rng(1).normal(size=(50, 7)).astype(np.float32) * 0.02)


@settings(deadline=None)
@given(_ACTIONS)
def test_encode_then_decode_is_identity(actions: np.ndarray) -> None:
    actions = np.concatenate([actions[:, :6], np.abs(actions[:, 6:]) * 8], axis=1)
    back = _NORMALISATION.decode(_NORMALISATION.encode(actions))
    np.testing.assert_allclose(back, actions, atol=1e-6)


def test_scales_have_floors() -> None:
    still = Normalisation.measure(np.zeros((9, 17), np.float32), np.zeros((9, 7), np.float32))
    assert (still.state_std > 0).all()
    np.testing.assert_allclose(still.motion_scale, [0.004] * 3 + [0.02] * 3)


def test_rotation_is_scaled_apart_from_translation() -> None:
    action = np.zeros((9, 7), np.float32)
    action[:, 0], action[:, 5] = 0.03, 0.12
    scale = Normalisation.measure(np.zeros((9, 17), np.float32), action).motion_scale
    assert scale[0] == pytest.approx(0.03)
    assert scale[5] == pytest.approx(0.12)


def test_gripper_is_kept_in_its_range() -> None:
    rows = np.full((2, 7), 9.0, np.float32)
    assert (_NORMALISATION.decode(rows)[:, 6] == 1.0).all()
    assert (_NORMALISATION.decode(-rows)[:, 6] == 0.0).all()


def test_statistics_survive_json_to_the_bit() -> None:
    again = Normalisation.from_dict(_NORMALISATION.to_dict(), 'x')
    assert all((value == vars(again)[name]).all() for name, value in vars(_NORMALISATION).items())


def test_state_has_position_rotation_gripper_and_speed() -> None:
    pose = np.array([0.1, 0.2, 0.3, 0.0, 0.0, 0.0, 1.0])
    state = state_vector(pose, 0.5, np.arange(7.0))
    np.testing.assert_allclose(
        state, [0.1, 0.2, 0.3, 1, 0, 0, 0, 1, 0, 0.5, *range(7)], atol=1e-7)


def test_words_are_numbered_apart_from_case_and_punctuation() -> None:
    tokenizer = WordTokenizer.learn(['lift the red block'])
    np.testing.assert_array_equal(
        tokenizer.encode('Lift  the RED block', 6), tokenizer.encode('lift the red block', 6))
    assert tokenizer.encode('lift zebra', 4).tolist()[1:] == [1, 0, 0]


def test_broken_tokenizer_is_refused() -> None:
    with pytest.raises(InvalidDataError, match='here: not a tokenizer'):
        WordTokenizer.from_json('{', 'here')


def test_tokenizer_size_is_the_models_vocabulary() -> None:
    checkpoint = tiny_checkpoint()
    assert checkpoint.tokenizer.size == checkpoint.model.config.vocabulary
