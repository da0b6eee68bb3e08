"""A writer killed at any instant loses nothing it had finished.

`KILL_TRIALS=100 pytest test_killed.py` tries more often.
"""

import os
from pathlib import Path
import random
import subprocess
import sys
import threading

import pytest

from vla_recorder import hdf5, lerobot
from vla_recorder.lerobot_layout import load

TRIALS = int(os.environ.get('KILL_TRIALS', '5'))
SCRIPT = Path(__file__).with_name('killed_writer.py')


def write_and_kill(kind: str, folder: Path, first: int, rng: random.Random) -> list[int]:
    """Return the episodes a writer said it had finished before it was killed."""
    command = [sys.executable, str(SCRIPT), kind, str(folder), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = [process.stdout.readline()]  # it is at work: from here on any instant will do
        killer = threading.Timer(rng.uniform(0.0, 0.12), process.kill)
        killer.start()
        said += process.stdout.readlines()
        killer.join()
    return [int(line) for line in said if line.endswith('\n')]


def seeds_hdf5(folder: Path) -> list[int]:
    return [hdf5.read_episode(path).seed for path in hdf5.list_episodes(folder)]


def seeds_lerobot(folder: Path) -> list[int]:
    return [lerobot.read_episode(folder, k).seed for k in range(load(folder).episodes)]


@pytest.mark.parametrize(('kind', 'seeds'), [('hdf5', seeds_hdf5), ('lerobot', seeds_lerobot)])
def test_every_finished_episode_survives_a_kill(tmp_path: Path, kind: str, seeds) -> None:
    rng = random.Random(0)
    kept: list[int] = []
    for _ in range(TRIALS):
        finished = kept + write_and_kill(kind, tmp_path, len(kept), rng)
        kept = seeds(tmp_path)
        assert kept == list(range(len(kept)))
        assert len(finished) <= len(kept) <= len(finished) + 1
