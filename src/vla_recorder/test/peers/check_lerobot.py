"""Hold our LeRobot v3 codec against the real `lerobot` library, both ways, frame by frame.

Data sets of LeRobotWriter are loaded by LeRobotDataset: one rate and many, two cameras, depth,
touch, delta_timestamps, and language columns where the library knows them. A data set that
LeRobotDataset itself wrote, several episodes a file, is read by `open_reader`.

Not part of the test suite, since `lerobot` brings its own torch. In an environment that has
lerobot 0.4.4 or 0.6.1, PyAV, PyYAML, SciPy and OpenCV, from the root of this repository:

    PYTHONPATH=src/vla_core:src/vla_recorder python src/vla_recorder/test/peers/check_lerobot.py
    ... check_lerobot.py FOLDER     # walk through a recorded data set instead

Without torchcodec and with a torchvision that has no VideoReader, `--pyav` decodes with PyAV.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path
import sys
import tempfile

import av
from lerobot.datasets import video_utils
from lerobot.datasets.lerobot_dataset import LeRobotDataset
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from made_up_episodes import make_episode, make_images
from made_up_kinds import make_depth, make_kinds
from vla_core.episode import ACTION, Episode, IMAGE_PREFIX, TOOL_POSE
from vla_core.spec import load_robot
from vla_recorder.lerobot.codec import LeRobotWriter, open_reader, read_episode

CODEC_ERROR = 6.0  # mean absolute error of a frame, of 255; AV1 at LeRobot's crf 30 included
FPS = 12
LANGUAGE = find_spec('lerobot.datasets.language') is not None  # LeRobot 0.6 has it


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


def load(root: Path, **options: object) -> LeRobotDataset:
    """Return the data set, which must not need the network."""
    return LeRobotDataset('local/check', root=root, video_backend='pyav', **options)


def check_made_up(root: Path) -> None:
    """Write episodes over two runs of the writer, load them and compare all of it."""
    episodes = [make_episode(steps=6 + k, seed=k, success=bool(k % 2)) for k in range(5)]
    for part in (episodes[:3], episodes[3:]):
        writer = LeRobotWriter(root, FPS, load_robot('panda'), language=LANGUAGE)
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


def check_rates(root: Path) -> None:
    """Write episodes of many rates, load them and compare random items with our own reader."""
    episodes = [make_kinds(seed, 1.0 + seed) for seed in range(3)]
    writer = LeRobotWriter(root, robot=load_robot('panda'), language=LANGUAGE)
    for episode in episodes:
        writer.write(episode)
    writer.close()
    dataset, reader = load(root), open_reader(root)
    lengths = [len(e.streams[ACTION]) for e in episodes]
    assert dataset.num_frames == sum(lengths) and len(reader) == dataset.num_episodes == 3
    worst: dict[str, float] = {}
    for index in np.random.default_rng(0).permutation(sum(lengths)):
        item = dataset[int(index)]
        episode, k = item['episode_index'].item(), item['frame_index'].item()
        assert item['stamp_ns'].item() == episodes[episode].streams[ACTION].stamps_ns[k]
        check_item(item, episodes[episode], reader.read(episode), k, worst)
    if LANGUAGE:
        check_language(dataset, lengths)
    for name, error in worst.items():
        print(f'  {name}: mean error of the worst frame {error:.2f} of 255')


def check_item(item: dict, episode: Episode, ours: Episode, k: int, worst: dict) -> None:
    """Hold a frame of the library against what was recorded, and against our own reader."""
    action = episode.streams[ACTION]
    for name in (ACTION, 'extra/pose_matrix'):  # the library makes float32 of all floats
        got = item[f'vla.{name.replace("/", ".")}'].numpy()
        assert np.array_equal(got, episode.streams[name].values[k].astype(got.dtype)), name
    for name in ('extra/contact', 'extra/int8', 'extra/uint32'):
        assert item[f'vla.{name.replace("/", ".")}'].item() == episode.streams[name].values[k]
    for name in ('images/static', 'images/wrist', 'tactile/left'):
        picture = shown(ours, f'observation/{name}', action.stamps_ns[k])
        got = item[f'observation.{name.replace("/", ".")}'].permute(1, 2, 0).numpy() * 255
        assert np.abs(got - picture).max() <= 2.0, (name, k)  # two decoders of one video
        true = shown(episode, f'observation/{name}', action.stamps_ns[k])
        error = float(np.abs(got - true).mean())
        worst[name] = max(worst.get(name, 0.0), error)
        assert error < CODEC_ERROR, (name, k, error)
    for camera in ('static', 'wrist'):
        depth = shown(episode, f'observation/depth/{camera}', action.stamps_ns[k])
        if LANGUAGE and depth.dtype.kind == 'f':  # LeRobot 0.6 gives millimetres
            depth = depth * np.float32(1000)
        got = item[f'observation.images.{camera}_depth'].numpy()
        assert np.array_equal(got[0], depth.astype(got.dtype), equal_nan=depth.dtype.kind == 'f')


def shown(episode: Episode, name: str, stamp_ns: int) -> np.ndarray:
    """Return the picture of a stream nearest to an instant, the older of two as near."""
    stream = episode.streams[name]
    nearest = int(np.abs(stream.stamps_ns - stamp_ns).argmin())
    return stream.values[nearest:nearest + 1][0]


def check_language(dataset: LeRobotDataset, lengths: list[int]) -> None:
    """Hold the language columns the library gives against the episodes."""
    events = [dataset[k]['language_events'] for k in range(sum(lengths))]
    said = [[row['content'] for row in rows] for rows in events if rows]
    assert said == [['how many blocks?', 'three']] * len(lengths), said
    spans = dataset[lengths[0]]['language_persistent']
    assert [(row['style'], row['content']) for row in spans] == [
        ('subtask', 'reach it'), ('subtask', 'lift it')]
    print('  language columns: read')


def check_deltas(root: Path) -> None:
    """Ask the library for windows of frames around each frame."""
    fps = load(root).fps
    dataset = load(root, delta_timestamps={
        'observation.images.static': [-1 / fps, 0.0], ACTION: [k / fps for k in range(4)]})
    item = dataset[len(dataset) - 2]
    assert item['observation.images.static'].shape[0] == 2
    assert item[ACTION].shape == (4, 7)
    assert item['action_is_pad'].tolist() == [False, False, True, True]


def check_theirs(root: Path, vcodec: str) -> None:
    """Let the library write a data set and read it with our own reader."""
    rng = np.random.default_rng(0)
    features = {
        'observation.images.front': picture((32, 48, 3), 'video'),
        'observation.images.wrist': picture((24, 32, 3), 'video'),
        'observation.images.still': picture((16, 20, 3), 'image'),
        'observation.state': {'dtype': 'float32', 'shape': (6,), 'names': None},
        'action': {'dtype': 'float32', 'shape': (6,), 'names': None}}
    if LANGUAGE:  # the library knows depth, too
        features['observation.images.front_depth'] = {
            **picture((24, 32, 1), 'image'), 'info': {'is_depth_map': True, 'depth_unit': 'mm'}}
        features['observation.images.wrist_depth'] = {
            **picture((64, 64, 1), 'video'), 'info': {'is_depth_map': True}}
    codec = {} if LANGUAGE else {'vcodec': vcodec}
    dataset = LeRobotDataset.create('local/theirs', 10, features, root=root, robot_type='so101',
                                    use_videos=True, **codec)
    written = []
    for index, steps in enumerate((7, 5, 9)):
        frames = their_frames(steps, rng, features)
        for frame in frames:
            dataset.add_frame({**frame, 'task': f'task {index % 2}'})
        dataset.save_episode()
        written.append(frames)
    dataset.finalize()
    reader = open_reader(root)
    assert len(reader) == 3
    for index, frames in enumerate(written):
        check_their_episode(reader.read(index), index, frames)
    reader.close()


def picture(shape: tuple[int, int, int], dtype: str) -> dict:
    """Return the feature of a picture."""
    return {'dtype': dtype, 'shape': shape, 'names': ['height', 'width', 'channels']}


def their_frames(steps: int, rng: np.random.Generator, features: dict) -> list[dict]:
    """Return the frames of an episode as the library takes them."""
    phase = int(rng.integers(100))
    made = {key: make_images(steps, *feature['shape'][:2], phase=phase)
            for key, feature in features.items() if feature['shape'][-1] == 3}
    made |= {key: make_depth(steps, 'uint16', *feature['shape'][:2])[..., None]
             for key, feature in features.items() if feature['shape'][-1] == 1}
    rows = {key: rng.normal(size=(steps, 6)).astype(np.float32)
            for key in ('observation.state', 'action')}
    return [{key: values[k] for key, values in {**made, **rows}.items()} for k in range(steps)]


def check_their_episode(episode: Episode, index: int, frames: list[dict]) -> None:
    """Hold an episode of our reader against the frames the library was given."""
    assert episode.instruction == f'task {index % 2}' and episode.robot == 'so101'
    for name, key in (('observation/state/state', 'observation.state'), (ACTION, 'action')):
        stream = episode.streams[name]
        assert np.array_equal(stream.values, np.stack([frame[key] for frame in frames]))
        assert np.array_equal(stream.stamps_ns, np.arange(len(frames)) * 100_000_000)
    for camera in episode.cameras:
        values = episode.streams[IMAGE_PREFIX + camera].values
        true = np.stack([frame[f'observation.images.{camera}'] for frame in frames])
        error = np.abs(values[0:len(values)].astype(int) - true).mean(axis=(1, 2, 3)).max()
        print(f'  theirs, episode {index}, {camera}: mean error of the worst frame {error:.2f}')
        assert error < (CODEC_ERROR if camera != 'still' else 1e-9)
    if 'observation/depth/front' in episode.streams:
        values = episode.streams['observation/depth/front'].values
        true = np.stack([frame['observation.images.front_depth'] for frame in frames])[..., 0]
        assert np.array_equal(values[0:len(values)], true)
        values = episode.streams['observation/depth/wrist'].values
        true = np.stack([frame['observation.images.wrist_depth'] for frame in frames])[..., 0]
        error = np.abs(values[0:len(values)].astype(int) - true)[:, 3:]
        print(f'  theirs, episode {index}, depth video: worst error {error.max()} mm')
        assert error.max() <= 10  # 12 bits, and holes are not kept


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
    parser.add_argument('--vcodec', default='libsvtav1', help='of the data set LeRobot writes')
    args = parser.parse_args()
    if args.pyav:
        video_utils.decode_video_frames_torchvision = decode_with_pyav
    if args.folder:
        check_folder(args.folder)
    else:
        with tempfile.TemporaryDirectory() as folder:
            check_made_up(Path(folder) / 'data set')
            check_rates(Path(folder) / 'rates')
            check_deltas(Path(folder) / 'rates')
            check_theirs(Path(folder) / 'theirs', args.vcodec)
    print('ok: every episode and frame agrees')


if __name__ == '__main__':
    main()
