"""A writer killed at any instant loses nothing it had finished.

`KILL_TRIALS=100 pytest test_killed.py` tries more often.
"""

from collections.abc import Callable
import json
import os
from pathlib import Path
import subprocess
import sys

import h5py
import pytest
from vla_recorder.aloha import codec as aloha
from vla_recorder.bag import codec as bag
from vla_recorder.formats import WriteOptions
from vla_recorder.hdf5 import codec as hdf5
from vla_recorder.lerobot import codec as lerobot
from vla_recorder.lerobot.layout import load
from vla_recorder.rlds import codec as rlds

TRIALS = int(os.environ.get('KILL_TRIALS', '10'))
SCRIPT = Path(__file__).with_name('killed_writer.py')


def seeds_hdf5(folder: Path) -> list[int]:
    hdf5.open_writer(folder, WriteOptions()).close()  # what the next one does: tidy up
    assert not list(folder.glob('.*'))
    paths = hdf5.list_episodes(folder)
    with h5py.File(folder / 'dataset.hdf5') as index:
        assert len(index['data']) == len(paths)
    for path in paths:
        hdf5.verify_episode(path)
    return [hdf5.read_episode(path).seed for path in paths]


def seeds_aloha(folder: Path) -> list[int]:
    aloha.open_writer(folder, WriteOptions()).close()
    assert not list(folder.glob('.*'))
    for path in aloha.list_episodes(folder):
        aloha.verify_episode(path)
    reader = aloha.open_reader(folder)
    return [reader.read(k).seed for k in range(len(reader))]


def seeds_lerobot(folder: Path) -> list[int]:
    data = load(folder)
    count = data.episodes if data else 0
    return [lerobot.read_episode(folder, k).seed for k in range(count)]


def seeds_rlds(folder: Path) -> list[int]:
    reader = rlds.open_reader(folder)
    return [reader.read(k).seed for k in range(len(reader))]


def seeds_mcap(folder: Path) -> list[int]:
    bag.open_writer(folder).close()
    assert not list(folder.glob('.*'))
    reader = bag.open_reader(folder)
    return [reader.read(k).seed for k in range(len(reader))]


@pytest.mark.parametrize(('kind', 'seeds'), [
    ('hdf5', seeds_hdf5), ('aloha', seeds_aloha), ('lerobot', seeds_lerobot),
    ('rlds', seeds_rlds), ('mcap', seeds_mcap)])
def test_every_finished_episode_survives_a_kill(
    tmp_path: Path, kind: str, seeds: Callable[[Path], list[int]]
) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), kind, str(tmp_path), str(TRIALS)],
        stdout=subprocess.PIPE, check=True, text=True)
    trials = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(trials) == TRIALS
    kept = seeds(tmp_path)
    assert kept == list(range(len(kept)))
    after = [found for found, _ in trials[1:]] + [len(kept)]
    for (found, written), then in zip(trials, after, strict=True):
        assert found + written <= then <= found + written + 1
