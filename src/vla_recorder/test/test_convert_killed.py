"""A converter killed at any instants, and run again, ends as one that was left alone.

`KILL_TRIALS=30 pytest test_convert_killed.py` tries more often.
"""

from collections.abc import Iterator, Mapping
import os
from pathlib import Path
import subprocess
import sys

from made_up_episodes import assert_equal, make_multirate_episode
import pytest
from test_convert import Listener
from vla_core.episode import Episode
from vla_recorder.checksums import verify
from vla_recorder.convert.conversion import Conversion, convert
from vla_recorder.formats import open_dataset
from vla_recorder.hdf5.codec import Hdf5Writer

TRIALS = int(os.environ.get('KILL_TRIALS', '1'))
SCRIPT = Path(__file__).with_name('killed_convert.py')
TIMED = ('hdf5', 'aloha')  # HDF5 keeps times in its files: their bytes are never the same


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('killed') / 'source'
    for seed in range(5):
        Hdf5Writer(folder).write(make_multirate_episode(0.4, seed))
    return folder


def tree(folder: Path) -> Mapping[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes()
            for p in sorted(folder.rglob('*')) if p.is_file()}


def episodes(folder: Path) -> Iterator[Episode]:
    reader = open_dataset(folder)
    for index in range(len(reader)):
        yield reader.read(index)
    reader.close()


@pytest.mark.parametrize('name', ['lerobot', 'hdf5', 'rlds', 'mcap', 'aloha'])
def test_a_killed_conversion_ends_as_an_undisturbed_one(
    source: Path, name: str, tmp_path: Path
) -> None:
    convert(Conversion(source, tmp_path / 'whole', name), Listener())
    wanted = tree(tmp_path / 'whole')
    for trial in range(TRIALS):
        place = tmp_path / f'trial{trial}'
        command = [sys.executable, str(SCRIPT), str(source), str(place), name, str(trial)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        assert int(done.stdout) > 0  # was killed at least once
        got = tree(place)
        assert set(got) == set(wanted)
        assert verify(place) == []
        assert not list(tmp_path.glob('.*'))
        if name in TIMED:
            pairs = zip(episodes(place), episodes(tmp_path / 'whole'), strict=True)
            for one, other in pairs:
                assert_equal(one, other)
        else:
            assert [path for path in wanted if got[path] != wanted[path]] == []
