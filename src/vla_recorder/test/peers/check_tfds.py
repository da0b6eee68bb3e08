"""Hold RLDS folders of `vla_recorder.rlds.codec` and of `tensorflow_datasets` against each other.

Not part of the test suite, since TensorFlow is heavy. In an environment that has
tensorflow-cpu, tensorflow_datasets 4.9, importlib_resources, OpenCV, crc32c, h5py, SciPy and
PyYAML, from the root of this repository:

    PYTHONPATH=src/vla_core:src/vla_recorder python src/vla_recorder/test/peers/check_tfds.py
    ... check_tfds.py FOLDER     # walk through a recorded folder instead

It compares every element of every step: what TFDS reads from our folder with the episode that
was written, also while a writer appends to it; and what we read from a folder that TFDS wrote
with what TFDS reads from it.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
import os
from pathlib import Path
import sys
import tempfile

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
import numpy as np
import tensorflow_datasets as tfds

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from made_up_episodes import assert_equal, make_episode
from made_up_rates import make_mixed_episode
from vla_core.episode import Episode
from vla_recorder.formats import WriteOptions
from vla_recorder.rlds import codec as rlds
from vla_recorder.rlds.columns import paths_of
from vla_recorder.rlds.layout import find
from vla_recorder.table import tabulate

IN_ORDER = tfds.ReadConfig(interleave_cycle_length=1)
JPEG_ERROR = 2  # of 255 between two decoders
CLOSE = {'observation/images/jpeg': JPEG_ERROR}


def flat(tree: Mapping, path: str = '') -> Iterator[tuple[str, np.ndarray]]:
    """Yield the leaves of a nested dictionary."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f'{path}{name}/')
        else:
            yield path + name, np.asarray(value)


def by_tfds(folder: Path) -> Iterator[tuple[dict, dict]]:
    """Yield the steps, stacked, and the metadata of each episode as TFDS reads them."""
    builder = tfds.builder_from_directory(str(folder))
    for split in builder.info.splits:
        for episode in builder.as_dataset(split=split, read_config=IN_ORDER):
            rows = [dict(flat(step)) for step in tfds.as_numpy(episode['steps'])]
            steps = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
            yield steps, dict(flat(tfds.as_numpy(episode['episode_metadata'])))


def check_steps(steps: Mapping[str, np.ndarray], meta: Mapping, episode: Episode) -> int:
    """Hold what TFDS read against the episode; return the number of elements compared."""
    table = tabulate(episode)
    count = 0
    for stream, path in paths_of(table.columns).items():
        got, wanted = steps[path.removeprefix('steps/')], table.columns[stream][:]
        if wanted.dtype.kind == 'f' and wanted.ndim < 3:
            wanted = wanted.astype(np.float32)
        assert got.dtype == wanted.dtype, (stream, got.dtype, wanted.dtype)
        assert got.reshape(wanted.shape).tobytes() == wanted.tobytes(), stream
        count += got.size
    assert (steps['stamp_ns'] == table.stamps_ns).all()
    assert {line.decode() for line in steps['language_instruction']} == {episode.instruction}
    assert steps['is_last'].tolist() == [False] * (len(table.stamps_ns) - 1) + [True]
    assert steps['reward'][-1] == float(episode.success is True)
    assert meta['episode_id'].item().decode() == episode.episode_id
    return count


def check_ours(folder: Path) -> None:
    """Write episodes one by one; TFDS must read all of them after each."""
    episodes = [make_mixed_episode(4 + k, k) for k in range(4)]
    writer = rlds.open_writer(folder, WriteOptions(name='mixed'))
    for written, episode in enumerate(episodes, 1):
        writer.write(episode)
        found = list(by_tfds(find(folder)[0]))
        assert len(found) == written
    count = sum(check_steps(*pair, episode) for pair, episode in zip(found, episodes, strict=True))
    print(f'ours read by TFDS: {len(episodes)} episodes, {count} elements equal')
    by_name = tfds.builder('mixed', data_dir=str(folder))
    assert by_name.info.splits['train'].num_examples == len(episodes)
    assert len(list(by_name.as_dataset(split='train', shuffle_files=True))) == len(episodes)
    assert len(list(by_name.as_dataset(split='train[1:3]'))) == 2
    print('ours by name, shuffled and in part: all there')
    packed = by_name.as_dataset(split='train', decoders={'steps': tfds.decode.SkipDecoding()})
    for episode in packed:  # as dlimp reads: only pictures may still be packed
        names = {name for name, value in flat(tfds.as_numpy(episode['steps']))
                 if value.dtype == object}
        assert names == {'language_instruction', 'observation/heat', *(
            name for name in found[0][0] if name.startswith('observation/')
            and name.split('/')[1].startswith(('image_', 'depth_', 'tactile_'))
            and not name.endswith('_'))}, names
    print('ours without decoding, as loaders of Open X-Embodiment read: numbers are numbers')


def check_anew(folder: Path) -> None:
    """Let TFDS write what it read of ours; the episodes stay as they were."""
    episodes = [make_episode(3 + k, k) for k in range(2)]
    writer = rlds.open_writer(folder / 'a', WriteOptions(name='plain'))
    for episode in episodes:
        writer.write(episode)
    builder = tfds.builder_from_directory(str(find(folder / 'a')[0]))
    tfds.dataset_builders.store_as_tfds_dataset(
        name='anew', version='1.0.0', features=builder.info.features,
        data_dir=str(folder / 'b'), disable_shuffling=True,
        split_datasets={'train': builder.as_dataset('train', read_config=IN_ORDER)})
    reader = rlds.open_reader(folder / 'b')
    for k, episode in enumerate(episodes):
        assert_equal(reader.read(k), in_32_bits(episode))
    print(f'ours written anew by TFDS and read by us: {len(episodes)} episodes equal in 32 bits')


def in_32_bits(episode: Episode) -> Episode:
    """Return the episode as far as TFDS sees it."""
    return replace(episode, streams={
        name: replace(stream, values=stream.values.astype(np.float32))
        if stream.values.dtype == np.float64 else stream
        for name, stream in episode.streams.items()})


def theirs(folder: Path) -> Path:
    """Write a folder in the manner of Open X-Embodiment with TFDS."""
    kinds, rng = tfds.features, np.random.default_rng(0)
    features = kinds.FeaturesDict({
        'steps': kinds.Dataset({
            'observation': {
                'png': kinds.Image(shape=(12, 16, 3), encoding_format='png'),
                'jpeg': kinds.Image(shape=(64, 48, 3), encoding_format='jpeg'),
                'depth': kinds.Image(shape=(12, 16, 1), dtype=np.float32),
                'depth_mm': kinds.Image(shape=(12, 16, 1), dtype=np.uint16),
                'state': kinds.Tensor(shape=(7,), dtype=np.float32),
                'exact': kinds.Tensor(shape=(7,), dtype=np.float64, encoding='bytes'),
                'packed': kinds.Tensor(shape=(50, 50), dtype=np.int32, encoding='zlib'),
                'big': kinds.Scalar(dtype=np.uint64)},
            'action': kinds.Tensor(shape=(7,), dtype=np.float32),
            'reward': kinds.Scalar(dtype=np.float32),
            'discount': kinds.Scalar(dtype=np.float32),
            'is_first': kinds.Scalar(dtype=np.bool_),
            'is_last': kinds.Scalar(dtype=np.bool_),
            'is_terminal': kinds.Scalar(dtype=np.bool_),
            'language_instruction': kinds.Text(),
            'language_embedding': kinds.Tensor(shape=(16,), dtype=np.float32)}),
        'episode_metadata': {'file_path': kinds.Text(), 'length': kinds.Scalar(np.int32)}})

    def step(k: int, steps: int) -> dict:
        smooth = np.add.outer(np.arange(64), np.arange(48))[..., None] + np.arange(3) * 40
        return {
            'observation': {
                'png': rng.integers(0, 256, (12, 16, 3), np.uint8),
                'jpeg': ((smooth + 5 * k) % 256).astype(np.uint8),
                'depth': rng.random((12, 16, 1)).astype(np.float32),
                'depth_mm': rng.integers(0, 65536, (12, 16, 1), np.uint16),
                'state': rng.normal(size=7).astype(np.float32), 'exact': rng.normal(size=7),
                'packed': rng.integers(-9, 9, (50, 50), np.int32),
                'big': rng.integers(2**63, 2**64, dtype=np.uint64)},
            'action': rng.normal(size=7).astype(np.float32), 'reward': float(k == steps - 1),
            'discount': 1.0, 'is_first': k == 0, 'is_last': k == steps - 1,
            'is_terminal': k == steps - 1, 'language_instruction': 'push the T',
            'language_embedding': rng.normal(size=16).astype(np.float32)}

    def examples() -> Iterator[tuple[int, dict]]:
        for k in range(5):
            yield k, {'steps': [step(s, 3 + k) for s in range(3 + k)],
                      'episode_metadata': {'file_path': f'raw/{k}', 'length': 3 + k}}

    class Theirs(tfds.core.GeneratorBasedBuilder):
        """The data set."""

        VERSION = tfds.core.Version('0.1.0')
        name = 'theirs'
        pkg_dir_path = folder

        def _info(self) -> tfds.core.DatasetInfo:
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, _: object) -> dict:
            return {'train': examples(), 'val': examples()}

        def _generate_examples(self) -> None:
            raise NotImplementedError

    Theirs(data_dir=str(folder)).download_and_prepare()
    return find(folder)[0]


def check_theirs(folder: Path) -> None:
    """Read a folder of TFDS with both readers."""
    path = theirs(folder)
    reader = rlds.open_reader(path)
    count = episodes = 0
    for index, (steps, meta) in enumerate(by_tfds(path)):
        episode = reader.read(index)
        assert episode.instruction == 'push the T'
        assert episode.meta['length'] == meta['length'] == len(steps['is_first'])
        seen = {name.split('/')[-1]: name for name in episode.streams}
        for name, wanted in steps.items():
            short = name.split('/')[-1]
            if short in ('is_first', 'is_last', 'language_instruction'):
                continue
            got = episode.streams[seen[short]].values[:]
            assert got.dtype == wanted.dtype, name
            wanted = wanted.reshape(got.shape)
            off = np.abs(got.astype(np.float64) - wanted.astype(np.float64)).max()
            assert off <= CLOSE.get(seen[short], 0), (name, off)
            count += got.size
        episodes += 1
    assert len(reader) == episodes == 10
    print(f"TFDS' own read by us: {episodes} episodes of 2 splits, {count} elements equal "
          f'(JPEG within {JPEG_ERROR} of 255)')


def walk(folder: Path) -> None:
    """Read a folder with both and compare the lengths."""
    (path,) = find(folder)
    reader = rlds.open_reader(path)
    for index, (steps, _) in enumerate(by_tfds(path)):
        episode = reader.read(index)
        print(index, episode.episode_id, len(steps['is_first']), 'steps')
    assert index + 1 == len(reader)


def main() -> None:
    """Run the checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path, nargs='?')
    args = parser.parse_args()
    if args.folder:
        walk(args.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        check_ours(Path(folder, 'ours'))
        check_anew(Path(folder, 'anew'))
        check_theirs(Path(folder, 'theirs'))


if __name__ == '__main__':
    main()
