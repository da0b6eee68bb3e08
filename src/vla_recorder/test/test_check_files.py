"""What is wrong with a data set's files is named, and mended where the right can be derived."""

import json
from pathlib import Path

from clean_episode import clean_episode
import pytest
from vla_core.spec import load_robot
from vla_recorder.check.checker import check_reader
from vla_recorder.check.files import file_findings, unfinished
from vla_recorder.check.repair import Repair, repair
from vla_recorder.checksums import write_manifest
from vla_recorder.formats import create_dataset, open_dataset, WriteOptions

DEAD = 2**31 - 5  # no process has such a number


def data_set(folder: Path, format_name: str, episodes: int = 2) -> Path:
    options = WriteOptions(robot=load_robot('panda'), fps=12)
    writer = create_dataset(folder, format_name, options)
    for seed in range(episodes):
        writer.write(clean_episode(seed=seed))
    writer.close()
    return folder


def lines(root: Path, format_name: str) -> str:
    return '\n'.join(finding.line() for finding in file_findings(root, format_name))


def mend(root: Path, format_name: str) -> Repair:
    reader = open_dataset(root)
    try:
        return repair(root, format_name, list(check_reader(reader)))
    finally:
        reader.close()


@pytest.mark.parametrize('format_name', ['hdf5', 'lerobot', 'mcap', 'aloha'])
def test_a_data_set_that_was_just_written_is_clean_and_repair_changes_nothing(
    tmp_path: Path, format_name: str,
) -> None:
    root = data_set(tmp_path / 'data', format_name)
    write_manifest(root)
    assert lines(root, format_name) == ''
    done = mend(root, format_name)
    assert done.refusals == ()
    assert [c for c in done.changes if 'dataset.hdf5' not in c and 'checksums' not in c] == []


def test_what_a_killed_writer_left_is_named_and_removed(tmp_path: Path) -> None:
    root = data_set(tmp_path / 'data', 'hdf5')
    left = root / f'.{DEAD}-{"0" * 32}.partial'
    left.write_bytes(b'half')
    assert 'is unfinished' in lines(root, 'hdf5')
    assert f'removed {left.name}' in mend(root, 'hdf5').changes
    assert unfinished(root) == []
    assert len(open_dataset(root)) == 2


def test_a_file_that_rotted_is_named_and_not_signed_anew(tmp_path: Path) -> None:
    root = data_set(tmp_path / 'data', 'hdf5')
    write_manifest(root)
    file = root / 'episode_000001.h5'
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert 'error: data set: episode_000001.h5: differs from its checksum' in lines(root, 'hdf5')
    (root / 'episode_000000.h5').unlink()
    assert 'episode_000000.h5: differs from its checksum: got missing' in lines(root, 'hdf5')


@pytest.mark.parametrize('format_name, name, away', [
    ('hdf5', 'episode_000001.h5', 'episode_000001.h5'),
    ('mcap', 'episode_000001/episode_000001.mcap', 'episode_000001'),
    ('aloha', 'episode_1.hdf5', 'episode_1.hdf5'),
])
def test_an_unreadable_episode_is_moved_away_and_the_others_stay(
    tmp_path: Path, format_name: str, name: str, away: str,
) -> None:
    root = data_set(tmp_path / 'data', format_name, 3)
    broken = root / name
    broken.write_bytes(broken.read_bytes()[:2000])
    done = mend(root, format_name)
    target = tmp_path / 'data.quarantine' / away
    assert f'moved {away} to {target}' in done.changes
    assert target.exists()
    assert done.refusals == ()
    again = list(check_reader(open_dataset(root)))
    assert [episode.episode_id for episode in again] == ['clean-panda-0', 'clean-panda-2']


def test_an_unreadable_episode_of_a_numbered_format_is_refused(tmp_path: Path) -> None:
    root = data_set(tmp_path / 'data', 'lerobot')
    file = sorted((root / 'data').glob('*/*.parquet'))[1]
    file.write_bytes(file.read_bytes()[:500])
    done = mend(root, 'lerobot')
    assert any('--skip-bad' in refusal for refusal in done.refusals)
    assert not (tmp_path / 'data.quarantine').exists()


def test_wrong_statistics_are_named_and_rewritten(tmp_path: Path) -> None:
    root = data_set(tmp_path / 'data', 'lerobot')
    path = root / 'meta' / 'stats.json'
    right = json.loads(path.read_text())
    wrong = json.loads(path.read_text())
    wrong['action']['std'][0] *= 1000.0
    del wrong['observation.state']
    path.write_text(json.dumps(wrong))
    found = lines(root, 'lerobot')
    assert 'meta/stats.json action: is not of this data: got std[0]' in found
    assert 'meta/stats.json observation.state: is not of this data: got nothing' in found
    assert 'rewrote meta/stats.json action' in mend(root, 'lerobot').changes
    assert lines(root, 'lerobot') == ''
    mended = json.loads(path.read_text())
    for name in ('min', 'max', 'mean', 'std'):
        assert mended['action'][name] == pytest.approx(right['action'][name], rel=1e-6)


def test_statistics_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    root = data_set(tmp_path / 'data', 'lerobot')
    (root / 'meta' / 'stats.json').write_text('{"a": ')
    found = lines(root, 'lerobot')
    assert 'cannot be checked' in found
    assert 'stats.json' in found
    assert len(found.splitlines()) == 1
