"""Report what this machine offers, and what is wrong and how to mend it.

examples:
  ./vla doctor
  ./vla doctor --json doctor.json
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
import importlib.metadata
import json
import os
from pathlib import Path
import platform
import shutil
import subprocess
import sys

GIB = 1 << 30
LIBRARIES = ('numpy', 'scipy', 'pin', 'ruckig', 'pybullet', 'torch', 'transformers', 'h5py',
             'pyarrow', 'av', 'opencv-python-headless')
GRAPH = """
import time
import rclpy
from rclpy.utilities import get_rmw_implementation_identifier
from std_msgs.msg import String
import control_msgs.action, tf2_msgs.msg, vla_interfaces.msg
rclpy.init()
node, heard = rclpy.create_node('doctor'), []
node.create_subscription(String, 'doctor', heard.append, 1)
sender = node.create_publisher(String, 'doctor', 1)
start = time.monotonic()
while not heard and time.monotonic() < start + 10:
    sender.publish(String(data='well?'))
    rclpy.spin_once(node, timeout_sec=0.05)
print(get_rmw_implementation_identifier(), rclpy.__file__, len(heard) > 0, sep='\\n')
"""


@dataclass(frozen=True)
class Options:
    """What `vla doctor` takes."""

    json: Path | None = None
    """Write the report to this file, too."""


@dataclass(frozen=True)
class Finding:
    """One line of the report; `problem` says how to mend it, empty where all is well."""

    name: str
    value: str
    problem: str = ''


def main(options: Options) -> int:
    """Print the report; return 1 if something is wrong."""
    findings = [finding for check in CHECKS for finding in check()]
    for finding in findings:
        mark = '!!' if finding.problem else 'ok'
        print(f'{mark}  {finding.name:<14}{finding.value}')
        if finding.problem:
            print(f'    {"":<14}-> {finding.problem}')
    problems = sum(bool(finding.problem) for finding in findings)
    print(f'{problems} thing{"s" * (problems != 1)} to mend' if problems else 'all is well')
    if options.json is not None:
        report = {'ok': not problems, 'checks': [asdict(finding) for finding in findings]}
        options.json.write_text(json.dumps(report, indent=1) + '\n')
    return 1 if problems else 0


def check_python() -> list[Finding]:
    """Report the interpreter and the system."""
    return [Finding('python', f'{platform.python_version()} ({sys.executable})'),
            Finding('system', f'{_system_name()}, {platform.machine()}')]


def check_compiler() -> list[Finding]:
    """Report the C++ compiler that builds the messages."""
    compiler = next(filter(None, map(shutil.which, ('c++', 'g++', 'clang++'))), None)
    if compiler is None:
        return [Finding('compiler', 'none', 'install the package g++ (sudo apt install g++)')]
    return [Finding('compiler', _first_line([compiler, '--version']))]


def check_ros() -> list[Finding]:
    """Send one message to ourselves in a process of its own; report ROS and its middleware."""
    try:
        answer = subprocess.run([sys.executable, '-c', GRAPH], capture_output=True, text=True,
                                timeout=60)
    except subprocess.TimeoutExpired:
        return [Finding('ros', 'no answer in 60 s', 'free the processor, or look at log/ros')]
    if answer.returncode:
        cause = (answer.stderr.strip().splitlines() or ['died'])[-1]
        return [Finding('ros', cause, 'delete .venv and install, then run ./vla doctor again')]
    rmw, origin, heard = answer.stdout.strip().splitlines()[-3:]
    wheels = Path(sys.prefix) in Path(origin).parents
    source = (f'wheels in {sys.prefix}' if wheels
              else f'{os.environ.get("ROS_DISTRO", "?")} in {_prefix(origin)}')
    version = _version('ros-rclpy') if wheels else _version('rclpy')
    domain = os.environ.get('ROS_DOMAIN_ID', '0')
    reach = os.environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET')
    problem = '' if heard == 'True' else 'no message came back in 10 s: allow UDP on interface lo'
    return [Finding('ros', f'rclpy {version}, {source}'),
            Finding('middleware', f'{rmw}, domain {domain}, discovery {reach}', problem)]


def check_shared_memory() -> list[Finding]:
    """Report /dev/shm, through which images travel."""
    if not Path('/dev/shm').is_dir():
        return [Finding('shared memory', 'none', 'mount a tmpfs on /dev/shm')]
    usage = shutil.disk_usage('/dev/shm')
    problem = '' if usage.free >= GIB // 4 else (
        'images need 0.25 GiB; in Docker: --shm-size=1g, else delete stale /dev/shm/fastrtps_*')
    return [Finding('shared memory', f'{usage.free / GIB:.1f} of {usage.total / GIB:.1f} GiB free',
                    problem)]


def check_size() -> list[Finding]:
    """Report cores, memory and disk."""
    cores = len(os.sched_getaffinity(0))
    memory = {name: int(rest.split()[0]) * 1024 for name, rest in (
        line.split(':', 1) for line in Path('/proc/meminfo').read_text().splitlines())}
    available = memory['MemAvailable']
    disk = shutil.disk_usage(_root()).free
    return [
        Finding('cores', str(cores), '' if cores > 1 else 'real time needs 2; use --lockstep'),
        Finding('memory', f'{available / GIB:.1f} of {memory["MemTotal"] / GIB:.1f} GiB free',
                '' if available > 2 * GIB else 'the graph needs 2 GiB; close other programs'),
        Finding('disk', f'{disk / GIB:.0f} GiB free in {_root()}',
                '' if disk > 2 * GIB else 'recording needs 2 GiB; delete old runs/ or data/')]


def check_gpu() -> list[Finding]:
    """Report the NVIDIA GPU, if there is one."""
    if shutil.which('nvidia-smi') is None:
        return [Finding('gpu', 'none (none is needed)')]
    name = _first_line(['nvidia-smi', '--query-gpu=name,memory.total,driver_version',
                        '--format=csv,noheader'])
    return [Finding('gpu', name, '' if name else 'nvidia-smi does not answer: check the driver')]


def check_libraries() -> list[Finding]:
    """Report the versions of the libraries the suite stands on."""
    versions = {name: _version(name) for name in LIBRARIES}
    missing = [name for name, version in versions.items() if not version]
    problem = f'missing {", ".join(missing)}: delete .venv and run ./vla again' if missing else ''
    rows = list(versions.items())
    return [Finding('libraries', ', '.join(f'{name} {version}' for name, version in rows[:6])),
            Finding('', ', '.join(f'{name} {version}' for name, version in rows[6:]), problem)]


def check_home() -> list[Finding]:
    """Report the home folder and where logs go."""
    home = os.environ.get('HOME', '')
    writable = bool(home) and os.access(home, os.W_OK)
    return [Finding('home', home or 'unset', '' if writable else 'set HOME to a writable folder')]


CHECKS: tuple[Callable[[], list[Finding]], ...] = (
    check_python, check_compiler, check_ros, check_shared_memory, check_size, check_gpu,
    check_libraries, check_home)


def _root() -> Path:
    return Path(os.environ.get('VLA_ROOT', '.')).resolve()


def _prefix(origin: str) -> str:
    return str(Path(origin).parents[4])


def _system_name() -> str:
    try:
        return platform.freedesktop_os_release().get('PRETTY_NAME', platform.system())
    except OSError:
        return platform.system()


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ''


def _first_line(command: list[str]) -> str:
    answer = subprocess.run(command, capture_output=True, text=True)
    return (answer.stdout.splitlines() or [''])[0]
