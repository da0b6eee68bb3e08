"""Laws of depth that LeRobot 0.6 keeps in a video."""

from fractions import Fraction
import json
from pathlib import Path

import av
from made_up_lerobot import FPS, LENGTHS, write_theirs
import numpy as np
import pyarrow.parquet as pq
import pytest
from vla_core.errors import InvalidDataError
from vla_recorder.lerobot.codec import open_reader
from vla_recorder.lerobot.depth import DepthScale, STEPS
from vla_recorder.video import VideoFrames

INFO = {'is_depth_map': True, 'depth_unit': 'mm', 'video.depth_min': 0.01, 'video.depth_max': 10.0,
        'video.shift': 3.5, 'video.use_log': True}
KEY = 'observation.images.front_depth'


def write_steps(path: Path, steps: np.ndarray) -> None:
    """Write steps (N, H, W) uint16 of 12 bits as LeRobot does: HEVC without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(
            'libx265', rate=FPS, options={'x265-params': 'lossless=1:log-level=none'})
        stream.height, stream.width = steps.shape[1:]
        stream.pix_fmt, stream.time_base = 'gray12le', Fraction(1, FPS)
        for k, frame in enumerate(steps):
            picture = av.VideoFrame.from_ndarray(frame, format='gray12le')
            picture.pts = k
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def make_steps(count: int) -> np.ndarray:
    row, column = np.mgrid[0:64, 0:64]
    return np.array([(40 * row + 20 * column + 9 * k) % 4096 for k in range(count)], np.uint16)


@pytest.mark.parametrize('logarithmic', [True, False])
def test_the_first_step_is_the_nearest_and_the_last_the_furthest(logarithmic: bool) -> None:
    scale = DepthScale(0.01, 10.0, 3.5, logarithmic, millimetres=False)
    metres = scale.decode(np.arange(STEPS + 1, dtype=np.uint16))
    assert metres.dtype == np.float32 and (np.diff(metres) > 0).all()
    assert np.allclose(metres[[0, -1]], [0.01, 10.0])
    even = np.log(metres.astype(float) + 3.5) if logarithmic else metres.astype(float)
    assert np.allclose(np.diff(even), (even[-1] - even[0]) / STEPS, atol=1e-6)


def test_millimetres_are_rounded_metres() -> None:
    steps = np.arange(STEPS + 1, dtype=np.uint16)
    metres = DepthScale(0.01, 10.0, 3.5, True, millimetres=False).decode(steps)
    whole = DepthScale(0.01, 10.0, 3.5, True, millimetres=True).decode(steps)
    assert whole.dtype == np.uint16 and np.abs(whole - metres * 1000.0).max() < 0.501


def test_steps_of_12_bits_survive_the_video(tmp_path: Path) -> None:
    steps = make_steps(5)
    write_steps(tmp_path / 'a.mp4', steps)
    frames = VideoFrames(tmp_path / 'a.mp4', np.arange(5) / FPS, 64, 64, FPS, 'gray12le')
    assert frames.dtype == np.uint16 and np.array_equal(frames[0:5], steps)


def test_depth_of_a_video_is_read_as_depth(tmp_path: Path) -> None:
    write_theirs(tmp_path)
    steps = make_steps(sum(LENGTHS))
    describe(tmp_path, INFO)
    write_steps(tmp_path / f'videos/{KEY}/chunk-000/file-000.mp4', steps)
    depth = open_reader(tmp_path).read(1).streams['observation/depth/front'].values
    wanted = DepthScale(0.01, 10.0, 3.5, True, millimetres=True).decode(
        steps[LENGTHS[0]:LENGTHS[0] + LENGTHS[1]])
    assert depth.shape == wanted.shape and np.array_equal(depth[0:len(depth)], wanted)


@pytest.mark.parametrize('changes', [
    {'video.depth_min': None}, {'video.shift': 'x'}, {'video.depth_max': 0.0},
    {'video.depth_min': -4.0}, {'video.depth_max': float('inf')}])
def test_a_scale_without_sense_is_refused(tmp_path: Path, changes: dict) -> None:
    write_theirs(tmp_path)
    describe(tmp_path, {**INFO, **changes})
    write_steps(tmp_path / f'videos/{KEY}/chunk-000/file-000.mp4', make_steps(sum(LENGTHS)))
    with pytest.raises(InvalidDataError, match=r'^episode 0: .* of depth') as caught:
        open_reader(tmp_path).read(0)
    assert '\n' not in str(caught.value)


def describe(root: Path, info: dict) -> None:
    """Add a camera of depth that breaks its files as `front` does to the description."""
    path = root / 'meta/info.json'
    described = json.loads(path.read_text())
    described['features'][KEY] = {
        'dtype': 'video', 'shape': [64, 64, 1], 'names': ['height', 'width', 'channels'],
        'info': info}
    path.write_text(json.dumps(described))
    lines = root / 'meta/episodes/chunk-000/file-000.parquet'
    table = pq.read_table(lines)
    for name in table.column_names:
        if '.front/' in name:
            table = table.append_column(name.replace('.front/', '.front_depth/'), table[name])
    pq.write_table(table, lines)
