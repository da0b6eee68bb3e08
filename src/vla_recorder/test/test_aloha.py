"""Laws of ALOHA's layout: what its own readers find, and what ours makes whole again."""

from dataclasses import replace
from pathlib import Path
import tracemalloc
import uuid

import cv2
import h5py
from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
from lazy_fakes import MadeUpRows, make_rates
from made_up_episodes import assert_equal, make_episode
import numpy as np
import pytest
from test_hdf5_reader import streams
from vla_core.episode import Episode, Stream
from vla_core.errors import InvalidDataError
from vla_core.lazy import blocks, is_lazy
from vla_recorder.aloha.codec import verify_episode
from vla_recorder.formats import create_dataset, detect, open_dataset, WriteOptions
from vla_recorder.table import tabulate

IMAGES = 'observation/images/'
ERROR = (1.5, 30)  # of our JPEG: mean and greatest, of 255


def write_all(folder: Path, *episodes: Episode, compress: bool = False) -> Path:
    writer = create_dataset(folder, 'aloha', WriteOptions(compress=compress))
    for episode in episodes:
        writer.write(episode)
    writer.close()
    return folder / 'episode_0.hdf5'


def whole(episode: Episode) -> Episode:
    return replace(episode, streams={
        name: Stream(s.stamps_ns, s.values[0:len(s)]) for name, s in episode.streams.items()})


def read_as_act_does(path: Path, cameras: list[str], start: int) -> tuple:
    """Look up what ACT's data set looks up for one sample."""
    with h5py.File(path, 'r') as root:
        return (
            root.attrs['sim'], root['/action'].shape, root['/action'][start:],
            root['/observations/qpos'][start], root['/observations/qvel'][start],
            np.stack([root[f'/observations/images/{camera}'][start] for camera in cameras]))


@pytest.mark.parametrize('make', [make_episode, make_rates])
def test_act_finds_what_it_reads(tmp_path: Path, make) -> None:
    episode = make(7)
    table = tabulate(episode)
    path = write_all(tmp_path, episode)
    sim, shape, actions, qpos, qvel, images = read_as_act_does(path, ['static', 'wrist'], 2)
    assert bool(sim) is True
    assert shape == (7, 7)
    np.testing.assert_array_equal(actions, episode.streams['action'].values[2:])
    joints = [table.columns[f'observation/state/{part}'] for part in (
        'joint_position', 'gripper', 'joint_velocity')]
    np.testing.assert_array_equal(qpos, [*joints[0][2], joints[1][2]])
    assert qvel.shape == (8,)
    np.testing.assert_array_equal(qvel[:7], joints[2][2])
    for image, camera in zip(images, ('static', 'wrist')):
        np.testing.assert_array_equal(image, table.columns[IMAGES + camera][2])


@pytest.mark.parametrize('make', [make_episode, make_rates])
def test_the_episode_comes_back_bit_for_bit(tmp_path: Path, make) -> None:
    write_all(tmp_path, make(), make(5, seed=1))
    assert detect(tmp_path).name == 'aloha'
    reader = open_dataset(tmp_path)
    for number, episode in enumerate([make(), make(5, seed=1)]):
        got = reader.read(number)
        assert is_lazy(got.streams[IMAGES + 'static'].values)
        assert_equal(whole(got), episode)
        verify_episode(tmp_path / f'episode_{number}.hdf5')
    reader.close()


@pytest.mark.parametrize('make', [make_episode, make_rates])
def test_compressed_pictures_are_jpeg_and_all_else_is_lossless(tmp_path: Path, make) -> None:
    episode = make(7)
    path = write_all(tmp_path, episode, compress=True)
    verify_episode(path)
    got = whole(open_dataset(tmp_path).read(0))
    for name in [n for n in episode.streams if n.startswith(IMAGES)]:
        wanted, found = (e.streams[name].values.astype(int) for e in (episode, got))
        assert np.abs(wanted - found).mean() < ERROR[0]
        assert np.abs(wanted - found).max() < ERROR[1]
        got.streams[name] = episode.streams[name]
    assert_equal(got, episode)
    assert open_dataset(path).read(0).streams[IMAGES + 'wrist'].values[3:3].shape[0] == 0


def test_openpi_decodes_the_compressed_pictures(tmp_path: Path) -> None:
    episode = make_rates(7)
    shown = tabulate(episode).columns
    with h5py.File(write_all(tmp_path, episode, compress=True)) as root:
        assert root.attrs['compress']
        cameras = list(root['/observations/images'])
        assert root['/compress_len'].shape == (2, 7)
        for camera, sizes in zip(cameras, root['/compress_len'], strict=True):
            rows = root[f'/observations/images/{camera}']
            assert rows.ndim == 2
            for row, size, wanted in zip(rows, sizes, shown[IMAGES + camera], strict=True):
                assert row[size - 2:size].tobytes() == b'\xff\xd9'
                assert not row[size:].any()
                image = cv2.cvtColor(cv2.imdecode(row, 1), cv2.COLOR_BGR2RGB)
                assert np.abs(image.astype(int) - wanted).mean() < ERROR[0]


@given(streams(), st.integers(1, 4), st.booleans())
@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_episode_with_actions_and_joints_survives(
    tmp_path: Path, found: dict[str, Stream], steps: int, sim: bool
) -> None:
    rows = Stream(10 + 10 * np.arange(steps), np.arange(steps * 3).reshape(steps, 3) / 7)
    states = ('observation/images', 'observation/depth', 'observation/tactile',
              'observation/state', 'action')
    free = {n: s for n, s in found.items() if not n.startswith(states)}  # or none may be fresh
    shown = {'action': rows, 'observation/state/joint_position': rows}
    pictures = {n: Stream(s.stamps_ns + 10 - s.stamps_ns[0], s.values)
                for n, s in found.items() if n.startswith(states[:3]) and len(s)}
    episode = Episode(
        'e', 'panda', '', 'do it', {**free, **pictures, **shown}, seed=1 if sim else None)
    folder = tmp_path / uuid.uuid4().hex
    path = write_all(folder, episode)
    verify_episode(path)
    assert_equal(whole(open_dataset(folder).read(0)), episode)
    with h5py.File(path) as root:
        assert root.attrs['sim'] == sim
        assert {len(image) for image in root.get('observations/images', {}).values()} <= {steps}


def test_episodes_are_numbered_after_the_existing_ones_without_a_gap(tmp_path: Path) -> None:
    for first in (0, 6):
        write_all(tmp_path, *(make_episode(1, seed=first + k) for k in range(6)))
    assert {p.name for p in tmp_path.iterdir()} == {f'episode_{k}.hdf5' for k in range(12)}
    reader = open_dataset(tmp_path)
    assert [reader.read(k).seed for k in range(12)] == list(range(12))


@pytest.mark.parametrize('missing', ['action', 'observation/state/joint_position'])
def test_what_aloha_cannot_hold_is_refused_and_leaves_nothing(
    tmp_path: Path, missing: str
) -> None:
    episode = make_episode()
    streams = {name: s for name, s in episode.streams.items() if name != missing}
    with pytest.raises(InvalidDataError, match=f"e0: got no stream '{missing}'"):
        write_all(tmp_path, replace(episode, streams=streams))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('compress', [False, True])
def test_a_long_lazy_stream_is_written_and_read_in_constant_memory(
    tmp_path: Path, compress: bool
) -> None:
    rows = MadeUpRows((400, 60, 80, 3))
    stamps = np.arange(400) * 33_000_000
    numbers = Stream(stamps, np.zeros((400, 7)))
    streams = {IMAGES + 'high': Stream(stamps, rows), 'action': numbers,
               'observation/state/joint_position': numbers}
    tracemalloc.start()
    write_all(tmp_path, Episode('e', 'panda', '', '', streams), compress=compress)
    values = open_dataset(tmp_path).read(0).streams[IMAGES + 'high'].values
    assert sum(len(block) for block in blocks(values)) == 400
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows.most <= 32
    assert peak < 400 * 60 * 80 * 3


def test_what_is_broken_in_a_file_of_ours_names_it(tmp_path: Path) -> None:
    write_all(tmp_path, make_episode(), make_episode(seed=1), make_episode(seed=2), compress=True)
    with h5py.File(tmp_path / 'episode_0.hdf5', 'r+') as file:
        file['observations/images/wrist'][1] = 0
    path = tmp_path / 'episode_1.hdf5'
    path.write_bytes(path.read_bytes()[:-100])
    reader = open_dataset(tmp_path)
    assert reader.read(2).seed == 2
    with pytest.raises(InvalidDataError, match=r'episode_1\.hdf5: not a readable episode'):
        reader.read(1)
    values = reader.read(0).streams[IMAGES + 'wrist'].values
    assert len(values[0:1]) == 1
    with pytest.raises(InvalidDataError, match=r'episode_0\.hdf5: .*wrist: got no JPEG .* row 1,'):
        values[0:4]
    with pytest.raises(InvalidDataError, match=r"episode_0\.hdf5: stream '.*wrist': got CRC-32C"):
        verify_episode(tmp_path / 'episode_0.hdf5')
