"""A replay through the real nodes: the same bits as in one process, and an end when one dies."""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time

import pytest
from replay_bags import BAG, GOLDEN, out_of_step, rewritten
from vla_bringup.replay.conduct import play_graph, ReplayBrokenError
from vla_bringup.replay.golden import load
from vla_bringup.replay.run import prepare, ReplayConfig
from vla_bringup.replay.testing import replay
from vla_bringup.supervisor import free_domain, Supervisor

pytestmark = pytest.mark.alone
LIMIT_S = 240.0


def test_the_graph_on_two_threads_sees_and_answers_as_one_process_on_one(tmp_path: Path) -> None:
    bag = rewritten(tmp_path / 'bag', out_of_step)  # its streams share no stamps
    graph = replay(ReplayConfig(bag, threads=2), in_process=False)
    alone = replay(ReplayConfig(bag))
    assert [m.seen for m in graph.moments] == [m.seen for m in alone.moments]
    assert [m.subtask for m in graph.moments] == [m.subtask for m in alone.moments]
    assert all((a.chunk == b.chunk).all() and a.progress == b.progress
               for a, b in zip(graph.moments, alone.moments, strict=True))
    assert graph.wall_s > 0
    golden = {m.stamp_ns: m for m in load(GOLDEN).moments}
    assert any((m.joint_position != golden[m.stamp_ns].joint_position).any()
               for m in graph.moments)  # interpolated


@pytest.mark.parametrize(('name', 'number', 'words'), [
    ('policy', signal.SIGKILL, 'policy ended with code -9'),
    ('planner', signal.SIGSTOP, 'got nothing from planner for 2 s'),
])
def test_a_node_that_dies_or_hangs_in_mid_replay_ends_it_with_one_line(
    name: str, number: int, words: str,
) -> None:
    supervisors: list[Supervisor] = []

    def strike(event: dict) -> None:
        pid = supervisors[0].pids().get(name)
        if event['event'] == 'step' and pid is not None:
            os.kill(pid, number)

    config = ReplayConfig(BAG, stall_s=2.0)
    script, identity = prepare(config)
    with pytest.raises(ReplayBrokenError, match=words) as caught:
        play_graph(config, script, identity, on_event=strike, on_start=supervisors.append)
    script.source.close()
    assert '\n' not in str(caught.value)
    assert not supervisors[0].pids()


def test_a_bag_that_somebody_plays_in_real_time_is_compared_by_stamp(tmp_path: Path) -> None:
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(free_domain()), 'COLUMNS': '200'}
    replaying = subprocess.Popen(
        [sys.executable, '-m', 'vla_bringup.cli', 'replay', str(BAG), '--live',
         '--out', str(tmp_path), '--json', str(tmp_path / 'out.json')],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True)
    limit = threading.Timer(LIMIT_S, replaying.kill)
    limit.start()
    try:
        while 'ready: play the bag' not in _log(tmp_path):
            assert replaying.poll() is None, replaying.stdout.read()
            time.sleep(0.1)
        player = Path(__file__).with_name('bag_player.py')
        subprocess.run([sys.executable, str(player), str(BAG)], env=environment, timeout=60,
                       check=True, stdin=subprocess.DEVNULL)
        told, _ = replaying.communicate()
    finally:
        limit.cancel()
        replaying.kill()
    assert 'of 44 instants' in told, told
    results = json.loads((tmp_path / 'out.json').read_text())
    assert results['steps'] >= 22, told  # a busy machine loses some; those seen are the same
    streams = {stream['stream']: stream['steps'] for stream in results['streams']}
    assert not streams['joint_position'] and not streams['tool_pose'], told


def _log(folder: Path) -> str:
    path = folder / 'log.txt'
    return path.read_text() if path.exists() else ''
