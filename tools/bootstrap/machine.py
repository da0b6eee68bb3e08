"""What the machine offers: a Python, a ROS, a compiler, a home folder."""

import os
from pathlib import Path
import pwd
import shutil
import subprocess
import sys

from bootstrap.errors import SetupError

PYTHONS = ((3, 10), (3, 11))  # for which ROS and PyBullet exist as wheels
PROBE = 'import sys, venv, ensurepip; print(sys.version_info[0], sys.version_info[1])'


def find_ros():
    """Return the name of the sourced ROS distribution (`jazzy`), or '' without one."""
    distribution = os.environ.get('ROS_DISTRO', '')
    if distribution and _runs(_python3(), 'import rclpy'):
        return distribution
    return ''


def find_python(ros):
    """Return the interpreter for the virtual environment.

    A sourced ROS decides by its own python3; ROS from wheels needs one of PYTHONS.
    """
    candidates = [_python3()]
    if not ros:
        candidates += [shutil.which(f'python{major}.{minor}') for major, minor in PYTHONS[::-1]]
    found, incomplete = [], None
    for candidate in filter(None, candidates):
        version = _version(candidate)
        if version is None:
            incomplete = incomplete or candidate
        elif ros or version in PYTHONS:
            return candidate
        else:
            found.append(f'{version[0]}.{version[1]}')
    if incomplete and _runs(incomplete, f'import sys; assert sys.version_info[:2] in {PYTHONS}'):
        raise SetupError(
            f'{incomplete} cannot make virtual environments; install python3-venv '
            '(sudo apt install python3-venv)')
    raise SetupError(
        f'no suitable Python: got {", ".join(found) or "none"}, allowed 3.10 or 3.11 '
        '(sudo apt install python3.11 python3.11-venv, or source a ROS 2 Jazzy)')


def require_compiler():
    """Raise unless the machine has a C++ compiler."""
    if not any(shutil.which(name) for name in (os.environ.get('CXX', 'c++'), 'g++', 'clang++')):
        raise SetupError(
            'no C++ compiler, needed once to build the messages; '
            'install the package g++ (sudo apt install g++)')
    if not any(shutil.which(name) for name in ('make', 'gmake')):
        raise SetupError(
            'no make, needed once to build the messages; '
            'install the package make (sudo apt install make)')


def require_headers(python):
    """Raise unless the interpreter has the C headers that message packages are built with."""
    look = ('import os, sysconfig; '
            "assert os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h'))")
    if not _runs(python, look):
        raise SetupError(
            f'{python} has no C headers, needed once to build the messages; '
            'install the package python3-dev (sudo apt install python3-dev)')


def ensure_home(root):
    """Set HOME, which ROS needs, where it is unset or cannot be written to."""
    home = os.environ.get('HOME') or pwd.getpwuid(os.getuid()).pw_dir
    if not os.access(home, os.W_OK):
        home = str(Path(root) / 'log' / 'home')
        Path(home).mkdir(parents=True, exist_ok=True)
    os.environ['HOME'] = home


def _python3():
    """Return the python3 outside any virtual environment."""
    return getattr(sys, '_base_executable', None) or sys.executable


def _version(python):
    answer = subprocess.run([python, '-c', PROBE], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, universal_newlines=True)
    return tuple(int(part) for part in answer.stdout.split()) if answer.returncode == 0 else None


def _runs(python, code):
    return subprocess.run([python, '-c', code], stderr=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL).returncode == 0
