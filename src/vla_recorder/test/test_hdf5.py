"""Laws of the HDF5 codec."""

from dataclasses import replace
from pathlib import Path
import subprocess
import sys

import h5py
from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from made_up_episodes import assert_equal, make_episode
import numpy as np
import pytest
from vla_core.episode import Episode, Stream
from vla_core.errors import InvalidDataError
from vla_recorder.hdf5.codec import Hdf5Writer, list_episodes, read_episode
from vla_recorder.header import header_to_json


def test_reading_returns_what_was_written_bit_for_bit(tmp_path: Path) -> None:
    episode = make_episode(steps=7)
    assert_equal(read_episode(Hdf5Writer(tmp_path).write(episode)), episode)


@given(
    values=hnp.arrays(
        st.sampled_from([np.uint8, np.int64, np.float32, np.float64, np.bool_]),
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)),
    instruction=st.text(max_size=40),
    success=st.sampled_from([True, False, None]))
@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_stream_survives(
    tmp_path: Path, values: np.ndarray, instruction: str, success: bool | None
) -> None:
    stamps = np.arange(len(values), dtype=np.int64) * 3
    episode = Episode('e', 'panda', '', instruction, {'a/b': Stream(stamps, values)}, success)
    path = Hdf5Writer(tmp_path).write(episode, name='one')
    assert_equal(read_episode(path), episode)


def test_episodes_are_numbered_after_the_existing_ones(tmp_path: Path) -> None:
    paths = [Hdf5Writer(tmp_path).write(make_episode(seed=k)) for k in range(3)]
    assert [p.name for p in paths] == [f'episode_{k:06d}.h5' for k in range(3)]
    assert list_episodes(tmp_path) == paths


def test_a_named_episode_is_replaced(tmp_path: Path) -> None:
    writer = Hdf5Writer(tmp_path)
    writer.write(make_episode(seed=1), name='x')
    path = writer.write(make_episode(seed=2), name='x')
    assert list_episodes(tmp_path) == [path]
    assert read_episode(path).seed == 2


def test_processes_in_one_folder_never_take_each_others_number(tmp_path: Path) -> None:
    code = (
        'import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n'
        'from made_up_episodes import make_episode\n'
        'from vla_recorder.hdf5.codec import Hdf5Writer\n'
        'for k in range(5): Hdf5Writer(Path(sys.argv[1])).write(make_episode(steps=2))')
    command = [sys.executable, '-c', code, str(tmp_path), str(Path(__file__).parent)]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [p.wait(60) for p in processes] == [0, 0]
    assert len(list_episodes(tmp_path)) == 10


def test_only_the_named_streams_are_read(tmp_path: Path) -> None:
    path = Hdf5Writer(tmp_path).write(make_episode())
    assert set(read_episode(path, ['action']).streams) == {'action'}
    with pytest.raises(InvalidDataError, match="no stream 'actoin'"):
        read_episode(path, ['actoin'])


def test_a_file_of_the_first_format_is_still_read(tmp_path: Path) -> None:
    episode = make_episode()
    with h5py.File(tmp_path / 'old.h5', 'w', libver='latest') as file:
        demo = file.create_group('data/demo_0')
        file.attrs['format'] = 'vla-hdf5-1'
        demo.attrs['header'] = header_to_json(episode)
        for name, stream in episode.streams.items():
            place = name.replace('observation/', 'obs/').replace('action/', 'actions_')
            demo[place], demo[f'stamps_ns/{place}'] = stream.values, stream.stamps_ns
            demo[place].attrs['stream'] = name
            demo[place].attrs['stamps'] = f'stamps_ns/{place}'
    assert_equal(read_episode(tmp_path / 'old.h5'), episode)


@pytest.mark.parametrize('keep', [0, 1, 100, 3000, -1])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, keep: int) -> None:
    path = Hdf5Writer(tmp_path).write(make_episode())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InvalidDataError, match=path.name):
        read_episode(path)


def test_another_hdf5_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / 'other.h5'
    with h5py.File(path, 'w') as file:
        file['x'] = 1
    with pytest.raises(InvalidDataError, match=r'other\.h5: got format None'):
        read_episode(path)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    episode = make_episode()
    bad = replace(episode, streams={**episode.streams, 'a//b': episode.streams['action']})
    with pytest.raises(InvalidDataError, match='stream name'):
        Hdf5Writer(tmp_path).write(bad)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('name', ['../x', '/x', '.x', '', 'a/b', 'a\x00'])
def test_no_name_leaves_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidDataError, match='episode file name'):
        Hdf5Writer(tmp_path).write(make_episode(), name=name)
