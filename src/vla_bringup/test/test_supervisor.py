"""Laws of the supervisor, on processes that only pretend to be nodes."""

import io
import os
from pathlib import Path
import signal
import sys

import pytest
from vla_bringup import supervisor as supervision
from vla_bringup.graph import NodeSpec
from vla_bringup.supervisor import Supervisor, SupervisorConfig

QUICK = SupervisorConfig(
    backoff_s=0.01, interrupt_s=0.3, finish_s=0.3, terminate_s=0.2, crashes_max=3)
SLEEP = 'import time; time.sleep(60)'
STUBBORN = ('import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); '
            'signal.signal(signal.SIGTERM, signal.SIG_IGN); print("up", flush=True); '
            'time.sleep(60)')


@pytest.fixture(autouse=True)
def _scripts_for_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        supervision, 'node_command', lambda spec: [sys.executable, '-c', spec.parameters['code']])


def node(name: str, code: str, **kind: bool) -> NodeSpec:
    return NodeSpec('package', 'executable', name, {'code': code}, leads=name == 'session', **kind)


def run(*nodes: NodeSpec, on_line=lambda name, line: None) -> tuple[int, Supervisor, str]:
    log = io.StringIO()
    supervisor = Supervisor(nodes, log, on_line, QUICK)
    return supervisor.run(), supervisor, log.getvalue()


def test_the_session_decides_the_exit_code_and_ends_the_others() -> None:
    code, supervisor, log = run(
        node('other', SLEEP),
        node('session', 'print("hello"); raise SystemExit(2)', critical=True))
    assert code == 2
    assert supervisor.pids() == {}
    assert 'hello' in log


def test_a_crashed_node_is_started_again(tmp_path: Path) -> None:
    mark = tmp_path / 'mark'
    once = (f'import pathlib, sys, time; m = pathlib.Path({str(mark)!r}); '
            'again = m.exists(); m.touch(); again or sys.exit(1); '
            'print("back", flush=True); time.sleep(60)')
    wait = (f'import pathlib, time\nwhile not pathlib.Path({str(mark)!r} + "2").exists(): '
            'time.sleep(0.01)')
    code, _, log = run(
        node('crashes', once), node('session', wait, critical=True),
        on_line=lambda name, line: line == 'back' and Path(f'{mark}2').touch())
    assert code == 0
    assert 'restart in' in log


def test_a_node_that_keeps_crashing_ends_the_run_with_its_last_words() -> None:
    code, supervisor, _ = run(
        node('broken', 'import sys; print("no disk"); sys.exit(1)'),
        node('session', SLEEP, critical=True))
    assert code == 1
    assert 'broken ended with code 1' in supervisor.problem


def test_the_death_of_the_simulation_ends_the_run() -> None:
    code, supervisor, _ = run(
        node('sim', 'raise SystemExit(7)', critical=True), node('session', SLEEP, critical=True))
    assert code == 1
    assert supervisor.problem.startswith('sim ended with code 7')


def test_an_interrupt_leaves_no_process_not_even_a_stubborn_one() -> None:
    pids: dict[str, int] = {}

    def interrupt(name: str, line: str) -> None:
        if line == 'up':
            pids.update(supervisor.pids())
            os.kill(os.getpid(), signal.SIGINT)

    supervisor = Supervisor(
        [node('stubborn', STUBBORN), node('session', SLEEP, critical=True)],
        io.StringIO(), interrupt, QUICK)
    assert supervisor.run() == 130
    assert set(pids) == {'stubborn', 'session'}
    for pid in pids.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
