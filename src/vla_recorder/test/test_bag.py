"""Laws of the bags we write."""

from dataclasses import replace
from pathlib import Path

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from made_up_episodes import assert_equal, make_episode, make_multirate_episode
from mcap.reader import make_reader
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from vla_core.episode import Episode, Stream
from vla_core.errors import InvalidDataError
from vla_core.lazy import is_lazy
from vla_core.spec import load_robot
from vla_recorder.bag.codec import holds, open_reader, open_writer
from vla_recorder.formats import WriteOptions

HYPOTHESIS = settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(root: Path, *episodes: Episode, **options) -> Path:
    writer = open_writer(root, WriteOptions(**options))
    paths = [writer.write(episode) for episode in episodes]
    writer.close()
    return paths[-1]


def read(root: Path, index: int = 0) -> Episode:
    return open_reader(root).read(index)


@pytest.mark.parametrize('compress', [False, True])
def test_reading_returns_what_was_written_bit_for_bit(tmp_path: Path, compress: bool) -> None:
    for k, episode in enumerate((make_episode(9), make_multirate_episode())):
        write(tmp_path, episode, compress=compress)
        assert_equal(read(tmp_path, k), episode)


@given(
    values=hnp.arrays(
        st.sampled_from([np.uint8, np.int8, np.int64, np.uint16, np.uint64, np.float16,
                         np.float32, np.float64, np.bool_, '>f8', '>i2']),
        hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)),
    name=st.sampled_from([
        'a/b', 'a.b-c', '0', 'observation/images/0', 'observation/depth/x', 'tool_pose',
        'observation/state/tool_pose', 'observation/state/joint_position', 'episode/header']),
    instruction=st.text(max_size=40),
    success=st.sampled_from([True, False, None]))
@HYPOTHESIS
def test_any_stream_survives(
    tmp_path: Path, values: np.ndarray, name: str, instruction: str, success: bool | None,
) -> None:
    stamps = np.arange(len(values), dtype=np.int64) * 3
    other = Stream(stamps[:1], np.zeros(min(1, len(stamps)), np.int32))
    episode = Episode('e', 'panda', '', instruction,
                      {name: Stream(stamps, values), 'a_b_c': other}, success)
    path = write(tmp_path, episode)
    assert_equal(read(path), episode)


def test_rosbags_reads_the_same_values(tmp_path: Path) -> None:
    episode = make_episode(6)
    found: dict[str, list] = {}
    with AnyReader([write(tmp_path, episode)]) as bag:
        for connection, log_ns, data in bag.messages():
            message = bag.deserialize(data, connection.msgtype)
            found.setdefault(connection.topic, []).append((log_ns, message))
    stamps = episode.streams['action'].stamps_ns.tolist()
    for topic, field, stream in (
            ('/joint_states', 'position', 'observation/state/joint_position'),
            ('/joint_states', 'velocity', 'observation/state/joint_velocity'),
            ('/action', 'data', 'action'),
            ('/observation/images/static', 'data', 'observation/images/static')):
        assert [log_ns for log_ns, _ in found[topic]] == stamps
        for (_, message), value in zip(found[topic], episode.streams[stream].values, strict=True):
            assert np.array_equal(getattr(message, field), value.reshape(-1))
    log_ns, image = found['/observation/images/static'][0]
    assert (image.encoding, image.height, image.width, image.step) == ('rgb8', 32, 48, 144)
    assert image.header.stamp.sec * 10**9 + image.header.stamp.nanosec == log_ns
    pose = found['/tool_pose'][2][1].pose
    assert [pose.position.x, pose.orientation.w] == (
        episode.streams['observation/state/tool_pose'].values[2, [0, 6]].tolist())
    assert found['/episode/instruction'][0][1].data == episode.instruction
    assert found['/episode/subtask'][0][1].data == 'grasp it'


def test_mcap_finds_a_whole_index_and_right_checksums(tmp_path: Path) -> None:
    episode = make_multirate_episode()
    path = write(tmp_path, episode)
    with (path / f'{path.name}.mcap').open('rb') as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert reader.get_header().profile == 'ros2'
        counts = {channel.topic: summary.statistics.channel_message_counts[number]
                  for number, channel in summary.channels.items()}
        assert counts['/action'] == len(episode.streams['action'])
        by_time = [m.log_time for _, c, m in reader.iter_messages(topics=['/action'])]
        assert by_time == episode.streams['action'].stamps_ns.tolist()
        cut_ns = by_time[3]
        assert len(list(reader.iter_messages(topics=['/action'], starting_at=cut_ns))) == (
            len(by_time) - 3)


def test_joints_carry_the_names_of_the_robot(tmp_path: Path) -> None:
    robot = load_robot('panda')
    with AnyReader([write(tmp_path, make_episode(2), robot=robot)]) as bag:
        for connection, _, data in bag.messages():
            if connection.topic == '/joint_states':
                message = bag.deserialize(data, connection.msgtype)
                assert tuple(message.name) == robot.joints.names


def test_positions_and_velocities_of_other_instants_have_topics_of_their_own(
    tmp_path: Path,
) -> None:
    episode = make_episode(4)
    name = 'observation/state/joint_velocity'
    later = Stream(episode.streams[name].stamps_ns + 1, episode.streams[name].values)
    episode = replace(episode, streams={**episode.streams, name: later})
    with AnyReader([write(tmp_path, episode)]) as bag:
        assert {'/joint_states', '/joint_velocities'} <= {c.topic for c in bag.connections}
    assert_equal(read(tmp_path), episode)


def test_pictures_stay_in_the_file_until_they_are_asked_for(tmp_path: Path) -> None:
    episode = make_episode(40)
    write(tmp_path, episode)
    reader = open_reader(tmp_path)
    pictures = reader.read(0).streams['observation/images/wrist'].values
    assert is_lazy(pictures)
    wanted = episode.streams['observation/images/wrist'].values
    assert np.array_equal(pictures[33:37], wanted[33:37])
    assert pictures[40:50].shape == (0, 32, 48, 3)
    reader.close()
    with pytest.raises(InvalidDataError, match=r'episode_000000\.mcap'):
        pictures[0:1]


def test_a_data_set_grows_and_holds_its_episodes_in_order(tmp_path: Path) -> None:
    write(tmp_path, make_episode(seed=1), make_episode(seed=2))
    path = write(tmp_path, make_episode(seed=3))
    assert path == tmp_path / 'episode_000002'
    reader = open_reader(tmp_path)
    assert [reader.read(k).seed for k in range(len(reader))] == [1, 2, 3]
    assert holds(tmp_path) and holds(path) and holds(path / 'episode_000002.mcap')
    assert not holds(tmp_path / 'nothing')
    assert len(open_reader(path / 'episode_000002.mcap')) == len(open_reader(path)) == 1


def test_an_episode_that_is_not_used_any_more_keeps_no_file_open(tmp_path: Path) -> None:
    write(tmp_path, make_episode(2))
    reader = open_reader(tmp_path)
    reader.read(0)
    before = len(list(Path('/proc/self/fd').iterdir()))
    for _ in range(20):
        reader.read(0)
    assert len(list(Path('/proc/self/fd').iterdir())) <= before


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    early = {'x': Stream(np.array([-5, 3]), np.zeros(2))}
    with pytest.raises(InvalidDataError, match='stream x: got stamp -5 ns'):
        write(tmp_path, replace(make_episode(), streams=early))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('keep', [0, 5, 20, 3000, -1, -40])
def test_a_truncated_bag_is_refused_by_name_and_the_others_are_read(
    tmp_path: Path, keep: int,
) -> None:
    path = write(tmp_path, make_episode(seed=4), make_episode(seed=5))
    file = path / 'episode_000001.mcap'
    file.write_bytes(file.read_bytes()[:keep])
    reader = open_reader(tmp_path)
    assert reader.read(0).seed == 4
    with pytest.raises(InvalidDataError, match=r'episode_000001\.mcap'):
        reader.read(1)


@pytest.mark.parametrize('place', range(100, 13_000, 1500))
def test_a_flipped_bit_is_found(tmp_path: Path, place: int) -> None:
    file = write(tmp_path, make_episode()) / 'episode_000000.mcap'
    content = bytearray(file.read_bytes())
    content[place] ^= 4
    file.write_bytes(content)
    with pytest.raises(InvalidDataError, match=r'episode_000000\.mcap'):
        read(tmp_path)


def test_leftovers_of_a_killed_copy_are_removed(tmp_path: Path) -> None:
    left = tmp_path / '.episode_000000.partial'
    left.mkdir()
    (left / 'episode_000000.mcap').write_bytes(b'x')
    assert write(tmp_path, make_episode()) == tmp_path / 'episode_000000'
    assert not left.exists()


def test_an_empty_folder_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match='got no bag'):
        open_reader(tmp_path)
