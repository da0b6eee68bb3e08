"""The bench of loading measures every contender on the same frames, and ratios are quotients."""

from pathlib import Path
import sys

import numpy as np
import pytest
from vla_bringup.benchmarks import load
from vla_core.episode import Episode, Stream
from vla_core.errors import VlaError
from vla_recorder.hdf5.codec import Hdf5Writer


def write_episodes(folder: Path, count: int) -> None:
    rng, stamps = np.random.default_rng(0), np.arange(8) * 100_000_000
    for k in range(count):
        still = rng.integers(0, 255, (1, 32, 48, 3), dtype=np.uint8)
        values = {'observation/images/top': np.repeat(still, 8, 0),
                  'observation/state/joint_position': rng.normal(size=(8, 6)),
                  'action': rng.normal(size=(8, 7)).astype(np.float32)}
        Hdf5Writer(folder).write(Episode(
            episode_id=f'e{k}', robot='someones', task='', instruction='do it',
            streams={name: Stream(stamps, value) for name, value in values.items()}))


def test_all_contenders_are_measured_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_episodes(tmp_path / 'given', 2)
    load._write(tmp_path, tmp_path / 'given', 0)
    peer = tmp_path / 'python'
    peer.write_text(f'#!{sys.executable}\nprint(\'{{"wall": 4.0, "cpu": 8.0}}\')\n')
    peer.chmod(0o755)
    monkeypatch.setattr('os.cpu_count', lambda: 2)
    rows = load.measure(tmp_path, peer, 0, rounds=1, seconds=0.05)
    assert rows['data'] == {'frames': 16, 'cameras': 1, 'px': 48}
    for processes in ('1 process', '2 processes'):
        for name in ('HDF5', 'mp4', 'decode limit', 'LeRobotDataset'):
            assert rows[f'{name}, {processes}']['samples/s'] > 0
    for name in ('HDF5', 'mp4'):
        ours = rows[f'{name}, 1 process']
        assert rows[f'{name} / LeRobotDataset, 1'] == {
            'ratio': ours['samples/s'] / 4.0, 'ratio of CPU': ours['samples/s of CPU'] / 8.0}


def test_an_interpreter_without_lerobot_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(VlaError, match=r'--lerobot-python .*allowed a Python with lerobot'):
        load._theirs(Path(sys.executable), tmp_path, 1, 0.1, 0)
