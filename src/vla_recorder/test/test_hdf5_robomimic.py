"""Laws of the HDF5 layout that robomimic reads, and of the index that makes it one file.

`peers/check_robomimic.py` lets robomimic itself read such a folder.
"""

from dataclasses import replace
import json
from pathlib import Path

import h5py
from lazy_fakes import make_rates
from made_up_episodes import assert_equal, make_episode
import numpy as np
import pytest
from vla_core.episode import Episode
from vla_recorder.formats import create_dataset, detect, open_dataset, WriteOptions
from vla_recorder.hdf5.codec import Hdf5Writer
from vla_recorder.hdf5.index import INDEX
from vla_recorder.table import tabulate


def write_all(folder: Path, *episodes: Episode, compress: bool = False) -> None:
    writer = create_dataset(folder, 'hdf5', WriteOptions(compress=compress))
    for episode in episodes:
        writer.write(episode)
    writer.close()


def test_robomimic_finds_actions_and_flat_observations(tmp_path: Path) -> None:
    episode = make_episode(steps=5)
    with h5py.File(Hdf5Writer(tmp_path).write(episode)) as file:
        demo = file['data/demo_0']
        assert file['data'].attrs['total'] == demo.attrs['num_samples'] == 5
        assert json.loads(file['data'].attrs['env_args'])['env_name'] == 'vla'
        assert demo['actions'].shape == (5, 7)
        assert {key: data.shape for key, data in demo['obs'].items()} == {
            'static_image': (5, 32, 48, 3), 'wrist_image': (5, 32, 48, 3),
            'joint_position': (5, 7), 'joint_velocity': (5, 7), 'tool_pose': (5, 7),
            'gripper': (5, 1)}
        assert demo['dones'][()].tolist() == demo['rewards'][()].tolist() == [0, 0, 0, 0, 1]
        assert demo.attrs['instruction'] == episode.instruction


@pytest.mark.parametrize('compress', [False, True])
def test_streams_of_other_rates_are_shown_at_the_actions_instants(
    tmp_path: Path, compress: bool
) -> None:
    episode = make_rates()
    table = tabulate(episode)
    write_all(tmp_path, episode, compress=compress)
    with h5py.File(tmp_path / INDEX) as file:
        obs = file['data/demo_0/obs']
        for key, name in (('wrist_image', 'images/wrist'), ('static_depth', 'depth/static'),
                          ('left_tactile', 'tactile/left'), ('gripper', 'state/gripper'),
                          ('joint_position', 'state/joint_position')):
            wanted = np.asarray(table.columns[f'observation/{name}'])
            assert obs[key].dtype == wanted.dtype
            np.testing.assert_array_equal(obs[key][()].reshape(wanted.shape), wanted)
            assert obs[key].ndim in (2, 4)  # what robomimic's modalities know
    assert_equal_lazily(tmp_path, episode)


def assert_equal_lazily(folder: Path, episode: Episode) -> None:
    reader = open_dataset(folder)
    lazy = reader.read(0)
    streams = {name: replace(stream, values=stream.values[0:len(stream)])
               for name, stream in lazy.streams.items()}
    assert_equal(replace(lazy, streams=streams), episode)
    reader.close()


def test_pictures_shown_later_take_no_space(tmp_path: Path) -> None:
    episode = make_rates(60)
    write_all(tmp_path, episode)
    recorded = sum(s.values.nbytes + s.stamps_ns.nbytes for s in episode.streams.values())
    shown = 60 * 32 * 48 * 3  # of one camera
    assert (tmp_path / 'episode_000000.h5').stat().st_size < recorded + shown / 2


def test_the_index_holds_every_episode_and_which_to_train_on(tmp_path: Path) -> None:
    write_all(tmp_path, *(make_episode(seed=k, success=k != 1) for k in range(3)))
    assert detect(tmp_path).name == 'hdf5'
    with h5py.File(tmp_path / INDEX) as file:
        assert list(file['data']) == ['demo_0', 'demo_1', 'demo_2']
        assert file['data'].attrs['total'] == 12
        assert [file[f'data/demo_{k}'].attrs['seed'] for k in range(3)] == [0, 1, 2]
        assert file['mask/train'][()].tolist() == [b'demo_0', b'demo_2']
        for k in range(3):
            assert file['data'].get(f'demo_{k}', getlink=True).filename == f'episode_00000{k}.h5'


def test_the_index_follows_what_was_added_replaced_and_removed(tmp_path: Path) -> None:
    write_all(tmp_path, *(make_episode(seed=k) for k in range(3)))
    (tmp_path / 'episode_000001.h5').unlink()
    Hdf5Writer(tmp_path).write(make_episode(steps=9, seed=7), name='episode_000000')
    (tmp_path / 'episode_000002.h5').write_bytes(b'broken')
    write_all(tmp_path, make_episode(steps=2, seed=8))
    with h5py.File(tmp_path / INDEX) as file:
        assert [demo.attrs['seed'] for demo in file['data'].values()] == [7, 8]
        assert file['data'].attrs['total'] == 11


@pytest.mark.parametrize('content', [b'', b'broken'])
def test_a_broken_index_is_made_again(tmp_path: Path, content: bytes) -> None:
    write_all(tmp_path, make_episode())
    (tmp_path / INDEX).write_bytes(content)
    write_all(tmp_path, make_episode(seed=1))
    with h5py.File(tmp_path / INDEX) as file:
        assert len(file['data']) == 2
    assert len(open_dataset(tmp_path / INDEX)) == 2


def test_an_episode_without_actions_is_kept_but_no_demonstration(tmp_path: Path) -> None:
    episode = make_episode()
    streams = {n: s for n, s in episode.streams.items() if not n.startswith('action')}
    write_all(tmp_path, replace(episode, streams=streams))
    assert_equal_lazily(tmp_path, replace(episode, streams=streams))
    with h5py.File(tmp_path / INDEX) as file:
        assert len(file['data']) == len(file['mask/train']) == 0
