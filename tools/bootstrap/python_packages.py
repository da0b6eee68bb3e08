"""The virtual environment `.venv` and what is installed into it."""

import os
import shutil
import subprocess

from bootstrap.errors import SetupError
from bootstrap.stamps import digest, read_stamp, write_stamp
from bootstrap.wheels import fix_cmake_files

LISTS = ('requirements.txt', 'constraints.txt')
ROS_LIST = 'requirements-ros.txt'
FOLDERS = 'import sysconfig as s; print(s.get_path("include"), s.get_path("purelib"), sep="\\n")'


class PythonPackages:
    """Makes `.venv` equal to the requirement files; begins afresh where one was left broken."""

    def __init__(self, root, ros):
        self.venv = root / '.venv'
        self.python = self.venv / 'bin' / 'python'
        self._root = root
        self._ros = ros
        ros_lists = [] if ros else [root / ROS_LIST]
        self.ros_digest = digest(root, ros_lists, [str(root), ros])
        self.digest = digest(root, [root / name for name in LISTS], [self.ros_digest])
        self._stamp = self.venv / '.vla-stamp.json'
        self._unfinished = self.venv / '.vla-unfinished'

    def ready(self):
        """Tell whether the environment is complete and of these requirements."""
        return (read_stamp(self._stamp).get('digest') == self.digest
                and not self._unfinished.exists() and self.python.exists())

    def install(self, steps, interpreter):
        """Create or complete the environment; the stamp is written last."""
        if self._broken():
            shutil.rmtree(self.venv, ignore_errors=True)
        environment = dict(os.environ, PIP_USER='0', PIP_DISABLE_PIP_VERSION_CHECK='1',
                           _ROS_WHEELS_BOOTSTRAP_COMPLETE='1')
        create = [interpreter, '-m', 'venv', self.venv]
        steps.run('Python environment', [create + ['--system-site-packages'] * bool(self._ros)])
        self._unfinished.touch()
        pip = [self.python, '-m', 'pip', 'install', '--no-compile', '--progress-bar', 'off']
        steps.run('Python packages', [[*pip, '-r', self._root / 'requirements.txt']], environment)
        if not self._ros:
            steps.run('ROS 2 Jazzy', [
                [*pip, '--no-deps', '--require-hashes', '-r', self._root / ROS_LIST]], environment)
            self._fix_wheels()
        write_stamp(self._stamp, {'digest': self.digest, 'ros': self._ros,
                                  'root': str(self._root)})
        self._unfinished.unlink()

    def _broken(self):
        """Tell whether what lies there must go: half-finished, of another place or kind."""
        if not self.venv.exists():
            return False
        stamp = read_stamp(self._stamp)
        return (self._unfinished.exists() or stamp.get('ros') != self._ros
                or stamp.get('root') != str(self._root) or not self.python.exists())

    def _fix_wheels(self):
        answer = subprocess.run([str(self.python), '-c', FOLDERS], stdout=subprocess.PIPE,
                                universal_newlines=True,
                                env=dict(os.environ, _ROS_WHEELS_BOOTSTRAP_COMPLETE='1'))
        if answer.returncode:
            raise SetupError(f'{self.python} does not run; delete {self.venv} and start again')
        include, purelib = answer.stdout.splitlines()
        fix_cmake_files(self.venv / 'share', include, purelib)
