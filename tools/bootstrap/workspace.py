"""The colcon workspace: its build, and the environment its programs run in."""

import os
from pathlib import Path
import shutil
import subprocess
import sys

from bootstrap.errors import SetupError
from bootstrap.stamps import digest, read_stamp, write_stamp

COMPAT = ('tf2_msgs', 'control_msgs')
BUILT_FROM = ('package.xml', 'setup.py', 'setup.cfg', 'CMakeLists.txt')
INTERFACES = ('msg', 'srv', 'action')
LINKED = ('launch', 'config')
PATH_LISTS = ('AMENT_PREFIX_PATH', 'CMAKE_PREFIX_PATH', 'COLCON_PREFIX_PATH', 'LD_LIBRARY_PATH',
              'PATH', 'PKG_CONFIG_PATH', 'PYTHONPATH')


class Workspace:
    """Builds `src` into `install` when a definition changed, and remembers the environment."""

    def __init__(self, root, packages, ros):
        self._root = root
        self._packages = packages
        self._ros = ros
        self._stamp = root / 'install' / '.vla-stamp.json'
        self._skipped = [name for name in COMPAT if ros and _installed(name, root)]
        self._digests = {folder.name: self._digest(folder) for folder in _packages(root / 'src')
                         if folder.name not in self._skipped}

    def ready(self):
        """Tell whether the build is complete and of these definitions."""
        stamp = read_stamp(self._stamp)
        return ('environment' in stamp and stamp.get('base') == self._packages.ros_digest
                and stamp['digests'] == self._digests)

    def build(self, steps):
        """Build the packages that changed; the stamp with the environment is written last."""
        base = self._packages.ros_digest
        stamp = read_stamp(self._stamp)
        if stamp and stamp.get('base') != base:  # another folder or another ROS
            for name in ('build', 'install'):
                shutil.rmtree(self._root / name, ignore_errors=True)
            stamp = {}
        built = stamp.get('digests', {})
        changed = [name for name, digest_ in self._digests.items() if built.get(name) != digest_]
        kept = {name: built[name] for name in self._digests if name not in changed}
        write_stamp(self._stamp, {'base': base, 'digests': kept})
        environment = self._tools_environment()
        command = [self._packages.venv / 'bin' / 'colcon', '--log-base', self._root / 'log',
                   'build', '--symlink-install', '--base-paths', self._root / 'src',
                   '--build-base', self._root / 'build', '--install-base', self._root / 'install',
                   '--cmake-args', '-DBUILD_TESTING=OFF',
                   f'-DPython3_EXECUTABLE={self._packages.python}']
        command += ['--packages-select', *changed]
        steps.run(f'build of {len(changed)} packages', [command] if changed else [], environment)
        write_stamp(self._stamp, {'base': base, 'digests': self._digests,
                                  'environment': self._source(environment)})

    def environment(self):
        """Return the environment of the workspace's programs, on top of this process's."""
        merged = dict(os.environ)
        for name, value in read_stamp(self._stamp)['environment'].items():
            own = value.split(os.pathsep) if name in PATH_LISTS else None
            merged[name] = value if own is None else _prepended(own, os.environ.get(name, ''))
        merged.setdefault('ROS_LOG_DIR', str(self._root / 'log' / 'ros'))
        merged.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        merged['VLA_ROOT'] = str(self._root)
        return merged

    def _digest(self, folder):
        """Return the digest of what a package is built from, and of what is installed by name."""
        files = [folder / name for name in BUILT_FROM if (folder / name).exists()]
        files += [path for kind in INTERFACES for path in folder.glob(f'{kind}/*.{kind}')]
        linked = [path.name for name in LINKED for path in sorted(folder.glob(f'{name}/*'))]
        return digest(self._root, files, linked)

    def _tools_environment(self):
        """Return this process's environment with `.venv` in front."""
        venv = self._packages.venv
        added = {'PATH': [str(venv / 'bin')]}
        environment = dict(os.environ, VIRTUAL_ENV=str(venv))
        if not self._ros:
            libraries = sorted(map(str, venv.glob('lib/python3*/site-packages/ros_*.libs')))
            added.update(AMENT_PREFIX_PATH=[str(venv)], CMAKE_PREFIX_PATH=[str(venv)],
                         LD_LIBRARY_PATH=[str(venv / 'lib'), *libraries])
            environment['_ROS_WHEELS_BOOTSTRAP_COMPLETE'] = '1'
        for name, entries in added.items():
            environment[name] = _prepended(entries, os.environ.get(name, ''))
        return environment

    def _source(self, environment):
        """Return what sourcing the built workspace adds to this process's environment."""
        install = self._root / 'install'
        # colcon's script does not quote the interpreter: give it one without spaces
        answer = subprocess.run(
            ['bash', '-c', 'source "$0" && exec env -0', str(install / 'setup.bash')],
            stdout=subprocess.PIPE, env=dict(environment, COLCON_PYTHON_EXECUTABLE=sys.executable))
        if answer.returncode or str(install).encode() not in answer.stdout:
            raise SetupError('install/setup.bash cannot be sourced; delete install and try again')
        after = dict(entry.split('=', 1)
                     for entry in answer.stdout.decode().split('\0') if '=' in entry)
        added = {}
        for name, value in after.items():
            if name in PATH_LISTS:
                known = os.environ.get(name, '').split(os.pathsep)
                value = os.pathsep.join(e for e in value.split(os.pathsep) if e and e not in known)
            if value and value != os.environ.get(name) and name not in ('_', 'SHLVL', 'PWD'):
                added[name] = value
        return added


def _prepended(entries, existing):
    """Return the path list with the entries in front, none twice, none empty."""
    rest = [entry for entry in existing.split(os.pathsep) if entry and entry not in entries]
    return os.pathsep.join([*entries, *rest])


def _packages(source):
    return sorted(path.parent for pattern in ('*', 'ros_compat/*')
                  for path in source.glob(f'{pattern}/package.xml'))


def _installed(package, root):
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    return any((Path(prefix) / 'share' / package / 'package.xml').exists()
               for prefix in prefixes if prefix and root not in Path(prefix).parents)
