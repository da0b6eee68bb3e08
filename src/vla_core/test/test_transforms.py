"""Laws of the transforms: each is undone by its inverse and leaves its argument alone."""

from math import pi

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.transforms import (
    AbsoluteToDelta,
    Chain,
    DeltaToAbsolute,
    MODES,
    Normalize,
    PixelMap,
    Resize,
    Statistics,
)

quick = settings(deadline=None, max_examples=50, derandomize=True)
START = np.array([0.4, 0.1, 0.3, 1.0, 0.0, 0.0, 0.0])


def measured(seed: int = 0) -> Statistics:
    rows = np.random.default_rng(seed).normal([1, -2, 0], [0.1, 3, 1], (500, 3))
    return Statistics.from_arrays([rows[:200], rows[200:]])


@quick
@given(st.sampled_from(MODES), arrays(np.float64, (4, 3), elements=st.floats(-100, 100)))
def test_unnormalize_undoes_normalize(mode: str, values: np.ndarray) -> None:
    forth = Normalize(measured(), mode)
    np.testing.assert_allclose(forth.inverse()(forth(values)), values, atol=1e-9)
    np.testing.assert_allclose(forth(forth.inverse()(values)), values, atol=1e-9)


def test_normalised_data_has_mean_zero_and_deviation_one() -> None:
    rows = np.random.default_rng(3).normal(5.0, 2.0, (1000, 2))
    out = Normalize(Statistics.from_arrays([rows]))(rows)
    np.testing.assert_allclose(out.mean(0), 0.0, atol=1e-12)
    np.testing.assert_allclose(out.std(0), 1.0, atol=1e-12)


def test_quantiles_become_minus_one_and_one() -> None:
    statistics = measured()
    forth = Normalize(statistics, 'quantile')
    np.testing.assert_allclose(forth(statistics.q01), -1.0)
    np.testing.assert_allclose(forth(statistics.q99), 1.0)


def test_the_floating_type_is_kept() -> None:
    values = np.zeros((2, 3), dtype=np.float32)
    assert Normalize(measured())(values).dtype == np.float32
    assert Normalize(measured()).inverse()(values).dtype == np.float32


@pytest.mark.parametrize('mode', MODES)
def test_a_constant_dimension_stays_finite(mode: str) -> None:
    rows = np.full((10, 1), 7.0)
    forth = Normalize(Statistics.from_arrays([rows]), mode)
    np.testing.assert_array_equal(forth(rows), 0.0)
    np.testing.assert_array_equal(forth.inverse()(forth(rows)), rows)


def test_an_unknown_normalisation_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match='mean_std, quantile'):
        Normalize(measured(), 'minmax')


def test_statistics_survive_their_json_form() -> None:
    again = Statistics.from_dict(measured().to_dict())
    np.testing.assert_array_equal(again.q01, measured().q01)
    with pytest.raises(InvalidDataError, match="got entries.*'mean'"):
        Statistics.from_dict({'mean': [0.0]})
    with pytest.raises(InvalidDataError, match='std'):
        Statistics.from_dict({**measured().to_dict(), 'std': [1.0]})
    with pytest.raises(InvalidDataError, match='N > 0'):
        Statistics.from_arrays([np.zeros((0, 3))])


def chunks(limit: float) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, (6, 7), elements=st.floats(-limit, limit))


@quick
@given(chunks(1.0))
def test_delta_then_absolute_is_identity(values: np.ndarray) -> None:
    forth = DeltaToAbsolute(START)
    np.testing.assert_allclose(forth.inverse()(forth(values)), values, atol=1e-9)


@quick
@given(chunks(1.7))
def test_absolute_then_delta_is_identity(values: np.ndarray) -> None:
    assert (np.linalg.norm(values[:, 3:6], axis=1) < pi).all()
    forth = AbsoluteToDelta(START)
    np.testing.assert_allclose(forth.inverse()(forth(values)), values, atol=1e-9)


def test_deltas_accumulate_and_the_gripper_passes() -> None:
    values = np.zeros((3, 7), dtype=np.float32)
    values[:, 0], values[:, 6] = 0.01, [1, 0, 1]
    out = DeltaToAbsolute(START)(values)
    np.testing.assert_allclose(out[:, 0], [0.41, 0.42, 0.43], atol=1e-6)
    np.testing.assert_allclose(np.abs(out[:, 3]), pi, atol=1e-6)
    np.testing.assert_array_equal(out[:, 6], [1, 0, 1])
    assert out.dtype == np.float32


@quick
@given(chunks(1.0))
def test_a_chain_is_undone_backwards(values: np.ndarray) -> None:
    statistics = Statistics.from_arrays([np.random.default_rng(0).normal(1, 2, (50, 7))])
    chain = Chain((DeltaToAbsolute(START), Normalize(statistics, 'quantile')))
    before = values.copy()
    np.testing.assert_allclose(chain.inverse()(chain(values)), values, atol=1e-9)
    np.testing.assert_array_equal(values, before)


def test_the_same_size_gives_the_very_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    assert Resize((96, 96), (96, 96))(image) is image


def test_shrinking_by_a_whole_number_is_the_mean_of_blocks() -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    blocks = image.reshape(3, 2, 4, 2, 3).mean((1, 3))
    np.testing.assert_array_equal(Resize((6, 8), (3, 4))(image), np.rint(blocks))


def test_another_shape_is_padded_with_black_in_the_middle() -> None:
    out = Resize((480, 640), (96, 96))(np.full((480, 640, 3), 200, dtype=np.uint8))
    assert out.shape == (96, 96, 3)
    assert (out[12:84] == 200).all()
    assert (out[:12] == 0).all()
    assert (out[84:] == 0).all()


@quick
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_a_plain_image_stays_plain_at_any_size(h: int, w: int, height: int, width: int) -> None:
    resize = Resize((h, w), (height, width))
    out = resize(np.full((h, w, 3), 77, dtype=np.uint8))
    (top, left), (inner_h, inner_w) = resize.offset, resize.inner
    assert (out[top:top + inner_h, left:left + inner_w] == 77).all()


def test_growing_a_ramp_keeps_it_straight() -> None:
    ramp = np.tile(np.arange(0, 64, 4, dtype=np.uint8), (16, 1))[..., None]
    out = Resize((16, 16), (32, 32))(ramp)
    assert (np.diff(out[16, 1:-1, 0].astype(int)) == 2).all()


@quick
@given(arrays(np.float64, (5, 2), elements=st.floats(-10, 700)))
def test_the_inverse_of_resize_maps_pixels_back(pixels: np.ndarray) -> None:
    resize = Resize((480, 640), (96, 128))
    np.testing.assert_allclose(resize.inverse()(resize.pixels()(pixels)), pixels, atol=1e-9)


def test_corners_of_the_picture_map_to_corners_of_the_source() -> None:
    back = Resize((480, 640), (96, 96)).inverse()
    np.testing.assert_allclose(back(np.array([[-0.5, 11.5], [95.5, 83.5]])),
                               [[-0.5, -0.5], [639.5, 479.5]])


def test_a_pixel_map_inverts() -> None:
    there = PixelMap((2.0, 0.5), (3.0, -1.0))
    np.testing.assert_allclose(there.inverse()(there(np.array([1.0, 2.0]))), [1.0, 2.0])


def test_an_image_of_another_size_is_refused() -> None:
    with pytest.raises(InvalidDataError, match='480, 640'):
        Resize((480, 640), (96, 96))(np.zeros((96, 96, 3), dtype=np.uint8))
