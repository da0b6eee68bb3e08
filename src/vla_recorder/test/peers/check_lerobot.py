"""Load data sets of LeRobotWriter with the real `lerobot` library and compare every frame.

Not part of the test suite, since `lerobot` brings its own torch. In an environment that has
lerobot 0.4.4, PyAV and PyYAML, from the root of this repository:

    PYTHONPATH=src/vla_core:src/vla_recorder python src/vla_recorder/test/peers/check_lerobot.py
    ... check_lerobot.py FOLDER     # walk through a recorded data set instead

Without torchcodec and with a torchvision that has no VideoReader, `--pyav` decodes with PyAV.
"""

import argparse
from pathlib import Path
import sys
import tempfile

import av
from lerobot.datasets import video_utils
from lerobot.datasets.lerobot_dataset import LeRobotDataset
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from made_up_episodes import make_episode
from vla_core.episode import ACTION, Episode, IMAGE_PREFIX, TOOL_POSE
from vla_core.spec import load_robot
from vla_recorder.lerobot import LeRobotWriter, read_episode

CODEC_ERROR = 6.0  # mean absolute error of a frame, of 255
FPS = 12


def decode_with_pyav(path, timestamps, tolerance_s, *_, **__) -> torch.Tensor:
    """Return the frames at `timestamps` [s] as (N, 3, H, W) float32 in 0..1."""
    with av.open(str(path)) as container:
        frames = [(float(f.pts * f.time_base), f.to_ndarray(format='rgb24'))
                  for f in container.decode(video=0)]
    chosen = [min(frames, key=lambda frame: abs(frame[0] - t)) for t in timestamps]
    for (stamp, _), wanted in zip(chosen, timestamps, strict=True):
        assert abs(stamp - wanted) < tolerance_s, (path, stamp, wanted)
    images = np.stack([image for _, image in chosen])
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def load(root: Path) -> LeRobotDataset:
    """Return the data set, which must not need the network."""
    return LeRobotDataset('local/check', root=root, video_backend='pyav')


def check_made_up(root: Path) -> None:
    """Write episodes over two runs of the writer, load them and compare all of it."""
    episodes = [make_episode(steps=6 + k, seed=k, success=bool(k % 2)) for k in range(5)]
    for part in (episodes[:3], episodes[3:]):
        writer = LeRobotWriter(root, FPS, load_robot('panda'))
        for episode in part:
            writer.write(episode)
        writer.close()
    leave_half_an_episode(root)
    dataset = load(root)
    assert dataset.num_episodes == len(episodes)
    assert dataset.num_frames == sum(len(e.streams[ACTION]) for e in episodes)
    first = 0
    for index, episode in enumerate(episodes):
        check_episode(dataset, first, index, episode)
        first += len(episode.streams[ACTION])


def leave_half_an_episode(root: Path) -> None:
    """Leave what a writer killed just before its last rename leaves."""
    info = (root / 'meta/info.json').read_bytes()
    writer = LeRobotWriter(root, FPS, load_robot('panda'))
    writer.write(make_episode(seed=99))
    writer.close()
    (root / 'meta/info.json').write_bytes(info)


def check_episode(dataset: LeRobotDataset, first: int, index: int, episode: Episode) -> None:
    """Hold each frame of the library against the episode that was written."""
    stamps = episode.streams[ACTION].stamps_ns
    for k in range(len(stamps)):
        item = dataset[first + k]
        assert item['episode_index'].item() == index and item['frame_index'].item() == k
        assert item['task'] == episode.instruction
        assert item['stamp_ns'].item() == stamps[k]
        assert abs(item['timestamp'].item() - k / FPS) < 1e-6
        assert item['action'].numpy().tobytes() == episode.streams[ACTION].values[k].tobytes()
        tool = episode.streams[TOOL_POSE].values[k].astype(np.float32)
        assert item['observation.state'][:7].numpy().tobytes() == tool.tobytes()
        assert item['next.done'].item() == (k == len(stamps) - 1)
        assert item['next.success'].item() == (k == len(stamps) - 1 and bool(episode.success))
        for camera in episode.cameras:
            image = item[f'observation.images.{camera}'].permute(1, 2, 0).numpy() * 255
            error = np.abs(image - episode.streams[IMAGE_PREFIX + camera].values[k]).mean()
            assert error < CODEC_ERROR, (index, k, camera, error)


def check_folder(root: Path) -> None:
    """Walk through a recorded data set and compare it with our own reader."""
    dataset = load(root)
    first = 0
    for index in range(dataset.num_episodes):
        episode = read_episode(root, index)
        check_episode(dataset, first, index, episode)
        first += len(episode.streams[ACTION])
    assert first == dataset.num_frames == len(dataset)


def main() -> None:
    """Run the check and say what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', nargs='?', type=Path)
    parser.add_argument('--pyav', action='store_true', help='decode videos with PyAV')
    args = parser.parse_args()
    if args.pyav:
        video_utils.decode_video_frames_torchvision = decode_with_pyav
    if args.folder:
        check_folder(args.folder)
    else:
        with tempfile.TemporaryDirectory() as folder:
            check_made_up(Path(folder) / 'data set')
    print('ok: every episode and frame agrees')


if __name__ == '__main__':
    main()
