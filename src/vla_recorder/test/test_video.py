"""Laws of the video encoder and of frames decoded when they are asked for."""

from pathlib import Path

import av
from made_up_episodes import make_images
import numpy as np
import pytest
from vla_core.errors import InvalidDataError
from vla_core.lazy import LazyArray
from vla_recorder.video import VideoEncoder, VideoFrames

CODEC_ERROR = 4.0  # mean absolute error of a frame, of 255


def write(path: Path, images: np.ndarray, fps: int = 12) -> np.ndarray:
    """Encode images (N, H, W, 3) and return the times (N,) [s] of their frames."""
    encoder = VideoEncoder(path, *images.shape[1:3], fps)
    for image in images:
        encoder.add(image)
    encoder.close()
    return np.arange(len(images)) / fps


@pytest.mark.parametrize('size', [(32, 48), (33, 47), (96, 96)])
def test_frames_come_back_within_the_codecs_error(tmp_path: Path, size: tuple[int, int]) -> None:
    images = make_images(20, *size)
    times = write(tmp_path / 'a.mp4', images)
    frames = VideoFrames(tmp_path / 'a.mp4', times, *size, 12)
    assert isinstance(frames, LazyArray) and frames.shape == images.shape
    error = np.abs(frames[0:20].astype(int) - images).mean(axis=(1, 2, 3))
    assert error.max() < CODEC_ERROR


def test_frame_k_is_shown_at_exactly_k_over_fps(tmp_path: Path) -> None:
    write(tmp_path / 'a.mp4', make_images(30), fps=7)
    with av.open(str(tmp_path / 'a.mp4')) as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert [time * 7 for time in times] == list(range(30))


def test_any_order_of_slices_gives_the_same_frames(tmp_path: Path) -> None:
    times = write(tmp_path / 'a.mp4', make_images(40))
    frames = VideoFrames(tmp_path / 'a.mp4', times, 32, 48, 12)
    whole = frames[0:40]
    for start, stop in ((30, 40), (0, 3), (3, 7), (39, 40), (7, 7), (5, 6), (20, 31)):
        assert np.array_equal(frames[start:stop], whole[start:stop])


def test_times_may_skip_frames_repeat_them_and_be_a_little_off(tmp_path: Path) -> None:
    times = write(tmp_path / 'a.mp4', make_images(40))
    whole = VideoFrames(tmp_path / 'a.mp4', times, 32, 48, 12)[0:40]
    rows = np.array([3, 3, 9, 10, 38])
    frames = VideoFrames(tmp_path / 'a.mp4', times[rows] + 0.02, 32, 48, 12)
    assert np.array_equal(frames[0:5], whole[rows])


def test_a_closed_video_opens_again(tmp_path: Path) -> None:
    times = write(tmp_path / 'a.mp4', make_images(4))
    frames = VideoFrames(tmp_path / 'a.mp4', times, 32, 48, 12)
    before = frames[1:2]
    frames.close()
    assert np.array_equal(frames[1:2], before)


def test_reading_on_decodes_each_frame_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = write(tmp_path / 'a.mp4', make_images(40))
    frames = VideoFrames(tmp_path / 'a.mp4', times, 32, 48, 12)
    seeks: list[float] = []
    real = frames._seek
    monkeypatch.setattr(frames, '_seek', lambda time_s: (seeks.append(time_s), real(time_s)))
    for start in range(0, 40, 8):
        frames[start:start + 8]
    assert seeks == [0.0]


def test_a_missing_truncated_or_short_video_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / 'a.mp4'
    times = write(path, make_images(8))
    with pytest.raises(InvalidDataError, match=r'b\.mp4: not a readable video'):
        VideoFrames(tmp_path / 'b.mp4', times, 32, 48, 12)
    frames = VideoFrames(path, np.arange(12) / 12, 32, 48, 12)
    with pytest.raises(InvalidDataError, match=r'a\.mp4: got no frame at 0\.667 s'):
        frames[4:12]
    with pytest.raises(InvalidDataError, match=r'a\.mp4: got frames \(32, 48, 3\)'):
        VideoFrames(path, times, 32, 46, 12)[0:1]
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InvalidDataError, match=r'a\.mp4: not a readable video') as caught:
        VideoFrames(path, times, 32, 48, 12)
    assert '\n' not in str(caught.value)


def test_a_frame_of_another_shape_or_type_is_refused(tmp_path: Path) -> None:
    encoder = VideoEncoder(tmp_path / 'a.mp4', 32, 48, 12)
    for frame in (np.zeros((32, 46, 3), np.uint8), np.zeros((32, 48, 3), np.float32)):
        with pytest.raises(InvalidDataError, match='allowed uint8'):
            encoder.add(frame)
    encoder.add(np.zeros((32, 48, 3), np.uint8))
    assert len(encoder) == 1
    encoder.close()
    encoder.close()
