"""Laws of reading ALOHA's files as others write them."""

from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from vla_core.errors import InvalidDataError
from vla_recorder.formats import detect, open_dataset

STEPS = 6
CAMERAS = ('cam_high', 'cam_low', 'cam_left_wrist', 'cam_right_wrist')


def picture(number: int) -> np.ndarray:
    row, column = np.mgrid[0:24, 0:32]
    return np.stack([row * 9, column * 7, np.full_like(row, 9 * number)], -1).astype(np.uint8)


def make_file(path: Path, compress: str = '') -> dict[str, np.ndarray]:
    """Write a bimanual episode as ALOHA's recorder does; 'padded' or 'ragged' are JPEG."""
    rng = np.random.default_rng(0)
    pictures = np.stack([picture(k) for k in range(STEPS)])
    with h5py.File(path, 'w') as root:
        root.attrs['sim'] = False
        root.attrs['compress'] = bool(compress)
        obs = root.create_group('observations')
        image = obs.create_group('images')
        for camera in CAMERAS:
            if not compress:
                image.create_dataset(camera, data=pictures, chunks=(1, 24, 32, 3))
                continue
            jpeg = [cv2.imencode('.jpg', p[..., ::-1])[1].reshape(-1) for p in pictures]
            if compress == 'ragged':
                rows = image.create_dataset(camera, (STEPS,), h5py.vlen_dtype(np.uint8))
                for k, encoded in enumerate(jpeg):
                    rows[k] = encoded
            else:
                size = max(map(len, jpeg))
                image[camera] = np.stack([np.pad(j, (0, size - len(j))) for j in jpeg])
        if compress:
            root['compress_len'] = np.zeros((4, STEPS))
        arrays = {name: rng.normal(size=(STEPS, 14)).astype(np.float32)
                  for name in ('action', 'observations/qpos', 'observations/qvel',
                               'observations/effort')}
        for name, values in arrays.items():
            root[name] = values
    return {**arrays, 'pictures': pictures}


@pytest.mark.parametrize('compress', ['', 'padded', 'ragged'])
def test_two_arms_become_joints_actions_and_pictures_at_50_hz(
    tmp_path: Path, compress: str
) -> None:
    wanted = make_file(tmp_path / 'episode_0.hdf5', compress)
    assert detect(tmp_path).name == detect(tmp_path / 'episode_0.hdf5').name == 'aloha'
    episode = open_dataset(tmp_path).read(0)
    assert (episode.episode_id, episode.robot, episode.cameras) == (
        'episode_0', 'aloha', tuple(sorted(CAMERAS)))
    for stream in episode.streams.values():
        assert stream.stamps_ns.tolist() == [k * 20_000_000 for k in range(STEPS)]
    for name, place in (('action', 'action'), ('observation/state/joint_position', 'qpos'),
                        ('observation/state/joint_velocity', 'qvel'),
                        ('observation/state/joint_effort', 'effort')):
        place = place if place == 'action' else f'observations/{place}'
        np.testing.assert_array_equal(episode.streams[name].values, wanted[place])
    values = episode.streams['observation/images/cam_low'].values
    assert values.shape == (STEPS, 24, 32, 3)
    far = np.abs(values[0:STEPS].astype(int) - wanted['pictures'])
    assert far.max() <= (12 if compress else 0)


def test_a_mobile_base_depth_and_a_sentence_are_read(tmp_path: Path) -> None:
    path = tmp_path / 'episode_7.hdf5'
    make_file(path)
    with h5py.File(path, 'r+') as root:
        root.attrs['language_instruction'] = 'fold the shirt'
        root['base_action'] = np.ones((STEPS, 2))
        root['observations/eef'] = np.ones((STEPS, 3))
        root['observations/images_depth/cam_high'] = np.ones((STEPS, 4, 5), np.uint16)
        root['observations/pointcloud/xyz'] = np.ones((STEPS, 4))
    streams = open_dataset(path).read(0).streams
    assert open_dataset(path).read(0).instruction == 'fold the shirt'
    assert streams['action/base'].values.shape == (STEPS, 2)
    assert streams['observation/state/eef'].values.shape == (STEPS, 3)
    assert streams['observation/depth/cam_high'].values.dtype == np.uint16


def without_action(root: h5py.File) -> None:
    del root['action']


def without_observations(root: h5py.File) -> None:
    del root['observations']


def of_another_length(root: h5py.File) -> None:
    del root['observations/qpos']
    root['observations/qpos'] = np.zeros((STEPS - 1, 14))


def of_objects(root: h5py.File) -> None:
    del root['observations/qpos']
    root['observations/qpos'] = [b'pickled'] * STEPS
    root['observations/extra'] = np.array(['cos\nsystem'] * STEPS, dtype=h5py.string_dtype())


def of_three_axes(root: h5py.File) -> None:
    del root['observations/images/cam_low']
    root['observations/images/cam_low'] = np.zeros((STEPS, 4, 5), np.uint8)


def not_jpeg(root: h5py.File) -> None:
    del root['observations/images/cam_low']
    root['observations/images/cam_low'] = np.zeros((STEPS, 40), np.uint8)


def linked_outside(root: h5py.File) -> None:
    del root['observations/qpos']
    root['observations/qpos'] = h5py.ExternalLink('../../etc/secret.hdf5', '/x')


def linked_camera(root: h5py.File) -> None:
    root['observations/images/cam_odd'] = h5py.SoftLink('/observations/qpos')


def of_an_unsafe_name(root: h5py.File) -> None:
    root['observations/images/..'] = np.zeros((STEPS, 4, 5, 3), np.uint8)


@pytest.mark.parametrize(('change', 'message'), [
    (without_action, 'action: got nothing'),
    (without_observations, 'observations: got nothing'),
    (of_another_length, 'joint_position: got 5 frames, allowed 6'),
    (of_objects, 'values, allowed numbers'),
    (of_three_axes, r'cam_low: got uint8 \(6, 4, 5\), allowed pictures'),
    (not_jpeg, 'cam_low: got no JPEG in its first row'),
    (linked_outside, 'qpos: got a ExternalLink, allowed only'),
    (linked_camera, 'cam_odd: got a SoftLink, allowed only'),
    (of_an_unsafe_name, "stream: got 'observation/images/..'"),
])
def test_a_broken_file_is_one_line_that_names_it_and_the_others_are_read(
    tmp_path: Path, change: Callable[[h5py.File], None], message: str
) -> None:
    for number in range(2):
        make_file(tmp_path / f'episode_{number}.hdf5')
    with h5py.File(tmp_path / 'episode_0.hdf5', 'r+') as root:
        change(root)
    reader = open_dataset(tmp_path)
    with pytest.raises(InvalidDataError, match=message) as caught:
        reader.read(0)
    assert 'episode_0.hdf5' in str(caught.value)
    assert '\n' not in str(caught.value)
    assert len(reader.read(1).streams['action']) == STEPS
