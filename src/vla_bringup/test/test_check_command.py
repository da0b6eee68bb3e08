"""`vla check` on what `vla collect` writes: clean passes, each injected fault is named."""

from collections.abc import Callable
from dataclasses import replace
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from vla_bringup.check_report import write_check_report
from vla_bringup.cli import main
from vla_bringup.commands.collect import _start, CollectOptions
from vla_core.episode import ACTION, Episode, IMAGE_PREFIX, Stream
from vla_recorder.hdf5.codec import Hdf5Writer, list_episodes, read_episode

WRIST = f'{IMAGE_PREFIX}wrist'


@pytest.fixture(scope='module')
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('collected')
    record = _start(CollectOptions(out=folder, robot='ur5e'))
    for seed in range(1_000_000, 1_000_003):
        record('lift_red_block', seed)
    return folder


def faulty(collected: Path, folder: Path, stream: str, fault: Callable) -> Path:
    """Write the collected episodes anew, with a fault in one stream of each."""
    writer = Hdf5Writer(folder)
    for path in list_episodes(collected):
        episode = read_episode(path)
        old = episode.streams[stream]
        new = Stream(old.stamps_ns, fault(np.array(old.values)))
        writer.write(replace(episode, streams={**episode.streams, stream: new}), path.stem)
    return folder


def scaled(action: np.ndarray) -> np.ndarray:
    action[:, :3] *= 1000.0
    return action


def turned(action: np.ndarray) -> np.ndarray:
    return np.column_stack([-action[:, 1], action[:, 0], action[:, 2:]])


def test_what_was_collected_is_clean(collected: Path, capsys, tmp_path: Path) -> None:
    file = tmp_path / 'check.json'
    assert main(['check', str(collected), '--workers', '1', '--json', str(file)]) == 0
    told = json.loads(file.read_text())
    assert told['counts']['error'] == 0
    assert told['summary']['episodes'] == len(list_episodes(collected))
    assert told['summary']['streams'][ACTION]['rate_hz'] == pytest.approx(12.0, rel=1e-3)
    assert ': 0 errors, ' in capsys.readouterr().out


@pytest.mark.parametrize('stream, fault, words', [
    (ACTION, scaled, 'translation has another unit'),
    (ACTION, lambda a: np.concatenate([a[1:], a[-1:]]), 'is shifted against action/proposed'),
    (ACTION, lambda a: np.concatenate([a[:1], a[:-1]]), 'comes after its own motion'),
    (ACTION, turned, 'action y for x, -x for y fits'),
    (ACTION, lambda a: a[:, [1, 0, 2, 3, 4, 5, 6]], 'action y for x, x for y fits'),
    (WRIST, lambda c: np.repeat(c[5:6], len(c), 0), 'wrist: is frozen while the arm moves'),
], ids=['scaled', 'early', 'late', 'turned', 'swapped', 'frozen'])
def test_an_injected_fault_is_named(
    collected: Path, tmp_path: Path, capsys, stream: str, fault: Callable, words: str,
) -> None:
    folder = faulty(collected, tmp_path / 'faulty', stream, fault)
    assert main(['check', str(folder), '--workers', '1']) == 1
    assert words in capsys.readouterr().out


def test_two_processes_find_what_one_finds(collected: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / 'many'
    writer = Hdf5Writer(folder)
    episode: Episode = read_episode(list_episodes(collected)[0])
    for number in range(16):
        writer.write(replace(episode, episode_id=f'e{number % 15}'))
    told = []
    for workers in ('1', '2'):
        assert main(['check', str(folder), '--workers', workers]) == 1
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert 'error: e0: has an id that is not its own: got 2 episodes' in told[0]
    assert '... and 12 episodes more: : repeats another episode' in told[0]


def test_the_report_has_a_picture_of_each_kind(collected: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'report'
    assert main(['check', str(collected), '--workers', '1', '--report', str(folder)]) == 0
    assert (folder / 'findings.txt').exists()
    for name in ('streams.png', 'motion.png', 'cameras.png'):
        assert cv2.imread(str(folder / name)).std() > 5.0


def test_a_report_of_nothing_is_only_its_text(tmp_path: Path) -> None:
    written = list(write_check_report(tmp_path, 'hdf5', (), (), tmp_path / 'report'))
    assert [path.name for path in written] == ['findings.txt']


def test_a_path_that_is_no_data_set_is_one_line_and_exit_code_2(tmp_path: Path, capsys) -> None:
    assert main(['check', str(tmp_path / 'none')]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(['check', str(tmp_path), '--format', 'floppy']) == 2


def test_repair_tells_every_change_and_leaves_a_data_set_without_errors(
    collected: Path, tmp_path: Path, capsys,
) -> None:
    folder = faulty(collected, tmp_path / 'data', ACTION, lambda a: a)
    broken = list_episodes(folder)[0]
    broken.write_bytes(broken.read_bytes()[:5000])
    assert main(['check', str(folder), '--workers', '1']) == 1
    assert f'cannot be read: got {broken}' in capsys.readouterr().out
    assert main(['check', str(folder), '--workers', '1', '--repair']) == 0
    assert f'repair: moved {broken.name} to ' in capsys.readouterr().out
    assert (tmp_path / 'data.quarantine' / broken.name).exists()


def test_a_data_set_that_cannot_be_opened_is_an_error_not_a_crash(tmp_path: Path, capsys) -> None:
    (tmp_path / 'meta').mkdir()
    (tmp_path / 'meta' / 'info.json').write_text('{"codebase_version": "v3.0"')
    assert main(['check', str(tmp_path)]) == 1
    assert 'info.json' in capsys.readouterr().out
    assert main(['check', str(tmp_path), '--repair']) == 1
    assert 'repair refused' in capsys.readouterr().out
