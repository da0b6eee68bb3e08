"""A frame read at random out of a video is the frame of the whole video, or an error."""

from pathlib import Path

import av
from made_up_episodes import make_images
from made_up_videos import decode, encode
import numpy as np
import pytest
from vla_core.errors import InvalidDataError
from vla_recorder.loader.episode import VideoPictures
from vla_recorder.loader.frame_cache import FrameCache
from vla_recorder.loader.video import decode_through_container, Decoder, index_video

FPS = 12


VIDEOS = {
    'a key frame every 2': ('libx264', {'g': '2', 'bf': '0'}),
    'a key frame every 12': ('libx264', {'g': '12', 'bf': '0'}),
    'frames stored out of order': ('libx264', {'g': '12', 'bf': '3', 'b_strategy': '0'}),
    'as LeRobot writes it': ('libsvtav1', {'g': '2', 'crf': '30'}),
}


@pytest.mark.parametrize('kind', VIDEOS)
def test_a_frame_at_random_is_the_frame_of_the_whole_video(kind: str, tmp_path: Path) -> None:
    codec, options = VIDEOS[kind]
    if codec not in av.codecs_available:
        pytest.skip(f'this PyAV has no {codec}')
    path = tmp_path / 'video.mp4'
    images = make_images(30)
    images = np.repeat(np.repeat(images, 4, 1), 4, 2)
    encode(path, images, FPS, codec, options)
    wanted = decode(path)
    index = index_video(path)
    assert index.straight == ('out of order' not in kind)
    frames = index.frame_at(np.arange(30) / FPS, 0.01)
    decoder, data = Decoder(index.codec, index.extradata), path.read_bytes()
    for k in np.random.default_rng(0).permutation(30).tolist():
        if index.straight:
            first = index.key[frames[k]]
            piece = data[index.offset[first]:index.offset[frames[k]] + index.size[frames[k]]]
            got = decoder.decode(index, int(frames[k]), piece)
        else:
            got = decode_through_container(index, int(frames[k]))
        np.testing.assert_array_equal(got, wanted[k])


def test_a_video_that_ends_before_its_episode_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'video.mp4'
    encode(path, make_images(4), FPS)
    with pytest.raises(InvalidDataError, match=r'video\.mp4: got no frame at 0\.417 s'):
        index_video(path).frame_at(np.array([0.0, 5 / FPS]), 0.5 / FPS)


def test_spoilt_pictures_in_a_video_are_an_error_and_the_others_are_still_right(
    tmp_path: Path,
) -> None:
    path = tmp_path / 'video.mp4'
    encode(path, make_images(8), FPS)
    index, whole = index_video(path), decode(path)
    data = bytearray(path.read_bytes())
    start, size = int(index.offset[4]), int(index.size[4])
    data[start:start + size] = b'\xff' * size
    path.write_bytes(bytes(data))
    pictures, cache = VideoPictures(index, np.arange(8)), FrameCache()
    out = np.empty((index.height, index.width, 3), np.uint8)
    with pytest.raises(InvalidDataError, match=r'video\.mp4: frame 4 cannot be decoded'):
        pictures.read_into(out, 4, cache)
    for row in (0, 1, 7):
        pictures.read_into(out, row, cache)
        np.testing.assert_array_equal(out, whole[row])
