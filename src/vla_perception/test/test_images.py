"""Laws of reading images in place."""

import array

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_perception.images import (
    decode_depth,
    decode_rgb,
    FrozenCamera,
    LAYOUTS,
    view_image,
)


def padded(image: np.ndarray, padding: int) -> tuple[int, bytes]:
    """Return step and bytes of an image whose rows end in `padding` bytes of noise."""
    rows = [row.tobytes() + b'\xaa' * padding for row in image]
    return len(rows[0]), b''.join(rows)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.sampled_from(sorted(LAYOUTS)), st.integers(1, 9), st.integers(1, 9),
       st.integers(0, 7), st.booleans())
def test_a_view_equals_what_was_written(
    encoding: str, height: int, width: int, padding: int, big_endian: bool
) -> None:
    kind, channels = LAYOUTS[encoding]
    shape = (height, width) if channels == 1 else (height, width, channels)
    image = np.random.default_rng(0).integers(0, 256, shape).astype(kind)
    stored = image.astype(image.dtype.newbyteorder('>' if big_endian else '<'))
    step, data = padded(stored, padding)
    np.testing.assert_array_equal(
        view_image(height, width, encoding, step, data, big_endian), image)


def test_rgb_is_read_without_a_copy_and_cannot_be_written() -> None:
    data = array.array('B', range(12))
    image = decode_rgb(2, 2, 'rgb8', 6, data)
    assert np.shares_memory(image, np.frombuffer(data, dtype=np.uint8))
    with pytest.raises(ValueError, match='read-only'):
        image[0, 0, 0] = 1


def test_memoryviews_bytes_and_arrays_read_alike() -> None:
    raw = bytes(range(12))
    for data in (raw, memoryview(raw), array.array('B', raw), np.frombuffer(raw, np.uint8)):
        np.testing.assert_array_equal(
            decode_rgb(2, 2, 'rgb8', 6, data), np.arange(12).reshape(2, 2, 3))


@pytest.mark.parametrize(('encoding', 'pixel'), [
    ('rgb8', [1, 2, 3]), ('bgr8', [3, 2, 1]), ('rgba8', [1, 2, 3, 9]), ('bgra8', [3, 2, 1, 9])])
def test_every_colour_order_becomes_rgb(encoding: str, pixel: list[int]) -> None:
    np.testing.assert_array_equal(
        decode_rgb(1, 1, encoding, len(pixel), bytes(pixel)), [[[1, 2, 3]]])


def test_grey_becomes_three_equal_channels() -> None:
    np.testing.assert_array_equal(decode_rgb(1, 2, 'mono8', 2, b'\x05\x06'),
                                  [[[5, 5, 5], [6, 6, 6]]])


def test_depth_is_in_metres_and_unknown_depth_is_nan() -> None:
    millimetres = np.array([[0, 1500]], dtype='<u2')
    np.testing.assert_allclose(
        decode_depth(1, 2, '16UC1', 4, millimetres.tobytes()), [[np.nan, 1.5]])
    metres = np.array([[0.25, np.nan]], dtype='<f4').tobytes()
    depth = decode_depth(1, 2, '32FC1', 8, metres)
    np.testing.assert_array_equal(depth, [[0.25, np.nan]])
    assert np.shares_memory(depth, np.frombuffer(metres, dtype=np.uint8))
    assert decode_depth(
        1, 2, '32FC1', 8, np.array([[1, 2]], '>f4').tobytes(), True).tolist() == [[1, 2]]


@pytest.mark.parametrize(('height', 'width', 'step', 'size'), [
    (2, 2, 5, 12), (2, 2, 6, 11), (0, 2, 6, 12), (2, -1, 6, 12), (2, 2, 7, 12)])
def test_contradicting_sizes_are_refused(height: int, width: int, step: int, size: int) -> None:
    with pytest.raises(InvalidDataError, match='bytes and step'):
        view_image(height, width, 'rgb8', step, bytes(size))


def test_unread_encodings_list_the_read_ones() -> None:
    with pytest.raises(UnknownNameError, match='bgr8'):
        view_image(1, 1, 'yuv422', 2, b'..')
    with pytest.raises(UnknownNameError, match='colour'):
        decode_rgb(1, 1, '32FC1', 4, b'....')
    with pytest.raises(UnknownNameError, match='depth'):
        decode_depth(1, 1, 'rgb8', 3, b'...')


def test_a_camera_that_repeats_itself_is_noticed_until_it_moves() -> None:
    camera, image = FrozenCamera(limit=2), np.zeros((2, 2, 3), dtype=np.uint8)
    assert [camera.update(image.copy()) for _ in range(4)] == [False, False, True, True]
    assert not camera.update(image + 1)
    assert camera.repeats == 0
