"""The recorder under load: 3 cameras of 640x480 at 30 Hz and joints at 1 kHz over real topics.

A talker publishes messages that were serialised before, the recorder node records them as MCAP
and as LeRobot, one after the other. Beside them LeRobot's own loop gets the same frames in its
own process, without any transport and with the joints at the rate of the cameras.
"""

from collections.abc import Mapping
import contextlib
import json
import os
from pathlib import Path
import signal
import subprocess
import tempfile
import time

import numpy as np
from vla_bringup.benchmarks import lerobot_record
from vla_bringup.benchmarks.record_pictures import frames, HEIGHT, WIDTH
from vla_bringup.benchmarks.record_watch import Watch
from vla_bringup.graph import graph_environment, NodeSpec
from vla_bringup.supervisor import free_domain, node_command
from vla_core.errors import VlaError
from vla_core.spec import load_robot
from vla_recorder.formats import open_dataset
from vla_recorder.recording.cadence import from_json
import yaml

RATE_HZ, JOINTS_HZ = 30, 1000
CAMERAS = ('left', 'right', 'wrist')
CODECS = {'mcap': 'as sent', 'lerobot': 'H.264 ultrafast crf 22'}
_END_S = 900.0  # for what waits for the disk or the encoder
_START_S = 60.0

Figures = Mapping[str, float | int]


def run(seconds: float, lerobot_python: Path | None) -> dict[str, Figures]:
    """Return figures by recorder: messages, cores, memory, disk."""
    if seconds <= 0:
        raise VlaError(f'--seconds: got {seconds}, allowed more than 0')
    if lerobot_python is not None and not lerobot_python.exists():
        raise VlaError(f'--lerobot-python: got {lerobot_python}, allowed an interpreter')
    rows: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory(prefix='vla-bench-') as folder:
        root = Path(folder)
        print(f'{seconds:g} s each on {os.cpu_count()} cores, disk {disk_of(root)}', flush=True)
        np.save(root / 'frames.npy', frames(len(CAMERAS)))
        robot = _robot(root / 'robot.yaml')
        for form in ('mcap', 'lerobot'):
            rows[f'{form}, {CODECS[form]}'] = _record(root, robot, form, seconds)
        if lerobot_python is not None:
            for streaming, codec in (('off', 'libsvtav1'), ('on', 'libsvtav1'), ('on', 'h264')):
                name = f"LeRobot's, {codec}{', streamed' if streaming == 'on' else ''}"
                rows[name] = _peer(root, lerobot_python, seconds, streaming, codec)
    return rows


def disk_of(folder: Path) -> str:
    """Return the file system that holds a folder."""
    found, kind = '', 'unknown'
    for line in Path('/proc/mounts').read_text().splitlines():
        _, place, fstype, *_ = line.split()
        if Path(folder).resolve().is_relative_to(place) and len(place) >= len(found):
            found, kind = place, fstype
    return kind


def _robot(path: Path) -> Path:
    """Write the Panda's spec with other cameras."""
    spec = load_robot('panda')
    data = yaml.safe_load((spec.urdf.parent / 'panda.yaml').read_text())
    data['urdf'] = str(spec.urdf.resolve())
    data['cameras'] = {name: {'width': WIDTH, 'height': HEIGHT, 'rate_hz': RATE_HZ,
                              'frame': f'{name}_optical'} for name in CAMERAS}
    data['tactile'] = {}
    path.write_text(yaml.safe_dump(data))
    return path


def _record(root: Path, robot: Path, form: str, seconds: float) -> Figures:
    dataset, sent = root / form, root / 'sent.json'
    sent.unlink(missing_ok=True)
    environment = {**os.environ, **graph_environment(), 'ROS_DOMAIN_ID': str(free_domain())}
    common = {'robot': str(robot)}
    recorder = NodeSpec('vla_recorder', 'recorder_node', 'recorder', {
        **common, 'source': 'raw', 'format': form, 'root': str(dataset), 'automatic': False})
    talker = NodeSpec('vla_bringup', 'benchmarks.record_node', 'talker', {
        **common, 'frames': str(root / 'frames.npy'), 'seconds': float(seconds),
        'joints_hz': JOINTS_HZ, 'out': str(sent)})
    with _process(recorder, environment) as process:
        watch = Watch(process.pid)
        with _process(talker, environment) as other:
            other.wait(seconds + _START_S)
        if not sent.exists():
            raise VlaError(f'record bench: the talker ended with {other.returncode}')
        costs, ended = watch.end(), time.monotonic()
    written_s = time.monotonic() - ended  # the recorder ends when all is on the disk
    figures = _told(dataset, json.loads(sent.read_text()))
    size = sum(path.stat().st_size for path in dataset.rglob('*') if path.is_file())
    return {**figures, **costs, 'written_after_s': written_s, 'disk_mb_s': size / 1e6 / seconds}


def _told(dataset: Path, sent: Mapping[str, float]) -> dict[str, float | int]:
    """Return what was sent and recorded, and what the recorder says it dropped."""
    reader = open_dataset(dataset)
    try:
        episode = reader.read(0)
        joints = len(episode.streams['observation/state/joint_position'])
        shown = sum(len(episode.streams[f'observation/images/{camera}']) for camera in CAMERAS)
        cadence = from_json(episode.meta['cadence'])
        return {
            'frames_sent': sent['frames'], 'frames_kept': shown,
            'joints_sent': sent['joint_states'], 'joints_kept': joints,
            'dropped': sum(entry.dropped for entry in cadence.values()),
            'age_ms': 1e3 * max(entry.max_age_s for entry in cadence.values())}
    finally:
        reader.close()


def _peer(
    root: Path, python: Path, seconds: float, streaming: str, codec: str,
) -> Figures:
    """Return the figures of LeRobot's own loop."""
    target = root / f'peer-{streaming}-{codec}'
    process = subprocess.Popen(
        [str(python), lerobot_record.__file__, str(root / 'frames.npy'), str(target),
         str(RATE_HZ), str(seconds), streaming, codec],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**_without_ours(), 'HF_HUB_OFFLINE': '1'})
    watch = Watch(process.pid)
    out, problem = process.communicate(timeout=seconds + _END_S)
    peak_mb = watch.end()['peak_mb']
    if process.returncode:
        raise VlaError(f'{python}: {(problem.strip().splitlines() or ["failed"])[-1]}')
    told = json.loads(out.strip().splitlines()[-1])
    wanted = round(seconds * RATE_HZ) * len(CAMERAS)
    return {
        'frames_sent': wanted, 'frames_kept': told['kept'] * len(CAMERAS) - told['lost'],
        'late_rows': told['slow'], 'cores': told['loop_cores'], 'peak_mb': peak_mb,
        'written_after_s': told['save_s'], 'disk_mb_s': told['disk_mb'] / seconds}


def _without_ours() -> dict[str, str]:
    """Return the environment without what is for our interpreter alone."""
    return {key: value for key, value in os.environ.items()
            if key not in ('PYTHONPATH', 'LD_LIBRARY_PATH')}


@contextlib.contextmanager
def _process(node: NodeSpec, environment: Mapping[str, str]) -> object:
    process = subprocess.Popen(node_command(node), env=dict(environment))
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(_END_S)
