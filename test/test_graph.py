"""The real graph with the scripted expert: it succeeds, it survives deaths, it leaves nothing.

Every run takes a ROS domain of its own. The expert stands in the policy's place, so these need
no trained checkpoint.
"""

from collections.abc import Callable
import contextlib
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from sensor_msgs.msg import JointState
from vla_bringup.graph import GraphOptions, sim_graph
from vla_bringup.supervisor import Supervisor
from vla_core.ros import qos
from vla_core.ros.robot_msgs import joint_state_from_msg
from vla_core.spec import load_robot
from vla_core.types import Mode
from vla_interfaces.msg import ControlStatus

SPEC = load_robot('panda')
MOVING = 0.15  # [rad/s] of the fastest joint: in the middle of a motion
STILL = 0.02  # [rad/s]
MEASURED = 1.1  # joints trail their set-points: share of ddq their measured rates may reach
VLA_SIM = [sys.executable, '-m', 'vla_bringup.cli', 'sim', '--policy', 'expert']


@dataclass
class Record:
    """What was heard; stamps are simulated time [s]."""

    stamps: list[float] = field(default_factory=list)
    speeds: list[np.ndarray] = field(default_factory=list)  # (J,) float64 [rad/s]
    statuses: list[tuple[float, int, str]] = field(default_factory=list)  # stamp, mode, reason


class GraphProbe:
    """Hears joint states and control status in a thread and context of its own."""

    def __init__(self, domain: int, on_joints: Callable[[Record], None]) -> None:
        self.record = Record()
        self._on_joints = on_joints
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = rclpy.create_node('probe', context=self._context)
        self._node.create_subscription(
            JointState, 'joint_states', self._hear_joints, qos.RECORD)
        self._node.create_subscription(
            ControlStatus, 'control_status', self._hear_status, qos.RECORD)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def close(self) -> Record:
        """Stop listening; return what was heard."""
        self._context.try_shutdown()
        self._thread.join(10.0)
        return self.record

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            while self._context.ok():
                self._executor.spin_once(timeout_sec=0.2)

    def _hear_joints(self, message: JointState) -> None:
        stamp_ns, _, speed = joint_state_from_msg(message, SPEC.joints.names)
        self.record.stamps.append(stamp_ns * 1e-9)
        self.record.speeds.append(speed)
        self._on_joints(self.record)

    def _hear_status(self, message: ControlStatus) -> None:
        stamp = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
        self.record.statuses.append((stamp, message.mode, message.reason))


def test_an_episode_in_lockstep_succeeds_and_leaves_its_traces(tmp_path: Path) -> None:
    result = tmp_path / 'out.json'
    ended = subprocess.run(
        [*VLA_SIM, '--lockstep', '--episodes', '1', '--seed', '100', '--json', str(result)],
        cwd=tmp_path, timeout=150, capture_output=True, text=True)
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
        [*VLA_SIM, *arguments], cwd=tmp_path, timeout=60, capture_output=True, text=True)
    assert ended.returncode == 2
    assert words in ended.stderr and ended.stderr.count('\n') == 1
    assert not (tmp_path / 'runs').exists()


class Assassin:
    """Kills one node once, in the middle of a motion, and remembers when."""

    def __init__(self, victim: str) -> None:
        self.victim = victim
        self.supervisor: Supervisor | None = None
        self.killed_at: float | None = None  # simulated time [s]

    def __call__(self, record: Record) -> None:
        """Look at the newest joint state."""
        moving = np.abs(record.speeds[-1]).max() > MOVING and len(record.stamps) > 60
        pid = self.supervisor.pids().get(self.victim)
        if self.killed_at is None and moving and pid is not None:
            os.kill(pid, signal.SIGKILL)
            self.killed_at = record.stamps[-1]


def killed_run(tmp_path: Path, victim: str) -> tuple[list[dict], Record, float]:
    """Return the rows of a run, what was heard, and when the victim was killed."""
    assassin, rows, probes = Assassin(victim), [], []

    def hear(name: str, line: str) -> None:
        if name != 'session' or not line.startswith('{"event"'):
            return
        event = json.loads(line)
        if event['event'] == 'waiting':
            probes.append(GraphProbe(assassin.supervisor.domain, assassin))
        if event['event'] == 'row':
            rows.append(event)

    nodes = sim_graph(GraphOptions(
        policy='expert', instruction='put the red block in the bowl', episodes=1, seed=100,
        timeout_s=40.0, run=str(tmp_path / 'run')))
    log = (tmp_path / 'log.txt').open('w+')
    assassin.supervisor = Supervisor(nodes, log, hear)
    code = assassin.supervisor.run()
    record = probes[0].close()
    text = Path(log.name).read_text()
    assert code == 0, text
    assert assassin.killed_at is not None
    assert f'{victim:>10}' in text and 'restart in' in text
    return rows, record, assassin.killed_at


@pytest.mark.parametrize('victim', ['policy', 'perception'])
def test_the_arm_rests_soon_after_a_death_and_the_run_goes_on(
    tmp_path: Path, victim: str
) -> None:
    rows, record, killed_at = killed_run(tmp_path, victim)
    stamps, speeds = np.array(record.stamps), np.array(record.speeds)
    at_rest = stamps[(stamps > killed_at) & (np.abs(speeds).max(axis=1) < STILL)]
    assert at_rest[0] - killed_at <= 0.5
    assert_within_limits(stamps, speeds, killed_at, at_rest[0])
    reasons = [reason for stamp, mode, reason in record.statuses
               if mode == Mode.HOLD and stamp > killed_at]
    assert any(reasons)
    assert [row['success'] for row in rows] == [True]


def test_a_planner_that_died_is_instructed_again(tmp_path: Path) -> None:
    rows, record, killed_at = killed_run(tmp_path, 'planner')
    stamps, speeds = np.array(record.stamps), np.array(record.speeds)
    assert_within_limits(stamps, speeds, killed_at, killed_at + 0.5)  # free motion, no contact
    assert [row['success'] for row in rows] == [True]


def assert_within_limits(
    stamps: np.ndarray, speeds: np.ndarray, begin: float, end: float
) -> None:
    """Check (N, J) speeds [rad/s] and their rates between two stamps [s]."""
    chosen = (stamps >= begin) & (stamps <= end) & (np.diff(stamps, prepend=0.0) > 0.0)
    speeds, times = speeds[chosen], stamps[chosen]
    assert (np.abs(speeds) <= SPEC.joints.velocity).all()
    rates = np.diff(speeds, axis=0) / np.diff(times)[:, None]
    assert (np.abs(rates) <= MEASURED * SPEC.joints.acceleration).all()


def test_an_interrupt_ends_every_process_within_three_seconds(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [*VLA_SIM, '--episodes', '5', '--seed', '100'], cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while len(pids := children(run.pid)) < 7:
        assert run.poll() is None
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=10) == 130
    assert not [pid for pid in pids if Path(f'/proc/{pid}').exists()]


def children(pid: int) -> list[int]:
    """Return the process ids of the children of `pid`."""
    return [int(child) for task in Path(f'/proc/{pid}/task').iterdir()
            for child in (task / 'children').read_text().split()]
