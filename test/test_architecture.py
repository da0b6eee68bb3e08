"""The house rules as data: who may import whom, where ROS may appear, how long things may be."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
import subprocess

import pytest

ROOT = Path(__file__).resolve().parents[1]
MESSAGES = ('action_msgs', 'builtin_interfaces', 'control_msgs', 'diagnostic_msgs',
            'geometry_msgs', 'lifecycle_msgs', 'rcl_interfaces', 'rosgraph_msgs', 'sensor_msgs',
            'std_msgs', 'std_srvs', 'tf2_msgs', 'trajectory_msgs', 'unique_identifier_msgs',
            'visualization_msgs', 'vla_interfaces')
ROS = frozenset({'rclpy', 'tf2_ros', 'ament_index_python', 'launch', 'launch_ros', *MESSAGES})
SUITE = frozenset({'vla_core', 'vla_perception', 'vla_policy', 'vla_planner', 'vla_control',
                   'vla_recorder', 'vla_sim', 'vla_training', 'vla_bringup'})
HEAVY = frozenset({'torch', 'transformers', 'tokenizers', 'safetensors', 'pybullet',
                   'pybullet_data', 'h5py', 'pyarrow', 'av', 'matplotlib', 'rich', 'tyro',
                   'tqdm', 'cv2', 'PIL', 'mcap', 'rosbags', 'crc32c'})


@dataclass(frozen=True)
class Room:
    """What a package may import of the suite and of the heavy libraries."""

    suite: frozenset[str] = frozenset({'vla_core'})
    heavy: frozenset[str] = frozenset()


LEARNING = frozenset({'torch', 'transformers', 'tokenizers', 'safetensors'})
FILES = frozenset({'h5py', 'pyarrow', 'av', 'cv2', 'PIL', 'mcap', 'rosbags', 'crc32c'})
ROOMS = {
    'vla_core': Room(suite=frozenset(), heavy=frozenset()),
    'vla_perception': Room(heavy=frozenset({'cv2'})),
    'vla_policy': Room(heavy=LEARNING | {'cv2'}),
    'vla_planner': Room(heavy=LEARNING),
    'vla_control': Room(),
    'vla_recorder': Room(heavy=FILES),
    'vla_sim': Room(heavy=frozenset({'pybullet', 'pybullet_data', 'rich'})),
    'vla_training': Room(suite=frozenset({'vla_core', 'vla_policy', 'vla_recorder'}),
                         heavy=LEARNING | FILES | {'matplotlib', 'rich'}),
    'vla_bringup': Room(suite=SUITE, heavy=HEAVY),
}
PACKAGE_OF = {'tf2_ros': 'tf2_ros_py'}  # where a module's package has another name
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
LONGEST_LOOP = 80  # a training loop or a launch description
LOOPS = ('vla_training/train.py', 'launch/')


@dataclass(frozen=True)
class Module:
    """One source file of the suite."""

    path: str  # relative to the root: src/<package>/<package>/...
    source: str

    @property
    def package(self) -> str:
        return self.path.split('/')[1]

    @property
    def name(self) -> str:
        return '.'.join(Path(self.path).with_suffix('').parts[2:]).removesuffix('.__init__')

    @property
    def may_use_ros(self) -> bool:
        return (self.path.endswith('_node.py') or '/launch/' in self.path
                or self.path.startswith('src/vla_core/vla_core/ros/'))


@cache
def load(root: Path) -> tuple[Module, ...]:
    """Return the suite's own source files that git tracks (all of them where there is no git)."""
    listed = subprocess.run(['git', 'ls-files', 'src/*.py'], cwd=root, capture_output=True,
                            text=True)
    names = listed.stdout.split('\n') if listed.returncode == 0 else [
        path.relative_to(root).as_posix() for path in root.glob('src/**/*.py')]
    return tuple(
        Module(name, (root / name).read_text()) for name in sorted(filter(None, names))
        if '/test/' not in name and not name.endswith('setup.py') and (root / name).exists())


def imports(module: Module) -> set[str]:
    """Return the dotted names a module imports, relative ones made absolute."""
    found = set()
    for node in ast.walk(ast.parse(module.source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ''
            if node.level:
                depth = node.level - module.path.endswith('/__init__.py')
                parts = module.name.split('.')
                base = parts[:len(parts) - depth]
                origin = '.'.join([*base, *filter(None, [origin])])
            found |= {f'{origin}.{alias.name}' for alias in node.names}
    return found


def broken_imports(modules: Sequence[Module]) -> list[str]:
    """Return one line for each import that the table does not allow."""
    lines = []
    for module in modules:
        room = ROOMS[module.package]
        for name in sorted(imports(module)):
            top = name.split('.')[0]
            foreign = top in SUITE and top != module.package and top not in room.suite
            heavy = top in HEAVY and top not in room.heavy
            ros = (top in ROS or name.startswith('vla_core.ros')) and not module.may_use_ros
            if foreign or heavy or ros:
                lines.append(f'{module.path} imports {name}')
    return lines


def cycles(modules: Sequence[Module]) -> list[str]:
    """Return one line for each import cycle between modules."""
    known = {module.name for module in modules}
    edges = {module.name: {_resolve(name, known) for name in imports(module)} - {None, module.name}
             for module in modules}
    found, done = [], set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            found.append(' -> '.join([*trail[trail.index(name):], name]))
        elif name not in done:
            for other in sorted(edges[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(edges):
        visit(name, ())
    return found


def too_long(modules: Sequence[Module]) -> list[str]:
    """Return one line for each file and function over its budget."""
    lines = []
    for module in modules:
        length = len(module.source.splitlines())
        if length > LONGEST_FILE:
            lines.append(f'{module.path}: {length} lines')
        limit = LONGEST_LOOP if any(part in module.path for part in LOOPS) else LONGEST_FUNCTION
        for node in ast.walk(ast.parse(module.source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = node.end_lineno - node.lineno + 1
                if size > limit:
                    lines.append(f'{module.path}: {node.name} has {size} lines')
    return lines


def _resolve(name: str, known: set[str]) -> str | None:
    """Return the module a dotted name belongs to: itself, or the one it is taken from."""
    if name in known:
        return name
    parent = name.rpartition('.')[0]
    return parent if parent in known else None


def test_every_package_has_its_rule():
    assert {module.package for module in load(ROOT)} == set(ROOMS)


def test_packages_import_only_what_the_table_allows():
    assert broken_imports(load(ROOT)) == []


def test_no_import_cycles():
    assert cycles(load(ROOT)) == []


def test_files_and_functions_stay_short():
    assert too_long(load(ROOT)) == []


@pytest.mark.parametrize('path, source', [
    ('src/vla_policy/vla_policy/a.py', 'import vla_sim.world'),
    ('src/vla_core/vla_core/a.py', 'from torch import nn'),
    ('src/vla_core/vla_core/a.py', 'import rclpy'),
    ('src/vla_sim/vla_sim/a.py', 'def f():\n    from sensor_msgs.msg import Image'),
    ('src/vla_bringup/vla_bringup/a.py', 'from vla_core.ros import qos'),
    ('src/vla_control/vla_control/a_node.py', 'import vla_policy'),
])
def test_a_forbidden_import_is_found(path, source):
    assert broken_imports([Module(path, source)])


@pytest.mark.parametrize('path, source', [
    ('src/vla_policy/vla_policy/policy_node.py', 'import rclpy, torch\nimport vla_core.ros.qos'),
    ('src/vla_core/vla_core/ros/qos.py', 'from rclpy.qos import QoSProfile'),
    ('src/vla_bringup/vla_bringup/a.py', 'import vla_sim, vla_policy, tyro'),
])
def test_an_allowed_import_passes(path, source):
    assert broken_imports([Module(path, source)]) == []


def test_a_cycle_is_found():
    first = Module('src/vla_core/vla_core/a.py', 'from vla_core.b import x')
    second = Module('src/vla_core/vla_core/b.py', 'from . import a')
    assert cycles([first, second]) == ['vla_core.a -> vla_core.b -> vla_core.a']


def test_a_long_function_and_a_long_file_are_found():
    source = 'def f():\n' + '    x = 1\n' * LONGEST_FILE
    assert len(too_long([Module('src/vla_core/vla_core/a.py', source)])) == 2


def test_a_tree_on_disk_is_read(tmp_path):
    file = tmp_path / 'src' / 'vla_core' / 'vla_core' / 'a.py'
    file.parent.mkdir(parents=True)
    file.write_text('import torch')
    assert broken_imports(load(tmp_path)) == ['src/vla_core/vla_core/a.py imports torch']


def test_every_ros_import_is_declared_in_its_package_xml():
    missing = []
    for module in load(ROOT):
        manifest = (ROOT / 'src' / module.package / 'package.xml').read_text()
        tops = {name.split('.')[0] for name in imports(module)} & (ROS | SUITE)
        missing += [f'{module.path}: {top}' for top in sorted(tops - {module.package})
                    if f'depend>{PACKAGE_OF.get(top, top)}</' not in manifest]
    assert missing == []
