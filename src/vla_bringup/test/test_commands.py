"""What a user gets wrong is told in one line with exit code 2, and before anything is started."""

import json
from pathlib import Path

import pytest
from vla_bringup import cli


def _refused(capsys: pytest.CaptureFixture, arguments: list[str]) -> str:
    """Run a command that must be refused; return its line."""
    assert cli.main(arguments) == 2
    line = capsys.readouterr().err
    assert line.startswith('vla: ') and line.count('\n') == 1
    return line


@pytest.mark.parametrize('command', [
    ['sim', '--policy'], ['eval', '--policy'], ['bench', 'inference', '--policy'],
    ['collect', '--out', 'data', '--learner']])
def test_an_empty_checkpoint_folder_is_refused(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    assert 'empty: missing config.json' in _refused(capsys, [*command, 'empty'])
    assert [path.name for path in tmp_path.iterdir()] == ['empty']


@pytest.mark.parametrize(('arguments', 'words'), [
    (['eval', '--policy', 'expert', '--tasks', 'juggle'], "unknown task 'juggle'"),
    (['eval', '--policy', 'expert', '--robot', 'r2d2'], "unknown robot 'r2d2'"),
    (['eval', '--policy', 'expert', '--workers', '0'], '--workers: got 0, allowed 1 or more'),
    (['collect', '--out', 'data', '--robot', 'r2d2'], "unknown robot 'r2d2'"),
    (['bench', 'inference', '--policy', 'expert'], "got 'expert'"),
    (['train', '--out', 'run'], '--data: got no folder'),
    (['train', '--out', 'run', '--data', 'nowhere', '--steps', '1'], 'got nowhere'),
    (['train', '--out', 'run', '--data', '.', '--steps', '1'], 'not a data set'),
    (['train', '--out', 'run', '--data', '.'], 'allowed one of them'),
    (['train', '--out', 'run', '--data', '.', '--steps', '1', '--resume'], 'got no run in run'),
    (['dance'], "unknown command 'dance'"),
])
def test_bad_options_are_refused(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in _refused(capsys, arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_not_resumed_on_other_episodes(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'lift-1.h5').touch()
    frames = tmp_path / 'run' / 'frames'
    frames.mkdir(parents=True)
    (frames / 'frames.json').write_text(
        json.dumps({'source': {'episodes': 3, 'sha256': '0123456789'}}))
    (tmp_path / 'run' / 'state.safetensors').touch()
    assert 'built from other episodes (3, 01234567)' in _refused(capsys, [
        'train', '--out', str(tmp_path / 'run'), '--data', str(tmp_path / 'data'),
        '--steps', '1', '--resume'])


def test_ctrl_c_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def interrupt(name: str, arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, '_run', interrupt)
    assert cli.main(['eval']) == 130
    assert capsys.readouterr().err == 'vla: interrupted\n'
