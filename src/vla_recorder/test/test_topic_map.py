"""Laws of reading somebody else's bag through a map."""

from collections.abc import Callable
from pathlib import Path
import re

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
from made_up_bags import (
    joints,
    LATE_NS,
    packed_image,
    picture,
    Row,
    rows,
    START_NS,
    STORE,
    TYPES,
    write_bag,
)
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from vla_core.errors import InvalidDataError
from vla_core.lazy import is_lazy
from vla_recorder.bag.topic_map import MappedBag, open_bag
from vla_recorder.table import tabulate
import yaml

EXAMPLE = Path(__file__).resolve().parents[3] / 'docs' / 'topic_map.yaml'
JOINTS = 'observation/state/joint_position'
SQLITE, MCAP = StoragePlugin.SQLITE3, StoragePlugin.MCAP


def open_with(tmp_path: Path, bag: Path, streams: dict, **keys) -> MappedBag:
    path = tmp_path / 'map.yaml'
    path.write_text(yaml.safe_dump({'streams': streams, **keys}))
    return open_bag(bag, path)


def only(seconds: float, *topics: str) -> list[Row]:
    return [row for row in rows(seconds) if row[1] in topics]


STATES = {JOINTS: {'topic': '/joint_states', 'field': 'position'}}


@pytest.mark.parametrize(('storage', 'mode'), [
    (SQLITE, CompressionMode.NONE), (SQLITE, CompressionMode.FILE),
    (SQLITE, CompressionMode.MESSAGE), (MCAP, CompressionMode.NONE),
    (MCAP, CompressionMode.FILE), (MCAP, CompressionMode.MESSAGE),
    (MCAP, CompressionMode.STORAGE)])
def test_the_example_map_reads_any_storage_and_compression(
    tmp_path: Path, storage: StoragePlugin, mode: CompressionMode,
) -> None:
    bag = open_bag(write_bag(tmp_path / 'bag', storage, rows(), mode), EXAMPLE)
    assert bag.problems == ()
    assert (len(bag), bag.fps) == (2, 30)
    first, second = bag.read(0), bag.read(1)
    assert (first.robot, first.task, first.success) == ('some_arm', 'fold_towel', True)
    assert first.instruction == second.instruction == 'fold the towel'
    assert [(first.meta['label'], second.meta['label'])] == [('first', 'second')]
    assert [span.text for span in first.subtasks] == ['grasp']
    assert [span.text for span in second.subtasks] == ['grasp', 'fold']
    front = first.streams['observation/images/front']
    assert is_lazy(front.values) and front.values.shape == (31, 48, 64, 3)
    assert front.stamps_ns.tolist() == [START_NS + k * 33_333_333 for k in range(31)]
    assert np.array_equal(front.values[3:5], [picture(3), picture(4)])
    wrist = second.streams['observation/images/wrist']
    k = round((int(wrist.stamps_ns[5]) - START_NS) / 33_333_333)
    assert np.array_equal(wrist.values[5:6], [picture(k, 9)])
    depth = first.streams['observation/depth/wrist'].values
    assert depth.dtype == np.uint16 and depth[4:5].tolist() == np.full((1, 24, 32), 4).tolist()
    assert first.streams['action'].values.dtype == np.float32
    bag.close()


def test_each_stream_is_aligned_as_its_map_declares(tmp_path: Path) -> None:
    bag = open_bag(write_bag(tmp_path / 'bag', MCAP, rows()), EXAMPLE)
    episode = bag.read(0)
    assert len(episode.streams[JOINTS]) >= 1000  # all of them, not only those of a frame
    table = tabulate(episode)
    assert len(table.stamps_ns) == 31 and table.dropped == 0
    now = (table.stamps_ns - START_NS) / 1e9
    assert np.allclose(table.columns[JOINTS], np.outer(now, [1, 2, 3]), atol=1e-9)
    assert np.allclose(table.columns['observation/state/tool_pose'][:, 0], now, atol=1e-9)
    assert np.allclose(table.columns['observation/state/gripper'],
                       now // 0.02 / 255, atol=1e-9)
    held = np.floor(now * 100 + 1e-9) / 100
    assert np.allclose(table.columns['action'][:, [0, 5]], np.stack([held, -held], 1), atol=1e-6)


def test_a_plain_mcap_file_of_another_writer_is_read(tmp_path: Path) -> None:
    path = tmp_path / 'plain.mcap'
    for compression in (CompressionType.LZ4, CompressionType.ZSTD, CompressionType.NONE):
        for chunking in (True, False):
            write_plain(path, compression, chunking)
            episode = open_with(tmp_path, path, STATES).read(0)
            assert np.array_equal(episode.streams[JOINTS].values[:, 2], np.arange(300) / 1000)


def write_plain(
    path: Path, compression: CompressionType, chunking: bool, behind: bytes = b'',
) -> None:
    writer = McapWriter(str(path), chunk_size=4096, compression=compression, use_chunking=chunking)
    writer.start(profile='ros2')
    kind = 'sensor_msgs/msg/JointState'
    schema = writer.register_schema(
        kind, 'ros2msg', STORE.generate_msgdef(kind, ros_version=2)[0].encode())
    channel = writer.register_channel('/joint_states', 'cdr', schema)
    for log_ns, _, message in only(0.3, '/joint_states'):
        data = bytes(STORE.serialize_cdr(message, kind)) + behind
        writer.add_message(channel, log_ns, data, log_ns)
    writer.finish()


def test_jpeg_is_decoded_to_rgb(tmp_path: Path) -> None:
    messages = [(START_NS + k, '/c', packed_image(START_NS + k, picture(k), '.jpg'))
                for k in range(3)]
    bag = write_bag(tmp_path / 'bag', SQLITE, messages)
    pictures = open_with(tmp_path, bag, {'observation/images/c': {'topic': '/c'}}).read(0)
    got = pictures.streams['observation/images/c'].values[0:3].astype(int)
    assert np.abs(got - [picture(k).astype(int) for k in range(3)]).mean() < 3


def test_messages_without_header_have_their_log_time_and_say_so(tmp_path: Path) -> None:
    message = TYPES['std_msgs/msg/Float64']
    bag = write_bag(tmp_path / 'bag', MCAP, [
        (START_NS + k, '/force', message(k / 2)) for k in range(4)])
    episode = open_with(tmp_path, bag, {'force': {'topic': '/force', 'field': 'data'}}).read(0)
    assert episode.streams['force'].stamps_ns.tolist() == [START_NS + k for k in range(4)]
    assert episode.streams['force'].values.tolist() == [0, 0.5, 1, 1.5]
    assert episode.meta['stamps/force'] == 'log time'


def test_log_time_can_be_asked_for(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', MCAP, only(0.1, '/joint_states'))
    for stamps, late in (('header', 0), ('log', LATE_NS)):
        episode = open_with(tmp_path, bag, STATES, stamps=stamps).read(0)
        assert episode.streams[JOINTS].stamps_ns[0] == START_NS + late


def test_pauses_part_episodes(tmp_path: Path) -> None:
    messages = [(log_ns + (5 * 10**9 if k >= 60 else 0), topic, joints(
        log_ns + (5 * 10**9 if k >= 60 else 0), k / 100))
        for k, (log_ns, topic, _) in enumerate(only(0.1, '/joint_states'))]
    bag = open_with(tmp_path, write_bag(tmp_path / 'bag', MCAP, messages), STATES,
                    episodes={'gap_s': 1.0})
    assert [len(bag.read(k).streams[JOINTS]) for k in range(len(bag))] == [60, 40]
    assert len({bag.read(k).episode_id for k in range(2)}) == 2


def test_a_missing_topic_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', SQLITE, only(0.1, '/joint_states', '/command'))
    opened = open_bag(bag, example_without(tmp_path, 'instants', 'episodes'))
    assert {JOINTS, 'action'} == set(opened.read(0).streams)
    lines = [line for line in opened.problems if 'topic /gripper: got no such topic' in line]
    assert len(lines) == 1 and str(bag) in lines[0] and '\n' not in lines[0]


def example_without(tmp_path: Path, *keys: str) -> Path:
    content = yaml.safe_load(EXAMPLE.read_text())
    path = tmp_path / 'less.yaml'
    path.write_text(yaml.safe_dump({k: v for k, v in content.items() if k not in keys}))
    return path


def test_a_bag_without_its_instants_is_refused(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', SQLITE, only(0.1, '/joint_states'))
    with pytest.raises(InvalidDataError, match=r'bag: topic /front/image_raw/compressed: got no '):
        open_bag(bag, EXAMPLE)


@pytest.mark.parametrize(('entry', 'line'), [
    ({'field': 'positions'}, "topic /joint_states: got field 'positions'.*allowed header, name, "
                             'position, velocity, effort of sensor_msgs/msg/JointState'),
    ({'field': 'header.stamp.sec.x'}, "got field 'x' in"),
    ({'field': 'position', 'names': ['elbow', 'knee']}, "100 messages left out.*got no 'knee'"),
    ({'field': 'position', 'indices': [0, 9]}, 'got 4 numbers, allowed 10 or more'),
    ({'field': 'header.frame_id'}, 'got str, allowed numbers')])
def test_a_field_that_is_not_there_is_named(tmp_path: Path, entry: dict, line: str) -> None:
    bag = write_bag(tmp_path / 'bag', MCAP, only(0.1, '/joint_states', '/command'))
    opened = open_with(tmp_path, bag, {
        'x': {'topic': '/joint_states', **entry},
        'action': {'topic': '/command', 'field': 'twist.linear'}})
    assert set(opened.read(0).streams) == {'action'}
    assert any(re.search(line, problem) for problem in opened.problems), opened.problems


def test_stamps_that_fall_are_left_out_and_counted(tmp_path: Path) -> None:
    messages = [(START_NS + 100 * k, '/joint_states', joints(START_NS + stamp, k))
                for k, stamp in enumerate([0, 10, 5, 10, 20, 19, 30])]
    opened = open_with(tmp_path, write_bag(tmp_path / 'bag', MCAP, messages), STATES)
    episode = opened.read(0)
    assert (episode.streams[JOINTS].stamps_ns - START_NS).tolist() == [0, 10, 20, 30]
    assert episode.meta[f'left_out/{JOINTS}'] == 3
    assert 'topic /joint_states: 3 messages left out' in opened.problems[0]
    assert f'got stamp {START_NS + 5} after {START_NS + 10} ns' in opened.problems[0]


def test_bytes_behind_a_message_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / 'plain.mcap'
    write_plain(path, CompressionType.NONE, chunking=True, behind=b'\1' * 8)
    assert len(open_with(tmp_path, path, STATES).read(0).streams[JOINTS]) == 300


@pytest.mark.parametrize('part', [0.3, 0.7, 0.95])
def test_a_cut_mcap_file_is_read_as_far_as_it_is_whole(tmp_path: Path, part: float) -> None:
    path = tmp_path / 'plain.mcap'
    write_plain(path, CompressionType.ZSTD, chunking=True)
    content = path.read_bytes()
    path.write_bytes(content[:int(part * len(content))])
    opened = open_with(tmp_path, path, STATES)
    count = len(opened.read(0).streams[JOINTS])
    assert 0 < count <= 300 and (part > 0.9 or count < 300)
    assert 'plain.mcap: cut at byte' in opened.problems[0]


def test_a_cut_database_is_told_by_name(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', SQLITE, only(1.0, '/joint_states'))
    file = next(bag.glob('*.db3'))
    file.write_bytes(file.read_bytes()[:60_000])
    with pytest.raises(InvalidDataError, match=r'\.db3.*(corrupt|malformed)'):
        open_with(tmp_path, bag, STATES)


@given(
    storage=st.sampled_from([SQLITE, MCAP]), seed=st.integers(0, 2**32),
    count=st.sampled_from([1, 3, 30]), keep=st.floats(0.2, 1.0))
@settings(deadline=None, max_examples=40,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_in_a_file_is_told_on_one_line(
    tmp_path: Path, storage: StoragePlugin, seed: int, count: int, keep: float,
) -> None:
    folder = tmp_path / storage.name
    if not folder.exists():
        write_bag(folder, storage, rows(0.1))
    file = next(path for path in folder.iterdir() if path.suffix != '.yaml')
    rng, content = np.random.default_rng(seed), bytearray(file.read_bytes())
    for place in rng.integers(0, len(content), count):
        content[place] = rng.integers(256)
    noisy = tmp_path / f'noisy{file.suffix}'
    noisy.write_bytes(content[:int(keep * len(content))])
    streams = {**STATES, 'observation/images/f': {'topic': '/front/image_raw/compressed'}}
    try:
        opened = open_with(tmp_path, noisy, streams)
        for stream in opened.read(0).streams.values():
            stream.values[0:len(stream)]
    except InvalidDataError as error:
        assert 'noisy' in str(error) and '\n' not in str(error)


def test_a_corrupt_picture_fails_alone(tmp_path: Path) -> None:
    messages = [(START_NS + k, '/c', packed_image(START_NS + k, picture(k))) for k in range(4)]
    messages[2][2].data = messages[2][2].data[:40]
    bag = write_bag(tmp_path / 'bag', MCAP, messages)
    pictures = open_with(tmp_path, bag, {'observation/images/c': {'topic': '/c'}}).read(0)
    values = pictures.streams['observation/images/c'].values
    assert np.array_equal(values[3:4], [picture(3)])
    with pytest.raises(InvalidDataError, match=r'bag: topic /c: picture 2: .*whole JPEG or PNG'):
        values[0:4]


def test_clocks_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    old = [(START_NS + k, '/joint_states', joints(k + 1, 0.0)) for k in range(3)]
    told = [(START_NS + k, '/force', TYPES['std_msgs/msg/Float64'](0.0)) for k in range(3)]
    bag = write_bag(tmp_path / 'bag', MCAP, old + told)
    streams = {**STATES, 'force': {'topic': '/force', 'field': 'data'}}
    with pytest.raises(InvalidDataError, match='topic /force: it has log time only'):
        open_with(tmp_path, bag, streams)
    assert len(open_with(tmp_path, bag, streams, stamps='log').read(0).streams) == 2


@pytest.mark.parametrize(('change', 'line'), [
    (lambda m: m.update(fsp=3), r"topic map: got 'fsp', allowed robot, "),
    (lambda m: m.update(fps=0), 'fps: got 0, allowed a whole number'),
    (lambda m: m.update(instants='x'), "instants: got 'x', allowed action, observation/"),
    (lambda m: m.update(episodes='gaps'), "episodes: got 'gaps', allowed whole"),
    (lambda m: m.update(streams={}), 'streams: got none'),
    (lambda m: m['streams'].update({'../x': {'topic': '/x'}}), r"stream: got '../x'"),
    (lambda m: m['streams']['action'].update(align='often'), "action: align: got 'often'"),
    (lambda m: m['streams']['action'].update(field='a..b'), r"field: got 'a..b'"),
    (lambda m: m['streams']['action'].pop('field'), 'action: field: got none'),
    (lambda m: m['streams']['action'].update(scale='x'), "action: scale: got 'x'"),
    (lambda m: m['streams']['action'].update(dtype='object'), "action: dtype: got 'object'"),
    (lambda m: m['streams']['observation/images/front'].update(scale=2),
     'got scale for pictures')])
def test_a_wrong_map_is_refused_by_its_key(
    tmp_path: Path, change: Callable[[dict], None], line: str,
) -> None:
    content = yaml.safe_load(EXAMPLE.read_text())
    change(content)
    path = tmp_path / 'wrong.yaml'
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InvalidDataError, match=r'wrong\.yaml: .*' + line):
        open_bag(tmp_path, path)


@pytest.mark.parametrize('content', ['', '- 1', 'a: [', 'streams: 3'])
def test_a_file_that_is_no_map_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / 'wrong.yaml'
    path.write_text(content)
    with pytest.raises(InvalidDataError, match=r'wrong\.yaml: '):
        open_bag(tmp_path, path)


def test_a_path_that_is_no_bag_is_refused_by_name(tmp_path: Path) -> None:
    for name in ('nothing', '.'):
        with pytest.raises(InvalidDataError, match='not a bag|got no storage file'):
            open_bag(tmp_path / name, EXAMPLE)


def test_a_bag_whose_metadata_was_never_written_is_read(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', MCAP, only(0.1, '/joint_states'))
    (bag / 'metadata.yaml').unlink()
    assert len(open_with(tmp_path, bag, STATES).read(0).streams[JOINTS]) == 100


def test_metadata_leads_out_of_no_folder(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', MCAP, only(0.1, '/joint_states'))
    path = bag / 'metadata.yaml'
    path.write_text(path.read_text().replace('bag.mcap', '../../bag.mcap'))
    assert len(open_with(tmp_path, bag, STATES).read(0).streams[JOINTS]) == 100
