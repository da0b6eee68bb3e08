"""An exam that is stopped or killed goes on where it was, and ends as if nothing had happened."""

from collections.abc import Sequence
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading

from vla_bringup import cli

_OPTIONS = ['eval', '--policy', 'expert', '--tasks', 'press_button', 'close_drawer',
            '--episodes', '3', '--timeout', '1.5']


def _stop(arguments: Sequence[str], journal: Path, lines: int, signum: int) -> tuple[int, str]:
    """Begin an exam, send a signal once its journal has so many lines; return what it said."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'vla_bringup.cli', *arguments], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, env={**os.environ, 'OMP_NUM_THREADS': '1'})
    while _count(journal) < lines and process.poll() is None:
        threading.Event().wait(0.02)
    process.send_signal(signum)
    return process.wait(), process.stderr.read()


def _count(journal: Path) -> int:
    return journal.read_bytes().count(b'\n') if journal.exists() else 0


def _results(folder: Path) -> dict:
    return {**json.loads((folder / 'results.json').read_text()), 'time': None}


def test_an_exam_ends_the_same_whatever_stops_it_and_with_any_number_of_workers(
    tmp_path: Path
) -> None:
    broken, whole = tmp_path / 'broken', tmp_path / 'whole'
    journal, resume = broken / 'journal.jsonl', [*_OPTIONS, '--out', str(broken)]
    code, line = _stop([*resume, '--workers', '1'], journal, 2, signal.SIGINT)
    assert code == 130 and line.count('\n') == 1
    assert 'of 6 episodes; go on with: ./vla eval --suite bowl' in line and str(broken) in line
    before = journal.read_bytes()
    code, _ = _stop([*resume, '--workers', '1'], journal, before.count(b'\n') + 1, signal.SIGKILL)
    assert code == -signal.SIGKILL
    with journal.open('ab') as file:
        file.write(b'{"trial": ["press_bu')  # as a crash of the machine leaves it
    assert cli.main(resume) == 0
    assert cli.main([*_OPTIONS, '--out', str(whole), '--workers', '1']) == 0
    assert _results(broken) == _results(whole)
    lines = journal.read_bytes()
    assert lines.startswith(before) and lines.count(b'\n') == 1 + 6
    shown = [folder / 'videos' for folder in (broken, whole)]
    names = [sorted(path.name for path in folder.glob('*')) for folder in shown]
    assert names[0] == names[1] != []
