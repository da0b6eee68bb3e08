"""The real graph with the scripted expert: it succeeds, it survives deaths, it leaves nothing.

Every run takes a ROS domain of its own. The expert stands in the policy's place, so these need
no trained checkpoint. All of them are one group: two graphs at once would starve each other.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
import json
import os
from pathlib import Path
import random
import re
import signal
import subprocess
import sys
import threading
import time

from graph_probe import GraphRun, Joints, NS, Record, SPEC, Status, touch_bytes
import numpy as np
import pytest
from vla_bringup.graph import GraphOptions, NodeSpec, sim_graph
from vla_bringup.session import TIMEOUT_S
from vla_bringup.supervisor import SupervisorConfig
from vla_core.control.controller import ArmController
from vla_core.rollout import rollout
from vla_core.tasks import draw_instruction
from vla_core.types import JointCommand, Mode
from vla_planner.embedded import EmbeddedPlanner
from vla_recorder.formats import open_dataset
from vla_recorder.lerobot.codec import read_episode
from vla_recorder.lerobot.layout import load
from vla_sim.catalogue import BOWL
from vla_sim.collect import DisturbedExpert
from vla_sim.environment import TableEnvironment

pytestmark = pytest.mark.alone
MOVING = 0.15  # [rad/s] of the fastest joint: in the middle of a motion
STILL = 0.02  # [rad/s]
SILENCE_S = 0.1  # joint states that are missing for so long make control brake
REST_S = 0.5  # from the death of what moves the arm until it is at rest
TTL_S = 2.0  # of a subtask
TRAIL = 4  # control periods by which the joints trail their set-points
SWING = 1.05  # share of the allowed acceleration that measured joints may show
AWAY = SupervisorConfig(backoff_s=3.0)  # so long is a dead node away at least
VLA_SIM = [sys.executable, '-m', 'vla_bringup.cli', 'sim', '--policy', 'expert']


# --- the command ------------------------------------------------------------------------------

def test_an_episode_in_lockstep_succeeds_and_leaves_its_traces(tmp_path: Path) -> None:
    result = tmp_path / 'out.json'
    ended = subprocess.run(
        [*VLA_SIM, '--lockstep', '--episodes', '1', '--seed', '100', '--json', str(result)],
        cwd=tmp_path, timeout=300, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    results = json.loads(result.read_text())
    assert results['success_rate'] == 1.0
    assert results['episodes'][0]['task'] == 'close_drawer'
    run, = (tmp_path / 'runs').iterdir()
    assert (run / 'video.mp4').stat().st_size > 0
    assert (run / 'contact_sheet.png').stat().st_size > 0
    assert (run / 'dataset' / 'meta' / 'info.json').exists()


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--policy', 'nope'], "unknown policy 'nope'"),
    (['--robot', 'nope'], "unknown robot 'nope'"),
    (['--instruction', 'make coffee'], 'unknown instruction'),
])
def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    ended = subprocess.run(
        [*VLA_SIM, *arguments], cwd=tmp_path, timeout=120, capture_output=True, text=True)
    assert ended.returncode == 2
    assert words in ended.stderr and ended.stderr.count('\n') == 1
    assert not (tmp_path / 'runs').exists()


def test_an_interrupt_ends_every_process_within_three_seconds(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [*VLA_SIM, '--episodes', '5', '--seed', '100'], cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while len(pids := children(run.pid)) < 7:
        assert run.poll() is None
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=10) == 130
    assert not [pid for pid in pids if Path(f'/proc/{pid}').exists()]


def children(pid: int) -> list[int]:
    """Return the process ids of the children of `pid`."""
    return [int(child) for task in Path(f'/proc/{pid}/task').iterdir()
            for child in (task / 'children').read_text().split()]


# --- deaths -----------------------------------------------------------------------------------

class Assassin:
    """Kills one node once, in the middle of a motion, and remembers when."""

    def __init__(self, victim: str) -> None:
        self.victim = victim
        self.run: GraphRun | None = None
        self.killed_s: float | None = None  # this host's clock

    def __call__(self, joints: Joints) -> None:
        """Look at the newest joint state."""
        moving = np.abs(joints.velocity).max() > MOVING and len(self.run.record.joints) > 60
        pid = self.run.supervisor.pids().get(self.victim)
        if self.killed_s is None and moving and pid is not None:
            os.kill(pid, signal.SIGKILL)
            self.killed_s = time.time()


def killed_run(
    folder: Path, victim: str, instruction: str = 'put the red block in the bowl'
) -> tuple[Record, float]:
    """Return what was heard of a run in which the victim died and came back, and its death."""
    assassin = Assassin(victim)
    nodes = sim_graph(GraphOptions(
        policy='expert', instruction=instruction, episodes=1, seed=100,
        timeout_s=60.0, run=str(folder / 'run')))
    assassin.run = GraphRun(nodes, folder, on_joints=assassin, config=AWAY)
    record = assassin.run.play()
    assert assassin.killed_s is not None
    assert f'{victim:>10}' in assassin.run.text and 'restart in' in assassin.run.text
    assert [row['success'] for row in record.rows] == [True]
    return record, assassin.killed_s


def longest_hold(record: Record, since_s: float) -> tuple[list[Status], float]:
    """Return the statuses of the longest hold after an instant, and when the arm moved on.

    The death's own hold: shorter ones come where the machine lets joint states wait.
    """
    holds, running = [], []
    for status in (status for status in record.statuses if status.sent_s > since_s):
        if status.mode == Mode.HOLD:
            running.append(status)
        elif running:
            holds.append((running, status.sent_s))
            running = []
    return max(holds, key=lambda hold: hold[1] - hold[0][0].sent_s)


def last_word(hold: Sequence[Status]) -> float:
    """Return when (this host's clock) control heard the last chunk: late on a busy machine."""
    found = [(status.sent_s, re.search(r'no chunk for ([\d.]+) s', status.reason))
             for status in hold]
    return min((sent_s - float(match[1]) for sent_s, match in found if match), default=0.0)


def arms_time(record: Record, sent_s: float) -> float:
    """Return the arm's time [s] at an instant of this host's clock."""
    return max(joints.stamp_s for joints in record.joints if joints.sent_s <= sent_s)


def braked_by(record: Record, moved_s: float, within_s: float) -> float:
    """Return by when, of the arm's time, it must rest that may have moved until an instant.

    Nobody can brake an arm that cannot be heard: a kill may stop the shared memory of the dead
    node's peers for a second (Fast DDS #6535), a busy machine any node. It then rests soon after
    it is heard again.
    """
    rests_s = moved_s + within_s
    for before, after in pairwise(record.joints):
        if before.stamp_s < rests_s and after.sent_s - before.sent_s > SILENCE_S:
            rests_s = max(rests_s, after.stamp_s + REST_S)
    return rests_s


def assert_rests(record: Record, begin_s: float, end_s: float) -> None:
    """Check that the arm stands still between two instants of its own time, and was heard."""
    resting = [joints for joints in record.joints if begin_s < joints.stamp_s < end_s]
    assert resting, (begin_s, end_s)
    moving = [f'{joints.stamp_s - begin_s:.3f} s: {np.abs(joints.velocity).max():.3f} rad/s'
              for joints in resting if np.abs(joints.velocity).max() >= STILL]
    assert not moving, f'{len(moving)} of {len(resting)}: {moving[:5]} {moving[-5:]}'


def assert_within_limits(record: Record, begin_s: float, end_s: float) -> None:
    """Check every set-point of the run, and the joints between two instants of the arm's time.

    The physics trails its set-points and swings about them, in undisturbed lockstep too; so
    measured rates are those over a few control periods, and may swing over by SWING.
    """
    assert_set_points_within_limits(record)
    chosen = {joints.stamp_s: joints.velocity for joints in record.joints
              if begin_s <= joints.stamp_s <= end_s}
    assert_rates(np.array(list(chosen)), np.array(list(chosen.values())), TRAIL, SWING)


def assert_set_points_within_limits(record: Record) -> None:
    """Check that no two set-points of the run ask for more than the joints may do."""
    points = record.set_points
    times = np.array([point.stamp_s for point in points])
    assert_rates(times, np.array([point.velocity for point in points]), 1, 1.0)
    steps = np.diff([point.position for point in points], axis=0)
    successive = np.abs(np.diff(times) - SPEC.controller.period_s) < 1e-6
    assert (np.abs(steps[successive]) <= SPEC.joints.velocity * SPEC.controller.period_s).all()


def assert_rates(times: np.ndarray, speeds: np.ndarray, periods: int, swing: float) -> None:
    """Check (N, J) speeds [rad/s] at (N,) times [s], and their rates over so many samples.

    Set-points come a control period apart even while the clock of a busy simulation stands still.
    """
    assert len(times) > periods
    assert (np.abs(speeds) <= SPEC.joints.velocity).all()
    spans = np.maximum(times[periods:] - times[:-periods], periods * SPEC.controller.period_s)
    changes = np.abs(speeds[periods:] - speeds[:-periods])
    allowed = swing * SPEC.joints.acceleration * spans[:, None]
    assert (changes <= allowed).all(), (changes / allowed).max()


@pytest.mark.parametrize('victim', ['policy', 'perception'])
def test_the_arm_rests_soon_after_a_death_and_the_run_goes_on(
    tmp_path: Path, victim: str
) -> None:
    record, killed_s = killed_run(tmp_path, victim)
    hold, resumed_s = longest_hold(record, killed_s)
    assert any('chunk' in status.reason or 'joint states' in status.reason for status in hold)
    dead_s = arms_time(record, max(killed_s, last_word(hold)))
    rests_s = braked_by(record, dead_s, REST_S)
    assert_rests(record, rests_s, arms_time(record, resumed_s))
    assert_within_limits(record, arms_time(record, killed_s), rests_s)


def test_without_a_planner_the_arm_rests_at_the_subtasks_ttl(tmp_path: Path) -> None:
    # Two parts: one alone can be done before its ttl has lapsed.
    record, killed_s = killed_run(
        tmp_path, 'planner', 'put the red block in the bowl, then close the drawer')
    hold, resumed_s = longest_hold(record, killed_s)
    assert any('planner: subtask not renewed' in status.reason or 'joint states' in status.reason
               for status in hold)
    dead_s = arms_time(record, killed_s)
    assert_rests(
        record, braked_by(record, dead_s, TTL_S + REST_S), arms_time(record, resumed_s))
    assert_within_limits(record, dead_s, dead_s + REST_S)  # free motion, no contact


def test_without_control_the_arm_stops_by_itself(tmp_path: Path) -> None:
    record, killed_s = killed_run(tmp_path, 'control')
    dead_s = arms_time(record, killed_s)
    assert_rests(record, braked_by(record, dead_s, REST_S),
                 arms_time(record, killed_s + AWAY.backoff_s))
    assert_within_limits(record, dead_s, dead_s + REST_S)


class RecorderAssassin:
    """Kills the recorder once it has written an episode."""

    def __init__(self) -> None:
        self.run: GraphRun | None = None
        self.deaths = self.starts = 0

    def __call__(self, name: str, line: str) -> None:
        """Look at a log line of any node."""
        pids = self.run.supervisor.pids()
        if name == 'recorder' and 'written (' in line and not self.deaths:
            self.deaths += 1
            os.kill(pids['recorder'], signal.SIGKILL)
        if name == 'recorder' and 'recording to' in line:
            self.starts += 1


def test_a_killed_recorder_loses_no_finished_episode_and_appends(tmp_path: Path) -> None:
    assassin, root = RecorderAssassin(), tmp_path / 'dataset'
    nodes = sim_graph(GraphOptions(
        policy='expert', instruction='close the drawer', episodes=3, seed=100, lockstep=True,
        record=str(root), run=str(tmp_path / 'run')))
    assassin.run = GraphRun(nodes, tmp_path, on_line=assassin)
    record = assassin.run.play()
    assert [row['success'] for row in record.rows] == [True] * 3
    assert (assassin.deaths, assassin.starts) == (1, 2)
    episodes = [read_episode(root, index) for index in range(load(root).episodes)]
    assert (episodes[0].episode_id, episodes[0].success) == ('close_drawer-100', True)
    assert (episodes[-1].episode_id, episodes[-1].success) == ('close_drawer-102', True)
    rows = len(episodes[-1].streams['action'].stamps_ns)  # discovery may take the first few
    assert record.rows[-1]['steps'] / 2 < rows <= record.rows[-1]['steps']


class RawAssassin(RecorderAssassin):
    """Kills the recorder some time after one episode is written and the next one began."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__()
        self.after_s = random.Random(seed).uniform(0.0, 0.5)
        self._begun, self._written = 0, False

    def __call__(self, name: str, line: str) -> None:
        """Look at a log line of any node."""
        self.starts += name == 'recorder' and 'recording to' in line
        self._written |= name == 'recorder' and ' written (' in line
        self._begun += name == 'recorder' and line.endswith(': recording')
        if self._begun >= 2 and self._written and not self.deaths:
            self.deaths += 1
            threading.Timer(self.after_s, self._kill).start()

    def _kill(self) -> None:
        pid = self.run.supervisor.pids().get('recorder')
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize('form', ['mcap', 'lerobot'])
def test_a_recorder_of_raw_topics_that_is_killed_loses_no_finished_episode(
    tmp_path: Path, form: str,
) -> None:
    # Ten times: ./vla test test/test_graph.py -k raw_topics --count 10
    assassin, root = RawAssassin(), tmp_path / 'dataset'
    nodes = sim_graph(GraphOptions(
        policy='expert', instruction='close the drawer', episodes=4, seed=100, lockstep=True,
        record=str(root), record_format=form, record_raw=True, run=str(tmp_path / 'run')))
    assassin.run = GraphRun(nodes, tmp_path, on_line=assassin)
    assassin.run.play()
    told = f'killed after {assassin.after_s:.2f} s\n{assassin.run.text[-3000:]}'
    assert (assassin.deaths, assassin.starts) == (1, 2), told
    reader = open_dataset(root)
    episodes = [reader.read(index) for index in range(len(reader))]
    whole = {e.episode_id: e for e in episodes if e.meta['complete']}
    written = set(re.findall(r'episode (\S+) written', assassin.run.text))
    assert {'close_drawer-100', 'close_drawer-103'} <= written <= set(whole), told
    for episode in whole.values():
        assert episode.success and episode.meta['dropped_messages'] == 0, told
        start_ns, end_ns = episode.meta['start_ns'], episode.meta['end_ns']
        for stream, rate in (('observation/state/joint_position', SPEC.controller.rate_hz),
                             ('action', SPEC.policy.step_hz)):
            stamps = episode.streams[stream].stamps_ns
            assert np.ptp(np.diff(stamps)) <= 2, told  # not one is missing in between
            assert end_ns - stamps[0] > (end_ns - start_ns) / 2, told  # discovery takes a few
            assert end_ns - stamps[-1] < 1.5 * NS / rate, told


# --- lockstep is the in-process run -----------------------------------------------------------

class Heard:
    """A Subscriber that keeps the set-points and the joints at every policy step."""

    def __init__(self) -> None:
        self.set_points: list[np.ndarray] = []
        self.joints: list[np.ndarray] = []
        self.touch: list[bytes] = []
        self.steps = 0

    def on_reset(self, observation, state, instruction) -> None:
        del observation, state, instruction

    def on_step(self, observation, state, subtask, chunk) -> None:
        del state, subtask, chunk
        self.joints.append(observation.joint_position)
        if observation.wrench is not None:
            self.touch.append(touch_bytes(observation))

    def on_command(self, command: JointCommand) -> None:
        self.set_points.append(command.position)

    def on_end(self, outcome) -> None:
        self.steps = outcome.steps


@contextmanager
def table(scene: str) -> Iterator[TableEnvironment]:
    """Open a world and close it."""
    environment = TableEnvironment(scene=scene)
    try:
        yield environment
    finally:
        environment.close()


def in_process(task: str, seed: int, scene: str = BOWL) -> Heard:
    """Return what is heard of the expert's episode in this process."""
    heard = Heard()
    planner = EmbeddedPlanner() if scene == BOWL else None
    with table(scene) as environment:
        rollout(environment, ArmController(SPEC), DisturbedExpert(environment),
                planner, draw_instruction(task, seed), seed=seed, task=task,
                timeout_s=TIMEOUT_S, subscribers=(heard,))
    return heard


def with_full_disk(nodes: Sequence[NodeSpec]) -> list[NodeSpec]:
    """Return the nodes with a recorder that finds too little space on any disk."""
    return [
        replace(node, parameters={**node.parameters, 'min_free_gb': 1e6})
        if node.name == 'recorder' else node for node in nodes]


def assert_same_to_the_end(heard: list[np.ndarray], all_of_them: list[np.ndarray]) -> None:
    """Check that what was heard is the same to the bit; discovery may take the first few."""
    assert len(heard) > len(all_of_them) / 2
    count = min(len(heard), len(all_of_them))  # before the first tick joints are told, too
    assert np.array_equal(heard[-count:], all_of_them[-count:])


def play_heard(
    nodes: Sequence[NodeSpec], folder: Path, heard: Callable[[Record], list], everything: list,
) -> GraphRun:
    """Run until most was heard: lockstep does not wait for a listener that is discovered late."""
    for _ in range(3):
        run = GraphRun(nodes, folder)
        if len(heard(run.play())) > len(everything) / 2:
            break
    return run


def test_lockstep_equals_the_run_in_process_to_the_bit_even_with_a_full_disk(
    tmp_path: Path,
) -> None:
    nodes = with_full_disk(sim_graph(GraphOptions(
        policy='expert', episodes=1, seed=100, lockstep=True,
        record=str(tmp_path / 'dataset'), run=str(tmp_path / 'run'))))
    alone = in_process('close_drawer', 100)
    run = play_heard(nodes, tmp_path, lambda record: record.set_points, alone.set_points)
    record = run.record
    assert_same_to_the_end([point.position for point in record.set_points], alone.set_points)
    every = SPEC.ticks_per_step
    measured = [joints.position for joints in record.joints]
    assert_same_to_the_end(measured[-every::-every][::-1], alone.joints)
    row, = record.rows
    assert (row['task'], row['success'], row['steps']) == ('close_drawer', True, alone.steps)
    assert 'recording stopped: disk: got' in run.text
    assert load(tmp_path / 'dataset') is None


def test_touch_reaches_the_observation_to_the_bit(tmp_path: Path) -> None:
    nodes = sim_graph(GraphOptions(
        policy='expert', scene='touch', episodes=1, seed=100, lockstep=True,
        run=str(tmp_path / 'run')))
    alone = in_process('insert_peg', 100, 'touch')
    record = play_heard(nodes, tmp_path, lambda record: record.touch, alone.touch).record
    assert len(set(alone.touch)) > 1  # something was felt
    assert_same_to_the_end([np.frombuffer(felt, np.uint8) for felt in record.touch],
                           [np.frombuffer(felt, np.uint8) for felt in alone.touch])
    row, = record.rows
    assert (row['task'], row['success'], row['steps']) == ('insert_peg', True, alone.steps)
