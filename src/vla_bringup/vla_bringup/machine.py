"""What an exam was carried out on and with: what its numbers depend on."""

from collections.abc import Iterable
import hashlib
import importlib.metadata
import importlib.util
import os
from pathlib import Path
import platform
import subprocess

_LIBRARIES = ('numpy', 'pin', 'pybullet', 'torch')
_PACKAGES = ('vla_core', 'vla_planner', 'vla_policy', 'vla_sim')  # what an episode is made of
_SOURCES = ('.py', '.yaml', '.urdf')


def versions() -> dict[str, str]:
    """Return what can change an episode: the suite's own code, Python and the libraries."""
    return {'code': code_fingerprint(), 'python': platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _LIBRARIES}}


def machine() -> dict[str, str]:
    """Return the processor, its cores, the system and the commit."""
    return {'processor': _processor(), 'cores': str(len(os.sched_getaffinity(0))),
            'system': platform.platform(), 'commit': _commit()}


def code_fingerprint() -> str:
    """Return 16 hex digits of the SHA-256 over the code and robots that an episode runs on."""
    here = Path(__file__).parent
    own = [here / f'{name}.py' for name in ('episodes', 'chain_episode', 'reference_policies')]
    folders = [Path(importlib.util.find_spec(name).origin).parent for name in _PACKAGES]
    return _digest([*own, *(path for folder in folders for path in sorted(folder.rglob('*'))
                            if path.suffix in _SOURCES)])


def checkpoint_fingerprint(folder: Path) -> str:
    """Return 16 hex digits of the SHA-256 over a checkpoint's files, its card left out."""
    return _digest([path for path in sorted(folder.iterdir())
                    if path.is_file() and path.suffix != '.md'])


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b'\0' + path.read_bytes() + b'\0')
    return digest.hexdigest()[:16]


def _commit() -> str:
    """Return the commit, with '-dirty' for changes on top, or 'unknown' without git."""
    here = os.environ.get('VLA_ROOT', Path(__file__).parent)
    try:
        answer = subprocess.run(
            ['git', 'describe', '--always', '--dirty', '--abbrev=12', '--exclude=*'], cwd=here,
            capture_output=True, text=True)
    except OSError:
        return 'unknown'
    return answer.stdout.strip() or 'unknown'


def _processor() -> str:
    lines = Path('/proc/cpuinfo').read_text().splitlines()
    names = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.machine()
