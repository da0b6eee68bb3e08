"""Laws of reading HDF5 lazily, and of refusing what is broken or foreign."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
import tracemalloc

import h5py
from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lazy_fakes import MadeUpRows, make_rates
from made_up_episodes import assert_equal, make_episode
import numpy as np
import pytest
from vla_core.episode import Episode, Stream
from vla_core.errors import InvalidDataError
from vla_core.lazy import blocks, is_lazy
from vla_recorder.formats import create_dataset, open_dataset, WriteOptions
from vla_recorder.hdf5.codec import Hdf5Writer, read_episode, verify_episode

IMAGES = 'observation/images/static'
PICTURE_NAMES = st.sampled_from([IMAGES, 'observation/depth/a/b', 'observation/tactile/left'])
NUMBER_NAMES = st.sampled_from(
    ['action', 'action/proposed', 'progress', 'progress/x', 'observation/state/gripper',
     'observation/state/a_b', 'observation/state/a/b', 'sim/x', 'observation', 'rewards'])


@st.composite
def streams(draw: st.DrawFn) -> dict[str, Stream]:
    """Return streams of any rates, lengths and types; names that look alike in a file."""
    found = {}
    for name in draw(st.lists(PICTURE_NAMES | NUMBER_NAMES, unique=True, max_size=6)):
        picture = 'observation/' in name and 'state' not in name
        kinds = [np.uint8, np.uint16, np.float32] if picture else [np.int64, np.bool_, np.float64]
        values = draw(hnp.arrays(
            st.sampled_from(kinds),
            st.tuples(st.integers(0, 5), st.just(3), st.just(2)) if picture
            else hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=4)))
        start, step = draw(st.integers(0, 99)), draw(st.sampled_from([1, 7, 30_000_000]))
        found[name] = Stream(start + step * np.arange(len(values)), values)
    return found


@given(streams(), st.booleans())
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_episode_survives_and_lazy_is_eager(
    tmp_path: Path, found: dict[str, Stream], compress: bool
) -> None:
    episode = Episode('e', 'panda', '', 'do it', found)
    path = Hdf5Writer(tmp_path, WriteOptions(compress=compress)).write(episode, name='one')
    assert_equal(read_episode(path), episode)
    verify_episode(path)
    reader = open_dataset(path)
    lazy = reader.read(0).streams
    assert_equal(replace(episode, streams={
        n: Stream(s.stamps_ns, np.concatenate([s.values[:0], *blocks(s.values, 2)]))
        for n, s in lazy.items()}), episode)
    reader.close()


def test_pictures_are_read_when_they_are_asked_for_until_the_reader_closes(
    tmp_path: Path
) -> None:
    episode = make_rates()
    Hdf5Writer(tmp_path).write(episode)
    reader = open_dataset(tmp_path)
    values = reader.read(0).streams[IMAGES].values
    assert is_lazy(values)
    np.testing.assert_array_equal(values[2:5], episode.streams[IMAGES].values[2:5])
    reader.close()
    with pytest.raises(InvalidDataError, match=r'episode_000000\.h5: its reader is closed'):
        values[0:1]


def test_more_episodes_than_files_are_kept_open_are_read_lazily(tmp_path: Path) -> None:
    writer = create_dataset(tmp_path, 'hdf5', WriteOptions())
    for seed in range(40):
        writer.write(make_episode(steps=1, seed=seed))
    reader = open_dataset(tmp_path)
    episodes = [reader.read(k) for k in range(len(reader))]
    assert [e.seed for e in episodes] == list(range(40))
    for episode in episodes:
        assert episode.streams[IMAGES].values[0:1].shape == (1, 32, 48, 3)


@pytest.mark.parametrize('compress', [False, True])
def test_a_long_lazy_stream_is_written_and_read_in_constant_memory(
    tmp_path: Path, compress: bool
) -> None:
    rows = MadeUpRows((400, 60, 80, 3))
    stamps = np.arange(400) * 33_000_000
    actions = Stream(stamps, np.zeros((400, 7), np.float32))
    episode = Episode('e', 'panda', '', '', {IMAGES: Stream(stamps, rows), 'action': actions})
    tracemalloc.start()
    path = Hdf5Writer(tmp_path, WriteOptions(compress=compress)).write(episode)
    reader = open_dataset(path)
    for block, wanted in zip(
            blocks(reader.read(0).streams[IMAGES].values), blocks(rows), strict=True):
        np.testing.assert_array_equal(block, wanted)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    reader.close()
    assert rows.most <= 32
    assert peak < rows.most * 60 * 80 * 3 * 8 * 3  # blocks, of int64 while they are made up
    assert peak < 400 * 60 * 80 * 3


def test_a_picture_that_changed_on_the_disk_is_named(tmp_path: Path) -> None:
    path = Hdf5Writer(tmp_path).write(make_episode())
    with h5py.File(path, 'r+') as file:
        file['data/demo_0/obs/wrist_image'][1, 2, 3] ^= 1
    read_episode(path)
    with pytest.raises(InvalidDataError, match=r"episode_000000\.h5: stream '.*wrist': got CRC"):
        verify_episode(path)


def test_a_number_that_changed_on_the_disk_is_not_read(tmp_path: Path) -> None:
    path = Hdf5Writer(tmp_path).write(make_episode())
    with h5py.File(path, 'r+') as file:
        file['data/demo_0/actions'][1, 2] += 1
    with pytest.raises(InvalidDataError, match=r"episode_000000\.h5: stream 'action': got CRC"):
        read_episode(path)


def of_objects(demo: h5py.Group, other: Path) -> None:
    del demo['actions']
    demo.create_dataset('actions', (4,), h5py.vlen_dtype(np.uint8))


def of_text(demo: h5py.Group, other: Path) -> None:
    del demo['actions']
    demo['actions'] = ['a', 'b', 'c', 'd']


def of_another_length(demo: h5py.Group, other: Path) -> None:
    del demo['actions']
    demo['actions'] = np.zeros((3, 7))


def without_rows(demo: h5py.Group, other: Path) -> None:
    del demo['actions']
    demo['actions'] = 5.0


def virtual(demo: h5py.Group, other: Path) -> None:
    del demo['actions']
    layout = h5py.VirtualLayout((4, 7), np.float32)
    layout[:] = h5py.VirtualSource(str(other), 'x', (4, 7), np.float32)
    demo.create_virtual_dataset('actions', layout)


def stored_outside(demo: h5py.Group, other: Path) -> None:
    del demo['actions']
    demo.create_dataset('actions', (4, 7), np.float32, external=[(str(other), 0, 112)])


def mark(change: Callable[[h5py.Group, Path], None], demo: h5py.Group, other: Path) -> None:
    attrs = dict(demo['actions'].attrs)
    change(demo, other)
    demo['actions'].attrs.update(attrs)


@pytest.mark.parametrize(('change', 'message'), [
    (of_objects, 'got object values, allowed numbers'),
    (of_text, 'got object values, allowed numbers'),
    (of_another_length, 'got 4 stamps for values of shape'),
    (without_rows, r'got shape \(\), allowed'),
    (virtual, 'got values of another file'),
    (stored_outside, 'got values of another file'),
])
def test_a_stream_that_is_none_of_numbers_in_the_file_is_refused(
    tmp_path: Path, change: Callable[[h5py.Group, Path], None], message: str
) -> None:
    path = Hdf5Writer(tmp_path).write(make_episode())
    with h5py.File(tmp_path / 'secret.hdf5', 'w') as other:
        other['x'] = np.zeros((4, 7), np.float32)
    with h5py.File(path, 'r+') as file:
        mark(change, file['data/demo_0'], tmp_path / 'secret.hdf5')
    for read in (read_episode, lambda p: open_dataset(p).read(0)):
        with pytest.raises(InvalidDataError, match=message) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert '\n' not in str(caught.value)


@pytest.mark.parametrize('link', [
    h5py.ExternalLink('../outside.hdf5', '/x'), h5py.SoftLink('/data/demo_0/stamps_ns/1')])
@pytest.mark.parametrize('place', ['data/demo_0/stamps_ns/0', 'data/demo_0'])
def test_no_link_is_followed(
    tmp_path: Path, link: h5py.ExternalLink | h5py.SoftLink, place: str
) -> None:
    path = Hdf5Writer(tmp_path / 'in').write(make_episode())
    with h5py.File(tmp_path / 'outside.hdf5', 'w') as file:
        file['x'] = np.arange(4)
    with h5py.File(path, 'r+') as file:
        del file[place]
        file[place] = link
    with pytest.raises(InvalidDataError, match='Link, allowed only what is in the file itself'):
        read_episode(path)


@pytest.mark.parametrize('attribute', ['header', 'stamps', 'crc32c'])
@pytest.mark.parametrize('value', ['{}', '[1]', 7, '../../../x', 'a\nb'])
def test_broken_attributes_name_the_file(
    tmp_path: Path, attribute: str, value: str | int
) -> None:
    path = Hdf5Writer(tmp_path).write(make_episode())
    with h5py.File(path, 'r+') as file:
        demo = file['data/demo_0']
        (demo if attribute in demo.attrs else demo['actions']).attrs[attribute] = value
    if (attribute, value) == ('crc32c', '{}'):
        assert read_episode(path).seed == 0  # nothing to hold it against
        return
    with pytest.raises(InvalidDataError, match=r'episode_000000\.h5') as caught:
        read_episode(path)
    assert '\n' not in str(caught.value)


def test_a_shape_without_values_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = Hdf5Writer(tmp_path).write(make_episode())
    with h5py.File(path, 'r+') as file:
        demo = file['data/demo_0']
        attrs = dict(demo['actions'].attrs)
        del demo['actions']
        demo.create_dataset('actions', (2**40, 7), np.float64).attrs.update(attrs)
    with pytest.raises(InvalidDataError, match=r'got no values of \(1099511627776, 7\)'):
        read_episode(path)


def test_broken_episodes_do_not_keep_the_others_from_being_read(tmp_path: Path) -> None:
    writer = create_dataset(tmp_path, 'hdf5', WriteOptions())
    for seed in range(3):
        writer.write(make_episode(seed=seed))
    broken = tmp_path / 'episode_000001.h5'
    broken.write_bytes(broken.read_bytes()[:5000])
    reader = open_dataset(tmp_path)
    assert [reader.read(k).seed for k in (0, 2)] == [0, 2]
    with pytest.raises(InvalidDataError, match=r'episode_000001\.h5: not a readable episode'):
        reader.read(1)


def test_what_a_killed_writer_left_is_removed_when_the_next_begins(tmp_path: Path) -> None:
    left = tmp_path / f'.{2**22 + 1}-{"0" * 32}.partial'  # beyond the largest process number
    ours = tmp_path / '.1-notes.partial'
    for path in (left, ours):
        path.write_bytes(b'half')
    Hdf5Writer(tmp_path)
    assert not left.exists()
    assert ours.exists()
