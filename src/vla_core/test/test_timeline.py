"""Laws of alignment, the same for live streams and for files."""

from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from vla_core.episode import Stream
from vla_core.errors import InvalidDataError
from vla_core.geometry import interpolate_pose, rotvec_to_quat
from vla_core.spec import ALIGNMENTS, StreamSpec
from vla_core.timeline import align, MissingStreamError, StaleStreamError, StreamBuffer

MS = 1_000_000


def filled(mode: str, max_age_s: float = 0.1, capacity: int = 100) -> StreamBuffer:
    buffer = StreamBuffer(StreamSpec(mode, max_age_s), capacity, 'static')
    for stamp in (0, 100, 200):
        buffer.push(stamp * MS, np.array([float(stamp)]))
    return buffer


@pytest.mark.parametrize('mode', ALIGNMENTS)
def test_an_exact_stamp_gives_the_very_sample(mode: str) -> None:
    buffer = StreamBuffer(StreamSpec(mode, 0.1), 4)
    values = [np.random.default_rng(i).normal(size=3) for i in range(3)]
    for stamp, value in enumerate(values):
        buffer.push(stamp * MS, value)
    for stamp, value in enumerate(values):
        sample = buffer.at(stamp * MS)
        assert sample.value is value
        assert sample.age_s == 0.0


@pytest.mark.parametrize(('mode', 'at_ms', 'value', 'age_s'), [
    ('hold', 190, 100.0, 0.09), ('drop', 190, 100.0, 0.09), ('hold', 300, 200.0, 0.1),
    ('nearest', 140, 100.0, 0.04), ('nearest', 160, 200.0, 0.04), ('nearest', 150, 100.0, 0.05),
    ('nearest', 290, 200.0, 0.09), ('interpolate', 125, 125.0, 0.025),
    ('interpolate', 280, 200.0, 0.08),
])
def test_each_mode_picks_as_declared(mode: str, at_ms: int, value: float, age_s: float) -> None:
    sample = filled(mode).at(at_ms * MS)
    assert float(sample.value[0]) == value
    assert sample.age_s == age_s


@pytest.mark.parametrize('mode', ALIGNMENTS)
def test_a_stale_stream_says_name_age_and_allowed_age(mode: str) -> None:
    with pytest.raises(StaleStreamError, match=r"'static'.*0\.150 s.*allowed 0\.100 s") as info:
        filled(mode).at(350 * MS)
    assert (info.value.stream, info.value.age_s, info.value.allowed_s) == ('static', 0.15, 0.1)


@pytest.mark.parametrize('mode', ALIGNMENTS)
def test_an_empty_stream_is_missing(mode: str) -> None:
    with pytest.raises(MissingStreamError, match="'wrist' is missing") as info:
        StreamBuffer(StreamSpec(mode, 0.1), 4, 'wrist').at(0)
    assert info.value.age_s == inf


@pytest.mark.parametrize('mode', ['hold', 'interpolate', 'drop'])
def test_the_future_is_never_used_for_the_past(mode: str) -> None:
    with pytest.raises(MissingStreamError, match='0.010 s after the instant'):
        filled(mode).at(-10 * MS)


def test_a_drop_out_is_not_interpolated_across() -> None:
    with pytest.raises(StaleStreamError):
        filled('interpolate', max_age_s=0.06).at(130 * MS)


@pytest.mark.parametrize('stamp_ms', [200, 199])
def test_stamps_must_increase(stamp_ms: int) -> None:
    with pytest.raises(InvalidDataError, match="'static'.*after 200000000 ns"):
        filled('hold').push(stamp_ms * MS, np.zeros(1))


def test_the_oldest_samples_make_room() -> None:
    buffer = filled('hold', capacity=2)
    assert len(buffer) == 2
    assert not buffer.has(0)
    assert buffer.has(100 * MS)
    assert not buffer.has(101 * MS)
    assert buffer.newest_ns == 200 * MS
    buffer.clear()
    assert buffer.newest_ns is None


def live(buffer: StreamBuffer, stamp_ns: int) -> tuple[np.ndarray, float] | None:
    try:
        sample = buffer.at(stamp_ns)
    except StaleStreamError:
        return None
    return sample.value, sample.age_s


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.sampled_from(ALIGNMENTS),
    st.lists(st.integers(0, 400), min_size=1, max_size=20, unique=True),
    st.lists(st.integers(-50, 500), min_size=1, max_size=20),
    st.sampled_from([np.float32, np.float64]),
)
def test_files_and_live_streams_agree_bit_by_bit(
    mode: str, stamps: list[int], wanted: list[int], dtype: type
) -> None:
    spec = StreamSpec(mode, 0.03)
    stamps_ns = np.array(sorted(stamps)) * MS + 7
    values = np.random.default_rng(0).normal(size=(len(stamps), 2, 3)).astype(dtype)
    buffer = StreamBuffer(spec, len(stamps))
    for stamp, value in zip(stamps_ns.tolist(), values):
        buffer.push(stamp, value)
    for instant in wanted:
        expected = live(buffer, instant * MS)
        try:
            got = align(np.array([instant * MS]), Stream(stamps_ns, values), spec)
        except StaleStreamError:
            assert expected is None
            continue
        assert (expected is not None) == got.valid[0]
        if expected is not None:
            np.testing.assert_array_equal(got.values[0], expected[0])
            assert got.age_s[0] == expected[1]


def test_drop_marks_rows_without_a_fresh_sample() -> None:
    stream = Stream(np.array([0, 100]) * MS, np.arange(2.0))
    got = align(np.array([-1, 0, 20, 60, 110]) * MS, stream, StreamSpec('drop', 0.03))
    assert got.valid.tolist() == [False, True, True, False, True]


def test_poses_are_interpolated_on_the_sphere() -> None:
    poses = np.array([[0, 0, 0, 0, 0, 0, 1], [1, 0, 0, *rotvec_to_quat([0, 0, 2.0])]])
    stream = Stream(np.array([0, 10]) * MS, poses)
    got = align(np.array([3 * MS]), stream, StreamSpec('interpolate', 1.0),
                blend=interpolate_pose)
    np.testing.assert_allclose(
        got.values[0], [0.3, 0, 0, *rotvec_to_quat([0, 0, 0.6])], atol=1e-12)


def test_integers_are_not_interpolated() -> None:
    stream = Stream(np.array([0, 10]) * MS, np.array([0, 255], dtype=np.uint8))
    with pytest.raises(InvalidDataError, match='uint8'):
        align(np.array([3 * MS]), stream, StreamSpec('interpolate', 1.0))


def test_an_empty_file_stream_is_missing() -> None:
    stream = Stream(np.zeros(0, dtype=np.int64), np.zeros((0, 3)))
    with pytest.raises(MissingStreamError, match="'tf'.*empty"):
        align(np.array([0]), stream, StreamSpec('hold', 1.0), 'tf')
