"""A person at the real graph: deadman, unplugged, two devices, take-over, lost terminal.

How fast the arm rests is a law of the arm's own time (src/vla_control/test/test_teleoperator.py);
here it is that all of it works with nodes, processes and messages on a machine that may be busy.
"""

from collections.abc import Iterator
from contextlib import contextmanager
import json
import os
from pathlib import Path
import pty
import re
import select
import signal
import subprocess
import sys
import time

from graph_probe import GraphRun, Record
from hand_probe import Hand, HAND_BACK
import numpy as np
import pytest
from test_graph import (
    arms_time,
    assert_rests,
    assert_set_points_within_limits,
    braked_by,
    children,
    REST_S,
)
from vla_bringup.graph import NodeSpec
from vla_bringup.operator_graph import operator_graph, OperatorOptions
from vla_bringup.recordings import recordings, summary
from vla_core.types import Mode
from vla_recorder.formats import open_dataset

pytestmark = pytest.mark.alone
SILENCE_S = 0.2  # of a device, until it is gone
ANSI = re.compile(r'\x1b\[[0-9;?]*[a-zA-Z]|▀')  # colours and pictures
VLA = [sys.executable, '-m', 'vla_bringup.cli']


def drive(nodes: list[NodeSpec], folder: Path, script) -> Record:
    """Return what was heard of a graph in which a hand followed a script."""
    run: list[GraphRun] = []
    hand = Hand(lambda hand: script(hand, run[0].record))

    @contextmanager
    def beside(domain: int) -> Iterator[None]:
        hand.start(domain)
        yield
        hand.close()

    run.append(GraphRun(nodes, folder, beside=beside))
    return run[0].play()


def moving(record: Record) -> bool:
    return bool(record.joints) and np.abs(record.joints[-1].velocity).max() > 0.1


def later(record: Record, seconds: float):
    """Return a condition: so much time of the arm has passed from now on."""
    since_s = record.joints[-1].stamp_s
    return lambda: record.joints[-1].stamp_s > since_s + seconds


def said(record: Record, event: str, **fields: object) -> bool:
    return any(told['event'] == event and all(told.get(k) == v for k, v in fields.items())
               for told in record.events)


def test_releasing_unplugging_and_a_second_device_stop_or_move_nothing(tmp_path: Path) -> None:
    options = OperatorOptions(
        device='gamepad', drivers=True, seed=100, instruction='open_drawer', speed=0.8)
    nodes = operator_graph(options)
    nodes.insert(-1, NodeSpec(
        'vla_control', 'teleop_node', 'teleop2', {'device': 'keyboard', 'use_sim_time': True},
        remappings=(('/clock', 'clock'),)))
    at: dict[str, float] = {}

    def script(hand: Hand, record: Record) -> None:
        hand.until(lambda: said(record, 'free') and len(record.joints) > 30)
        hand.hold(1.0)  # to the left
        hand.until(lambda: moving(record))
        hand.until(later(record, 0.4))
        at['released'] = hand.release()
        hand.until(later(record, 1.5))
        for _ in range(20):  # somebody else at a keyboard, while the gamepad has the arm
            hand.key('w')
            hand.wait(0.03)
        hand.until(later(record, 0.5))
        hand.hold(-1.0)
        hand.until(lambda: moving(record))
        hand.until(later(record, 0.3))
        hand.plugged, at['unplugged'] = False, time.time()
        hand.until(later(record, 1.5))
        hand.release()
        twin = hand.plug_in_another()
        hand.plugged = True
        hand.until(lambda: said(record, 'teleop', problem='joy: 2 publishers, allowed 1'))
        hand.hold(1.0)
        at['twins'] = time.time()
        hand.until(later(record, 1.0))
        twin.destroy()

    record = drive(nodes, tmp_path, script)
    for what, allowed_s in (('released', REST_S), ('unplugged', SILENCE_S + REST_S)):
        done_s = arms_time(record, at[what])
        assert_rests(record, braked_by(record, done_s, allowed_s), done_s + 1.4)
    assert_set_points_within_limits(record)
    twins_s = arms_time(record, at['twins'])
    assert_rests(record, twins_s, twins_s + 0.9)
    assert said(record, 'teleop', device='keyboard', engaged=True)
    rests_s = braked_by(record, arms_time(record, at['released']), REST_S)
    assert_rests(record, rests_s, rests_s + 1.5)  # while the other device asked for motion
    modes = {status.mode for status in record.statuses}
    assert int(Mode.TELEOP) in modes and int(Mode.FAULT) not in modes


def test_a_take_over_is_an_intervention_that_keeps_proposal_and_command(tmp_path: Path) -> None:
    root = tmp_path / 'data'
    nodes = operator_graph(OperatorOptions(
        device='gamepad', drivers=True, seed=100, instruction='put_red_block_in_bowl',
        policy='expert', episodes=1, record=str(root), speed=0.6))

    def script(hand: Hand, record: Record) -> None:
        hand.until(lambda: said(record, 'ready'))
        hand.say('start')
        hand.until(lambda: said(record, 'mode', mode='POLICY') and moving(record))
        hand.until(later(record, 0.5))
        hand.hold(0.6, 0.0)
        hand.until(lambda: said(record, 'mode', mode='TELEOP'))
        hand.until(later(record, 1.0))
        hand.release()
        hand.until(later(record, 0.5))
        hand.press(HAND_BACK)
        hand.until(lambda: said(record, 'review'))
        hand.say('keep')
        hand.until(lambda: said(record, 'kept'))

    record = drive(nodes, tmp_path, script)
    assert said(record, 'review', text='success')  # the policy finished what it had begun
    assert_set_points_within_limits(record)
    episode = open_dataset(root).read(0)
    assert (episode.success, episode.task) == (True, 'put_red_block_in_bowl')
    modes = episode.streams['control/mode'].values
    theirs, ours = modes == int(Mode.TELEOP), modes == int(Mode.POLICY)
    assert theirs.sum() >= 10 and ours.sum() >= 10
    assert np.isfinite(episode.streams['action/teleop'].values[theirs]).all(1).mean() > 0.8
    assert np.isfinite(episode.streams['action/proposed'].values[theirs]).all(1).mean() > 0.8
    assert np.isnan(episode.streams['action/teleop'].values[:3]).all()
    assert [span.source for span in episode.interventions] == ['teleop']
    told = summary(recordings(root))['interventions']
    assert told['count'] == 1 and 0.05 < told['share_of_time'] < 0.8


def test_the_same_session_is_recorded_twice_alike_by_the_scripted_device(tmp_path: Path) -> None:
    command = [*VLA, 'record', '--device', 'expert', '--task', 'close_drawer', '--lockstep',
               '--seed', '100', '--json']
    for name, episodes in (('a', '1'), ('a', '2'), ('b', '2')):  # the second goes on
        ended = subprocess.run(
            [*command, f'{name}.json', '--episodes', episodes, '--out', name], cwd=tmp_path,
            capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    results = [json.loads((tmp_path / f'{name}.json').read_text()) for name in 'ab']
    assert [r['successes'] for r in results] == [2, 2]
    ids = [[e['episode_id'] for e in r['episodes']] for r in results]
    assert ids == [['close_drawer-100', 'close_drawer-101']] * 2
    assert [r['interventions']['count'] for r in results] == [0, 0]  # no policy to take it from
    for index in range(2):
        first, second = (open_dataset(tmp_path / name).read(index).streams for name in 'ab')
        rows = min(len(first['action']), len(second['action']))
        assert rows > 15
        for stream in ('action', 'action/teleop', 'observation/state/tool_pose'):
            one, other = (streams[stream].values[-rows:] for streams in (first, second))
            assert np.array_equal(one, other, equal_nan=True), stream


# --- a terminal -------------------------------------------------------------------------------

class Typist:
    """Types at a command in a terminal of its own."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [*VLA, *arguments], cwd=folder, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True)
        os.close(slave)
        self.shown = b''

    def until(self, text: str, seconds: float = 60.0) -> None:
        limit = time.monotonic() + seconds
        while text.encode() not in self.shown:
            assert time.monotonic() < limit, ANSI.sub('', self.shown.decode('utf-8', 'replace'))
            if select.select([self._master], [], [], 0.2)[0]:
                self.shown += os.read(self._master, 65536)

    def type(self, keys: str, text: str) -> None:
        """Type, and wait for what is shown then."""
        self.shown = b''
        os.write(self._master, keys.encode())
        self.until(text)

    def hang_up(self) -> None:
        os.close(self._master)


def test_keys_record_redo_and_keep_and_a_lost_terminal_loses_nothing_kept(
    tmp_path: Path,
) -> None:
    arguments = ['record', '--task', 'open_drawer', '--episodes', '3', '--seed', '5', '--out', 'd']
    typist = Typist(arguments, tmp_path)
    try:
        typist.until('READY 1/3')
        typist.type('y', 'success: got it while ready, allowed start, quit')
        typist.type('\r', 'REC 1/3')
        typist.type('wwww', 'TELEOP teleop/keyboard')
        typist.type('\x7f', 'begun again')
        typist.type('', 'REC 1/3')
        typist.type('wwww', 'TELEOP teleop/keyboard')
        typist.type('n', '1 kept, failure')
        typist.until('READY 2/3')
        typist.type('\r', 'REC 2/3')
        pids = children(typist.process.pid)
        assert len(pids) >= 5
        typist.hang_up()
        assert typist.process.wait(20) in (129, 130)
        assert not [pid for pid in pids if Path(f'/proc/{pid}').exists()]
    finally:
        if typist.process.poll() is None:
            os.killpg(typist.process.pid, signal.SIGKILL)
    found = recordings(tmp_path / 'd')
    assert [(one.success, one.teleop_s > 0) for one in found] == [(False, True)]


@pytest.mark.parametrize(('arguments', 'words'), [
    (['teleop'], 'standard input that is no terminal'),
    (['teleop', '--device', 'nope'], "unknown device 'nope'"),
    (['record', '--out', 'd'], 'standard input that is no terminal'),
    (['record', '--out', 'd', '--episodes', '0'], 'episodes: got 0'),
    (['record', '--out', 'd', '--device', 'expert', '--task', 'fly'], "'fly'"),
    (['record', '--out', 'd', '--device', 'expert', '--domain', '999'], '--domain: got 999'),
])
def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    ended = subprocess.run([*VLA, *arguments], cwd=tmp_path, timeout=120, capture_output=True,
                           text=True, stdin=subprocess.DEVNULL)
    assert ended.returncode == 2, ended.stderr
    assert words in ended.stderr and ended.stderr.count('\n') == 1
    assert not (tmp_path / 'runs').exists() and not (tmp_path / 'd').exists()
