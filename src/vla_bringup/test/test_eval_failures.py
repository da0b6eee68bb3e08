"""What is kept of failures: the first ones, each with a video and a strip."""

from itertools import permutations
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from vla_bringup.failure_video import Film, Gallery
from vla_core.types import Observation


def _observation(step: int) -> Observation:
    return Observation(
        stamp_ns=step, episode_id='e', joint_position=np.zeros(7), joint_velocity=np.zeros(7),
        tool_pose=np.zeros(7), gripper=1.0, images={
            'static': np.full((96, 96, 3), 20 * step, np.uint8),
            'wrist': np.full((84, 120, 3), 255 - 20 * step, np.uint8)})


def _film(steps: int) -> Film:
    film = Film()
    film.on_reset(_observation(0), None, 'open the drawer')
    for step in range(steps):
        film.on_step(_observation(step), None, None, None)
    return film


def test_a_failure_is_a_video_of_every_step_and_a_strip_from_first_to_last(
    tmp_path: Path
) -> None:
    _film(7).save(tmp_path / 'a', fps=12)
    with av.open(str(tmp_path / 'a.mp4')) as video:
        pictures = [frame.to_ndarray(format='rgb24') for frame in video.decode(video=0)]
        assert (len(pictures), video.streams.video[0].average_rate) == (7, 12)
    strip = cv2.imread(str(tmp_path / 'a.jpg'))
    assert strip[96, 96] == pytest.approx([0, 0, 0], abs=8)  # the static camera's, at first
    assert strip[96, -140] == pytest.approx([120] * 3, abs=8)  # and at last
    assert strip[-96, 96] == pytest.approx([255] * 3, abs=8)  # the wrist's, below


def test_an_episode_without_a_step_leaves_nothing(tmp_path: Path) -> None:
    _film(0).save(tmp_path / 'a', fps=12)
    assert list(tmp_path.iterdir()) == []


def test_the_first_failures_are_kept_whatever_their_order(tmp_path: Path) -> None:
    for order in permutations(range(4)):
        gallery = Gallery(tmp_path, 2)
        (tmp_path / 'videos').mkdir(exist_ok=True)
        for index in order:
            for suffix in ('mp4', 'jpg'):
                (tmp_path / 'videos' / f'{index}.{suffix}').touch()
            gallery.add(index, str(index))
        assert gallery.names == ['0', '1']
        left = sorted(path.name for path in (tmp_path / 'videos').iterdir())
        assert left == ['0.jpg', '0.mp4', '1.jpg', '1.mp4']
