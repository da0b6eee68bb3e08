"""Frames lost between two processes: the shipped Fast DDS profile against the default."""

import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time

from vla_bringup.graph import graph_environment
from vla_bringup.supervisor import free_domain
from vla_core.errors import VlaError

_RATE_HZ = 30
_SLOW = 3.0  # a machine may take so many times longer to send
_START_S = 20.0  # for both processes to come up and find each other
_DRAIN_S = 0.5
_END_S = 10.0


def run(frames: int) -> dict[str, dict[str, float | int]]:
    """Return figures by profile and camera: latency [ms], frames received and lost."""
    rows = {}
    for profile in ('shipped', 'default'):
        for camera, figures in _measure(profile, frames).items():
            received = figures['count']
            rows[f'{profile} profile, {camera}'] = {
                'p50': figures['p50'], 'p99': figures['p99'], 'received': received,
                'lost': frames - received}
    return rows


def _measure(profile: str, frames: int) -> dict[str, dict]:
    environment = {**os.environ, **graph_environment(), 'ROS_DOMAIN_ID': str(free_domain())}
    if profile == 'default':
        environment.pop('FASTRTPS_DEFAULT_PROFILES_FILE')
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / 'camera.json'
        receiver = _start('receive', frames, out, environment)
        publisher = _start('publish', frames, out, environment)
        _await_file(out.with_suffix('.sent'), _START_S + _SLOW * frames / _RATE_HZ)
        time.sleep(_DRAIN_S)
        for process in (publisher, receiver):
            process.terminate()
            process.wait(_END_S)
        if not out.exists():
            raise VlaError(f'camera bench: the receiver ended with {receiver.returncode}')
        return json.loads(out.read_text())


def _await_file(path: Path, timeout_s: float) -> None:
    limit = time.monotonic() + timeout_s
    while not path.exists():
        if time.monotonic() > limit:
            raise VlaError(f'camera bench: not all frames were sent within {timeout_s:.0f} s')
        time.sleep(0.1)


def _start(role: str, frames: int, out: Path, environment: dict[str, str]) -> subprocess.Popen:
    return subprocess.Popen([
        sys.executable, '-m', 'vla_bringup.benchmarks.camera_node', '--ros-args',
        '-r', f'__node:=camera_{role}', '-p', f'role:={role}', '-p', f'frames:={frames}',
        '-p', f'rate_hz:={_RATE_HZ}', '-p', f'out:={out}'], env=environment)
