"""Let robomimic itself open a folder of ours; print what it saw. Exit 1 where it differs.

    pip install torch torchvision robomimic        # in an environment of its own
    python check_robomimic.py write FOLDER         # with the suite's Python: makes the data
    python check_robomimic.py read FOLDER          # with robomimic's Python: needs none of ours

`read` runs robomimic's SequenceDataset over the data set's one file, `dataset.hdf5`, and holds
every sample against arrays that `write` put beside it.
"""

from pathlib import Path
import sys

import numpy as np

KEYS = {'rgb': ['static_image', 'wrist_image'], 'depth': ['static_depth'],
        'low_dim': ['joint_position', 'gripper', 'tool_pose']}
STREAMS = {
    'static_image': 'observation/images/static', 'wrist_image': 'observation/images/wrist',
    'static_depth': 'observation/depth/static', 'tool_pose': 'observation/state/tool_pose',
    'joint_position': 'observation/state/joint_position', 'actions': 'action',
    'gripper': 'observation/state/gripper'}
EPISODES, LENGTH = 5, 4


def write(folder: Path) -> None:
    """Write episodes of one rate and of several, plain and compressed, and what is expected."""
    from lazy_fakes import make_rates
    from vla_recorder.formats import create_dataset, WriteOptions
    from vla_recorder.table import tabulate

    wanted = {}
    for number in range(EPISODES):
        options = WriteOptions(compress=number % 2 == 1)
        writer = create_dataset(folder, 'hdf5', options)
        episode = make_rates(steps=6 + number, seed=number)
        writer.write(episode)
        writer.close()
        columns = tabulate(episode).columns
        wanted |= {f'{number}/{key}': np.asarray(columns[name]) for key, name in STREAMS.items()}
    np.savez(folder / 'wanted.npz', **wanted)


def read(folder: Path) -> int:
    """Return how many samples robomimic served, all as expected."""
    from robomimic.utils import file_utils, obs_utils
    from robomimic.utils.dataset import SequenceDataset

    obs_utils.initialize_obs_utils_with_obs_specs({'obs': KEYS})
    keys = [key for group in KEYS.values() for key in group]
    path = str(folder / 'dataset.hdf5')
    shapes = file_utils.get_shape_metadata_from_dataset(path, keys)
    print(file_utils.get_env_metadata_from_dataset(path), dict(shapes['all_shapes']))
    wanted = np.load(folder / 'wanted.npz')
    for cache in (None, 'low_dim', 'all'):
        data = SequenceDataset(
            path, obs_keys=keys, dataset_keys=['actions', 'rewards', 'dones'],
            seq_length=LENGTH, hdf5_cache_mode=cache, load_next_obs=False,
            filter_by_attribute='train')
        count = 0
        for number in range(EPISODES):
            steps = len(wanted[f'{number}/actions'])
            for row in range(steps):
                compare(data[count], wanted, number, row, steps)
                count += 1
        assert count == len(data), (count, len(data))
    return count


def compare(sample: dict, wanted: dict, number: int, row: int, steps: int) -> None:
    """Hold one sample against the expected rows; past the end robomimic repeats the last."""
    rows = np.minimum(np.arange(row, row + LENGTH), steps - 1)
    for key in STREAMS:
        got = sample['actions'] if key == 'actions' else sample['obs'][key]
        expected = wanted[f'{number}/{key}'][rows]
        np.testing.assert_array_equal(np.asarray(got).reshape(expected.shape), expected, key)
    np.testing.assert_array_equal(np.ravel(sample['dones']), rows == steps - 1)
    np.testing.assert_array_equal(np.ravel(sample['rewards']), rows == steps - 1)


def main() -> None:
    """Run one half."""
    half, folder = sys.argv[1], Path(sys.argv[2])
    if half == 'write':
        write(folder)
    else:
        print(f'robomimic served {read(folder)} samples as expected')


if __name__ == '__main__':
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main()
