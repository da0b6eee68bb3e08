"""`vla convert`: what it prints, returns and reports."""

from dataclasses import replace
import json
from pathlib import Path

import numpy as np
import pytest
from vla_bringup.cli import main
from vla_core.episode import Episode, Stream
from vla_recorder.formats import open_dataset
from vla_recorder.hdf5.codec import Hdf5Writer


def made_up(seed: int) -> Episode:
    rng = np.random.default_rng(seed)
    stamps = np.cumsum(rng.integers(60_000_000, 70_000_000, 6))
    fast = np.arange(500) * 1_000_000 + stamps[0]
    return Episode('e', 'panda', '', f'Aufgabe {seed} 任务', {
        'observation/images/static': Stream(stamps, rng.integers(
            0, 256, (6, 16, 16, 3)).astype(np.uint8)),
        'observation/state/joint_position': Stream(fast, rng.normal(size=(500, 7))),
        'observation/state/tool_pose': Stream(stamps, rng.normal(size=(6, 7))),
        'observation/state/gripper': Stream(stamps, rng.random(6)),
        'action': Stream(stamps, rng.normal(size=(6, 7)).astype(np.float32))}, seed=seed)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for seed in range(4):
        Hdf5Writer(Path('demos')).write(made_up(seed))
    return Path('demos')


def instructions(folder: str) -> list[str]:
    reader = open_dataset(Path(folder))
    texts = [reader.read(index).instruction for index in range(len(reader))]
    reader.close()
    return texts


def test_it_converts_reports_and_then_has_nothing_to_do(
    source: Path, capsys: pytest.CaptureFixture
) -> None:
    command = ['convert', str(source), 'out', '--to', 'mcap', '--json', 'report.json']
    assert main(command) == 0
    assert '4 episodes (24 frames in ' in capsys.readouterr().out
    report = json.loads(Path('report.json').read_text())
    assert report['from'] == 'hdf5' and report['to'] == 'mcap' and report['changed']
    assert (report['episodes'], report['bad'], report['finished']) == (4, {}, True)
    assert report['frames_this_run'] == 24 and report['bytes'] > 0
    assert instructions('out') == [f'Aufgabe {k} 任务' for k in range(4)]
    assert main(command) == 0
    assert 'nothing to do' in capsys.readouterr().out
    assert not json.loads(Path('report.json').read_text())['changed']


@pytest.mark.parametrize(('span', 'seeds'), [
    ('0:2', [0, 1]), (':1', [0]), ('2:', [2, 3]), ('3', [3]), (':', [0, 1, 2, 3])])
def test_episodes_are_named_by_a_span(source: Path, span: str, seeds: list[int]) -> None:
    assert main(['convert', str(source), 'out', '--to', 'hdf5', '--episodes', span]) == 0
    assert instructions('out') == [f'Aufgabe {k} 任务' for k in seeds]


def test_a_bad_episode_is_named_and_left_out_on_demand(
    source: Path, capsys: pytest.CaptureFixture
) -> None:
    (source / 'episode_000001.h5').write_bytes(b'not HDF5')
    command = ['convert', str(source), 'out', '--to', 'hdf5']
    assert main(command) == 2
    told = capsys.readouterr().err
    assert 'episode 1: ' in told and 'episode_000001.h5' in told
    assert '1 bad episodes; 3 episodes' in told and '--skip-bad' in told
    assert not Path('out').exists()
    assert main([*command, '--skip-bad']) == 0
    assert '1 bad ones left out' in capsys.readouterr().out
    assert len(instructions('out')) == 3


@pytest.mark.parametrize(('options', 'wanted'), [
    (['--to', 'lerobt'], "unknown format 'lerobt' (did you mean 'lerobot'?)"),
    (['--to', 'hdf5', '--episodes', '1-3'], "--episodes: got '1-3', allowed FIRST:STOP"),
    (['--to', 'hdf5', '--episodes', '9:'], 'got no episode that can be read among 0'),
    (['--to', 'hdf5', '--fps', '0'], '--fps: got 0, allowed 1 or more'),
    (['--to', 'hdf5', '--robot', 'pandas'], "did you mean 'panda'"),
    (['--to', 'hdf5', '--map', 'none.yaml'], '--map: got none.yaml, allowed an existing'),
    (['--to', 'hdf5', '--from', 'rlds'], 'demos')])
def test_bad_input_is_one_line(
    source: Path, options: list[str], wanted: str, capsys: pytest.CaptureFixture
) -> None:
    assert main(['convert', str(source), 'out', *options]) == 2
    told = capsys.readouterr().err
    assert wanted in told and told.startswith('vla: ') and told.count('\n') == 1
    assert {path.name for path in Path.cwd().iterdir()} == {'demos'}


def test_the_rate_of_a_table_can_be_chosen(source: Path) -> None:
    fast = replace(made_up(0), streams={
        **made_up(0).streams,
        'action': Stream(np.arange(400) * 1_000_000 + 70_000_000, np.zeros((400, 7), np.float32))})
    Hdf5Writer(Path('fast')).write(fast)
    assert main(['convert', 'fast', 'out', '--to', 'lerobot', '--fps', '20']) == 0
    info = json.loads(Path('out/meta/info.json').read_text())
    assert info['fps'] == 20 and info['total_frames'] == 8
    reader = open_dataset(Path('out'))
    assert len(reader.read(0).streams['action']) == 400
    assert source.exists()


def test_frames_without_a_fresh_sample_are_told(
    source: Path, capsys: pytest.CaptureFixture
) -> None:
    late = made_up(0)
    late = replace(late, streams={name: stream if name == 'action' else Stream(
        stream.stamps_ns + 10**9, stream.values) for name, stream in late.streams.items()})
    action = Stream(np.arange(50) * 50_000_000, np.zeros((50, 7), np.float32))
    Hdf5Writer(Path('late')).write(replace(late, streams={**late.streams, 'action': action}))
    assert main(['convert', 'late', 'out', '--to', 'rlds', '--json', 'report.json']) == 0
    left_out = json.loads(Path('report.json').read_text())['left_out_this_run']
    assert left_out > 20
    assert f'{left_out} frames left out of the tables' in capsys.readouterr().err
    assert source.exists()


def test_the_help_has_examples(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(['convert', '--help'])
    assert './vla convert data/demos' in capsys.readouterr().out
