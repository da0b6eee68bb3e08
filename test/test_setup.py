"""The set-up's own laws: repairs are idempotent, stamps are honest, messages are one line."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tools'))

from bootstrap import machine  # noqa: E402
from bootstrap.errors import SetupError  # noqa: E402
from bootstrap.stamps import digest, read_stamp, write_stamp  # noqa: E402
from bootstrap.wheels import fix_cmake_files  # noqa: E402
from bootstrap.workspace import Workspace  # noqa: E402

CMAKE = ('set(a "/opt/python/cp311-cp311/include/python3.11")\n'
         'set(b "/opt/python/cp310-cp310/lib/python3.10/site-packages/numpy")\n')


class FakePackages:
    """Stands for the installed Python packages of a workspace."""

    def __init__(self, root: Path) -> None:
        self.venv = root / '.venv'
        self.python = self.venv / 'bin' / 'python'
        self.ros_digest = 'wheels'


class FakeSteps:
    """Builds nothing but the script that colcon would leave, and remembers the packages."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.built: list[str] = []

    def run(self, title: str, commands: list, environment: dict) -> None:
        (self.root / 'install').mkdir(exist_ok=True)
        (self.root / 'install' / 'setup.bash').write_text(
            f'export BUILT="{self.root}/install"')
        for command in commands:
            self.built = command[command.index('--packages-select') + 1:]


@pytest.fixture
def source(tmp_path):
    tmp_path = tmp_path / 'a path with spaces'
    for name in ('one', 'two'):
        folder = tmp_path / 'src' / name
        (folder / 'msg').mkdir(parents=True)
        (folder / 'package.xml').write_text(f'<name>{name}</name>')
    return tmp_path


def test_fixing_the_wheels_twice_changes_nothing(tmp_path):
    file = tmp_path / 'pkg' / 'x.cmake'
    file.parent.mkdir()
    file.write_text(CMAKE)
    assert fix_cmake_files(tmp_path, '/inc', '/pure lib') == 1
    assert file.read_text() == 'set(a "/inc")\nset(b "/pure lib/numpy")\n'
    assert fix_cmake_files(tmp_path, '/inc', '/pure lib') == 0


def test_a_digest_tells_names_and_contents_apart(tmp_path):
    (tmp_path / 'a').write_text('1')
    before = digest(tmp_path, [tmp_path / 'a'], [])
    assert digest(tmp_path, [tmp_path / 'a'], ['word']) != before
    (tmp_path / 'a').write_text('2')
    assert digest(tmp_path, [tmp_path / 'a'], []) != before


def test_a_damaged_stamp_is_no_stamp(tmp_path):
    write_stamp(tmp_path / 's.json', {'digest': 'x'})
    assert read_stamp(tmp_path / 's.json') == {'digest': 'x'}
    (tmp_path / 's.json').write_text('{"dig')
    assert read_stamp(tmp_path / 's.json') == {}


def test_only_changed_packages_are_built(source):
    steps = FakeSteps(source)
    Workspace(source, FakePackages(source), '').build(steps)
    assert steps.built == ['one', 'two']
    assert Workspace(source, FakePackages(source), '').ready()
    (source / 'src' / 'two' / 'msg' / 'X.msg').write_text('bool x')
    changed = Workspace(source, FakePackages(source), '')
    assert not changed.ready()
    changed.build(steps)
    assert steps.built == ['two']


def test_the_environment_of_the_build_is_remembered(source):
    workspace = Workspace(source, FakePackages(source), '')
    workspace.build(FakeSteps(source))
    environment = workspace.environment()
    assert environment['BUILT'] == f'{source}/install'
    assert environment['PATH'].split(os.pathsep)[0] == str(source / '.venv' / 'bin')


def test_another_ros_builds_everything_again(source):
    steps, packages = FakeSteps(source), FakePackages(source)
    Workspace(source, packages, '').build(steps)
    packages.ros_digest = 'jazzy'
    other = Workspace(source, packages, '')
    assert not other.ready()
    other.build(steps)
    assert steps.built == ['one', 'two']


def test_a_missing_compiler_names_its_package(monkeypatch):
    monkeypatch.setenv('PATH', '')
    monkeypatch.delenv('CXX', raising=False)
    with pytest.raises(SetupError, match='install the package g\\+\\+'):
        machine.require_compiler()


def test_an_empty_home_is_mended(monkeypatch, tmp_path):
    monkeypatch.setenv('HOME', '')
    machine.ensure_home(tmp_path)
    assert os.access(os.environ['HOME'], os.W_OK)


def test_an_unknown_command_lists_the_known_ones():
    answer = subprocess.run([sys.executable, '-m', 'vla_bringup.cli', 'simm'],
                            capture_output=True, text=True)
    assert answer.returncode == 2
    assert answer.stderr.count('\n') == 1
    assert "'sim'" in answer.stderr and 'doctor' in answer.stderr
