"""Run the tests of all packages and of the system; arguments go to pytest as they are.

examples:
  ./vla test                           everything
  ./vla test src/vla_core/test         one package
  ./vla test -k guard -x               pytest's own options
"""

import os
from pathlib import Path
import subprocess
import sys

# pytest plug-ins that a ROS installation brings and that these tests do not need
UNUSED_PLUGINS = ('launch_testing', 'launch_testing_ros_pytest_entrypoint', 'launch_ros',
                  'ament_copyright', 'ament_flake8', 'ament_lint', 'ament_pep257',
                  'ament_xmllint')


def run(arguments: list[str]) -> int:
    """Run pytest in the root of the suite; return its exit code."""
    if arguments[:1] in (['-h'], ['--help']):
        print(__doc__)
        return 0
    root = Path(os.environ.get('VLA_ROOT', '.'))
    environment = dict(os.environ, PYTEST_ADDOPTS=' '.join(
        [os.environ.get('PYTEST_ADDOPTS', ''), *(f'-p no:{name}' for name in UNUSED_PLUGINS)]))
    environment.setdefault('OMP_NUM_THREADS', '1')
    workers = [] if _chosen_workers(arguments) else ['-n', '2', '--dist', 'loadfile']
    command = [sys.executable, '-m', 'pytest', *workers, *arguments]
    return subprocess.run(command, cwd=root, env=environment).returncode


def _chosen_workers(arguments: list[str]) -> bool:
    return any(word.startswith(('-n', '--numprocesses', '--pdb', '-s')) for word in arguments)
