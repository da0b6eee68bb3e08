"""What a bag says to a replay: which messages are visible when, and what cannot be replayed."""

from contextlib import closing
import os
from pathlib import Path
import runpy

import pytest
from replay_bags import BAG, rewritten, stamp_in, stamps_back, without
from rosbags.rosbag2 import StoragePlugin, Writer
from vla_bringup.replay.bag_source import BagSource
from vla_bringup.replay.in_process import observe
from vla_bringup.replay.mapped_source import MappedSource
from vla_bringup.replay.moment import seen_digest
from vla_bringup.replay.script import PATIENCE_S, Script, ScriptBuilder
from vla_core.errors import InvalidDataError
from vla_recorder.bag.folder import Bag

LAUNCH = BAG.parents[2] / 'src' / 'vla_bringup' / 'launch' / 'replay.launch.py'
MAP = """
robot: panda
instruction: put the red block in the bowl
streams:
  observation/images/static: {topic: /static/image}
  observation/images/wrist: {topic: /wrist/image}
  observation/state/joint_position:
    {topic: /joint_states, field: position, indices: [0, 1, 2, 3, 4, 5, 6]}
  observation/state/joint_velocity:
    {topic: /joint_states, field: velocity, indices: [0, 1, 2, 3, 4, 5, 6]}
  observation/state/gripper:
    {topic: /joint_states, field: position, indices: [7], scale: 25.0}
"""


def script(path: Path = BAG, **told: str) -> Script:
    return ScriptBuilder(BagSource(path, **told)).build()


def seen(read: Script) -> list[str]:
    with closing(read.source):
        return [seen_digest(observation) for observation in observe(read)]


def same(said: list) -> list:
    return said


def test_every_message_is_delivered_once_in_its_order_and_never_early() -> None:
    read = script()
    until_ns, newest, places = 0, {}, []
    for step in read.steps:
        until_ns = step.stamp_ns + round(PATIENCE_S * 1e9)
        for said in step.messages:
            places.append((said.topic, said.place))
            if said.topic not in ('tf', 'tf_static'):
                stamp = stamp_in(read.source.read(said.place))
                assert newest.get(said.topic, 0) < stamp <= until_ns
                newest[said.topic] = stamp
    assert len(places) == len(set(places))
    total = sum(1 for _ in read.source.messages())
    assert total - 20 < len(places) + len(read.latched) <= total  # the rest is after the end
    read.source.close()


def test_the_instants_are_a_policy_step_apart() -> None:
    read = script()
    stamps = [step.stamp_ns for step in read.steps]
    gaps = {later - earlier for earlier, later in zip(stamps, stamps[1:])}
    assert len(stamps) == 44 and all(abs(gap - 1e9 / 12) < 10 for gap in gaps)
    read.source.close()


def test_leading_slashes_and_a_namespace_change_nothing(tmp_path: Path) -> None:
    moved = rewritten(tmp_path / 'moved', same, rename=lambda name: (
        name if name.startswith(('/episode', '/tf')) else f'/robot1{name}'))
    bare = rewritten(tmp_path / 'bare', same, rename=lambda name: (
        name if name.startswith('/episode') else name.removeprefix('/')))
    assert seen(script(moved)) == seen(script(bare)) == seen(script())


def test_a_bag_without_our_header_takes_the_instruction_of_its_subtask_topic(
    tmp_path: Path,
) -> None:
    plain = rewritten(tmp_path / 'plain', same, header=False)
    read = script(plain, robot='panda')
    assert read.source.instruction == 'put the red block in the bowl'
    assert len(read.steps) == 44
    read.source.close()


def test_a_bag_in_sqlite_is_the_same(tmp_path: Path) -> None:
    with closing(Bag(BAG / 'episode_000000')) as bag:
        names = [name for name in bag.topics if not name.startswith('/episode')]
        with Writer(tmp_path / 'db', version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
            links = {name: writer.add_connection(
                name, bag.topics[name].type_name, msgdef=bag.topics[name].definition,
                rihs01='RIHS01_0') for name in names}
            for message in bag.messages(names):
                writer.write(links[message.topic], message.log_ns, bytes(message.data))
    stored = script(tmp_path / 'db', robot='panda')
    own = script()
    with closing(stored.source), closing(own.source):
        for theirs, ours in zip(observe(stored), observe(own), strict=True):
            assert (theirs.images['static'] == ours.images['static']).all()
            assert (theirs.tool_pose == ours.tool_pose).all()
            assert theirs.age_s == ours.age_s


def test_a_mapped_bag_gives_the_same_pictures_joints_and_nearly_the_tool(tmp_path: Path) -> None:
    (tmp_path / 'map.yaml').write_text(MAP)
    plain = rewritten(tmp_path / 'theirs', same, header=False)
    mapped = ScriptBuilder(MappedSource(plain, tmp_path / 'map.yaml')).build()
    own = script()
    with closing(mapped.source), closing(own.source):
        pairs = list(zip(observe(mapped), observe(own)))
    assert len(pairs) == 44
    for theirs, ours in pairs:
        assert theirs.stamp_ns == ours.stamp_ns
        assert (theirs.images['wrist'] == ours.images['wrist']).all()
        assert (theirs.joint_velocity == ours.joint_velocity).all()
        assert abs(theirs.tool_pose[:3] - ours.tool_pose[:3]).max() < 1e-9
        assert abs(theirs.gripper - ours.gripper) < 0.02


@pytest.mark.parametrize(('line', 'words'), [
    ('  observation/state/joint_velocity:\n    {topic: /joint_states, field: velocity, '
     'indices: [0, 1, 2, 3, 4, 5, 6]}\n', 'got no stream observation/state/joint_velocity'),
    ('instruction: put the red block in the bowl\n', 'neither bag nor map says'),
])
def test_a_map_without_what_the_robot_needs_is_refused(
    tmp_path: Path, line: str, words: str,
) -> None:
    assert line in MAP
    (tmp_path / 'map.yaml').write_text(MAP.replace(line, ''))
    with pytest.raises(InvalidDataError, match=words):
        ScriptBuilder(MappedSource(BAG / 'episode_000000', tmp_path / 'map.yaml')).build()


def test_instants_without_a_fresh_stream_are_none(tmp_path: Path) -> None:
    def silent(said: list) -> list:
        return [m for m in said if m[0] != '/joint_states' or not 1e9 < m[1] - said[0][1] < 2e9]

    read = script(rewritten(tmp_path / 'silent', silent))
    assert 44 - 13 < len(read.steps) < 44 - 8 and read.blind == 44 - len(read.steps)
    assert 'joint_states' in read.why and len(seen(read)) == len(read.steps)


@pytest.mark.parametrize(('change', 'words'), [
    (without('/wrist/image'), 'got no topic wrist/image'),
    (without('/tf'), "got no topic tf, which robot 'panda' needs"),
    (stamps_back('/static/image', 9), 'topic static/image: got stamp 1 after'),
    (stamps_back('/joint_states', 90), 'topic joint_states: got stamp 1 after'),
    (lambda said: [m for m in said if not m[0].endswith('image') or m[1] < 0], 'got no topic'),
])
def test_what_cannot_be_replayed_is_one_line(tmp_path: Path, change, words: str) -> None:
    with pytest.raises(InvalidDataError, match=words) as caught:
        script(rewritten(tmp_path / 'bad', change))
    assert '\n' not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_another_robot_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="got a bag of robot 'panda', allowed 'ur5e'"):
        script(robot='ur5e')


def test_a_corrupt_bag_is_refused(tmp_path: Path) -> None:
    data = (BAG / 'episode_000000' / 'episode_000000.mcap').read_bytes()
    (tmp_path / 'cut.mcap').write_bytes(data[:len(data) // 2])
    with pytest.raises(InvalidDataError, match=r'cut\.mcap'):
        script(tmp_path / 'cut.mcap')


def test_the_launch_file_starts_the_nodes_of_a_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    actions = pytest.importorskip(
        'launch_ros.actions', reason='launch_ros is not among the ROS wheels')
    launch = pytest.importorskip('launch')
    monkeypatch.setattr(os, 'environ', {**os.environ})  # launch sets variables in it
    description = runpy.run_path(str(LAUNCH))['generate_launch_description']()
    context = launch.LaunchContext()
    context.launch_configurations['bag'] = str(BAG)
    found: list[str] = []
    waiting = list(description.entities)
    while waiting:
        entity = waiting.pop(0)
        if isinstance(entity, actions.Node):
            found.append(entity.node_executable)
        else:
            waiting += entity.visit(context) or []
    assert found == ['perception_node', 'planner_node', 'policy_node', 'replay_node']
