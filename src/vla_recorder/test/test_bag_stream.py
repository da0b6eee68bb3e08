"""Laws of recording into a bag: what was said is kept, whoever is killed.

`KILL_TRIALS=200 pytest test_bag_stream.py` kills more often.
"""

from collections.abc import Callable
import json
import os
from pathlib import Path
import resource
import subprocess
import sys

from killed_bag import LENGTH, STEP_NS
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from vla_core.episode import Episode
from vla_core.errors import InvalidDataError
from vla_recorder.bag.codec import open_reader, open_writer
from vla_recorder.bag.fields import Take
from vla_recorder.bag.message import encoder_of
from vla_recorder.bag.out import recover
from vla_recorder.bag.stream import BagStream
from vla_recorder.bag.types import definition_of, standard_types

TRIALS = int(os.environ.get('KILL_TRIALS', '5'))
OPENING = Episode('live', 'panda', '', 'fold the towel', {})
CLOSING = Episode('live', 'panda', 'fold', 'fold the towel', {}, success=True)
JOINTS = 'observation/state/joint_position'
IMAGES = 'observation/images/static'


def begin(root: Path, clock: Callable[[], float] = lambda: 0.0) -> BagStream:
    return BagStream(root, OPENING, clock=clock)


def picture(k: int, height: int = 24) -> np.ndarray:
    return np.full((height, 32, 3), k, np.uint8)


def fill(stream: BagStream, rows: int) -> None:
    for k in range(rows):
        stream.add(JOINTS, k * STEP_NS, np.full(7, k / 3))
        stream.add(IMAGES, k * STEP_NS, picture(k))


def test_what_is_added_comes_back_when_it_ended(tmp_path: Path) -> None:
    stream = begin(tmp_path)
    fill(stream, 5)
    assert stream.counts['/joint_states'] == 5
    assert stream.end(CLOSING) == tmp_path / 'episode_000000'
    episode = open_reader(tmp_path).read(0)
    assert (episode.success, episode.task) == (True, 'fold')
    assert np.array_equal(episode.streams[JOINTS].values[:, 0], np.arange(5) / 3)
    assert np.array_equal(episode.streams[IMAGES].values[3:5], [picture(3), picture(4)])


def test_a_period_of_the_clock_puts_everything_on_the_disk(tmp_path: Path) -> None:
    now = [0.0]
    stream = begin(tmp_path, lambda: now[0])
    file = stream.folder / 'episode_000000.mcap'
    before = file.stat().st_size
    stream.add(JOINTS, 1, np.zeros(7))
    assert file.stat().st_size == before
    now[0] = 1.0
    stream.tick()
    assert file.stat().st_size > before


def test_a_bag_that_is_being_recorded_is_left_alone(tmp_path: Path) -> None:
    first = begin(tmp_path)
    fill(first, 3)
    open_writer(tmp_path).close()
    with pytest.raises(InvalidDataError, match='got no bag'):
        open_reader(tmp_path)
    second = begin(tmp_path)
    fill(second, 2)
    assert second.end(CLOSING).name == 'episode_000001'
    assert first.end(CLOSING).name == 'episode_000000'
    reader = open_reader(tmp_path)
    assert [len(reader.read(k).streams[JOINTS]) for k in range(2)] == [3, 2]


def test_a_discarded_episode_leaves_nothing(tmp_path: Path) -> None:
    stream = begin(tmp_path)
    fill(stream, 3)
    stream.discard()
    assert list(tmp_path.iterdir()) == []


def cut_bag(tmp_path: Path, rows: int = 20) -> Path:
    """Return a whole bag of several chunks as bytes of a recording that was cut nowhere yet."""
    now = [0.0]
    stream = begin(tmp_path / 'whole', lambda: now[0])
    for k in range(rows):
        now[0] += 1.0
        stream.add(JOINTS, k * STEP_NS, np.full(7, k / 3))
        stream.add(IMAGES, k * STEP_NS, picture(k))
    return stream.end(CLOSING) / 'episode_000000.mcap'


def test_a_cut_at_any_byte_keeps_all_whole_chunks(tmp_path: Path) -> None:
    content = cut_bag(tmp_path).read_bytes()
    rows = []
    for k, size in enumerate(range(0, len(content), 2411)):
        root = tmp_path / f'{k}'
        folder = root / 'episode_000000.recording'
        folder.mkdir(parents=True)
        (folder / 'episode_000000.mcap').write_bytes(content[:size])
        open_writer(root).close()
        if not (root / 'episode_000000').exists():
            assert size < 2411
            continue
        episode = open_reader(root).read(0)
        rows.append(len(episode.streams.get(JOINTS, ())))
        assert (episode.episode_id, episode.instruction) == ('live', 'fold the towel')
        if rows[-1]:
            assert np.array_equal(episode.streams[JOINTS].values[:, 0], np.arange(rows[-1]) / 3)
        if episode.success is None:
            assert episode.meta['reason'].startswith('incomplete')
        with AnyReader([root / 'episode_000000']) as bag:
            assert sum(1 for _ in bag.messages()) == bag.message_count
    assert rows == sorted(rows) and rows[-1] == 20 and len(set(rows)) > 10


def test_a_recording_that_cannot_be_mended_stays_and_stops_nobody(tmp_path: Path) -> None:
    content = bytearray(cut_bag(tmp_path).read_bytes())
    content[5000] ^= 1
    folder = tmp_path / 'root' / 'episode_000000.recording'
    folder.mkdir(parents=True)
    (folder / 'episode_000000.mcap').write_bytes(content)
    with pytest.raises(InvalidDataError, match=r'episode_000000\.mcap: chunk at byte'):
        recover(folder / 'episode_000000.mcap')
    stream = begin(tmp_path / 'root')
    open_writer(tmp_path / 'root').close()
    assert stream.end(CLOSING).name == 'episode_000001'
    assert (folder / 'episode_000000.mcap').read_bytes() == content


def test_a_recovered_bag_can_be_recovered_again(tmp_path: Path) -> None:
    file = cut_bag(tmp_path)
    file.write_bytes(file.read_bytes()[:20_000])
    assert recover(file)
    content = file.read_bytes()
    assert recover(file) and file.read_bytes() == content


def test_a_cut_recording_is_read_without_being_touched(tmp_path: Path) -> None:
    content = cut_bag(tmp_path).read_bytes()[:20_000]
    folder = tmp_path / 'root' / 'episode_000000.recording'
    folder.mkdir(parents=True)
    (folder / 'episode_000000.mcap').write_bytes(content)
    episode = open_reader(tmp_path / 'root').read(0)
    assert 0 < len(episode.streams[JOINTS]) < 20
    assert (folder / 'episode_000000.mcap').read_bytes() == content


def test_a_kill_costs_two_seconds_at_most_and_no_finished_episode(tmp_path: Path) -> None:
    script = Path(__file__).with_name('killed_bag.py')
    done = subprocess.run([sys.executable, str(script), str(tmp_path), str(TRIALS)],
                          stdout=subprocess.PIPE, check=True, text=True)
    trials = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(trials) == TRIALS
    for number, (finished, running) in enumerate(trials):
        root = tmp_path / f'{number}'
        open_writer(root).close()
        if not list(root.iterdir()):
            assert not finished and running <= 200
            continue
        reader = open_reader(root)
        rows = [len(reader.read(k).streams.get(JOINTS, ())) for k in range(len(reader))]
        whole = [reader.read(k).success for k in range(len(reader))].count(True)
        assert finished <= whole <= finished + 1
        assert rows[:whole] == [LENGTH] * whole
        if whole == finished and running:
            assert sum(rows[whole:]) >= running - 200


def test_a_full_disk_loses_nothing_that_was_added(tmp_path: Path) -> None:
    stream, rows = begin(tmp_path), 0
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_500_000, hard))
    try:
        with pytest.raises(OSError, match='File too large'):
            while True:
                rows += 1
                stream.add(IMAGES, rows, picture(rows % 200, height=2400))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    stream.add(IMAGES, rows + 1, picture(0, height=2400))  # there is space again
    pictures = open_reader(stream.end(CLOSING)).read(0).streams[IMAGES].values
    assert len(pictures) == rows + 1
    assert all(pictures[k:k + 1].max() == k + 1 for k in range(rows))


def test_raw_messages_pass_through_untouched(tmp_path: Path) -> None:
    encoder = encoder_of(IMAGES, np.dtype(np.uint8), (24, 32, 3))
    sent = [bytes(encoder.encode(k * STEP_NS, picture(k))) for k in range(4)]
    stream = begin(tmp_path)
    stream.declare('/camera/image', encoder.type_name, takes=(Take(IMAGES, (), '|u1'),))
    stream.declare('/text', 'std_msgs/msg/String')
    for k, data in enumerate(sent):
        stream.add_raw('/camera/image', k * STEP_NS, data)
        stream.add_raw('/text', 7, b'\0\1\0\0\1\0\0\0\0')
    path = stream.end(CLOSING)
    with AnyReader([path]) as bag:
        connections = [c for c in bag.connections if c.topic == '/camera/image']
        assert [bytes(data) for _, _, data in bag.messages(connections)] == sent
    pictures = open_reader(path).read(0).streams[IMAGES]
    assert pictures.stamps_ns.tolist() == [k * STEP_NS for k in range(4)]
    assert np.array_equal(pictures.values[0:4], [picture(k) for k in range(4)])


def test_joints_of_raw_messages_are_found_by_name(tmp_path: Path) -> None:
    types = standard_types()
    kind = types.types['sensor_msgs/msg/JointState']
    header = types.types['std_msgs/msg/Header'](
        stamp=types.types['builtin_interfaces/msg/Time'](0, 0), frame_id='')
    stream = begin(tmp_path)
    take = Take(JOINTS, ('position',), names=('b', 'a'))
    stream.declare('/joint_states', kind.__msgtype__, takes=(take,))
    for k in range(3):
        message = kind(header, ['a', 'finger', 'b'], np.array([k, 9.0, k + 0.5]),
                       np.empty(0), np.empty(0))
        stream.add_raw('/joint_states', k, bytes(types.serialize_cdr(message, kind.__msgtype__)))
    stream.add_raw('/joint_states', 3, b'\0\1\0\0 is no joint state')
    episode = open_reader(stream.end(CLOSING)).read(0)
    assert np.array_equal(episode.streams[JOINTS].values, [[k + 0.5, k] for k in range(3)])
    assert episode.meta[f'left_out/{JOINTS}'] == 1


def test_stamps_that_do_not_grow_and_values_of_another_shape_are_refused(tmp_path: Path) -> None:
    stream = begin(tmp_path)
    stream.add(JOINTS, 5, np.zeros(7))
    with pytest.raises(InvalidDataError, match='got stamp 5 after 5 ns'):
        stream.add(JOINTS, 5, np.zeros(7))
    with pytest.raises(InvalidDataError, match=r'got float64 \(6,\), allowed float64 \(7,\)'):
        stream.add(JOINTS, 6, np.zeros(6))
    with pytest.raises(InvalidDataError, match='got /x, allowed none yet'):
        stream.add_raw('/x', 6, b'')
    with pytest.raises(InvalidDataError, match="got 'my_msgs/msg/Force'"):
        stream.declare('/x', 'my_msgs/msg/Force')


class Force:
    """As rclpy shows a message class to those who look."""

    __module__ = 'my_msgs.msg._force'

    @staticmethod
    def get_fields_and_field_types() -> dict[str, str]:
        return {'header': 'std_msgs/Header', 'newton': 'sequence<double, 6>', 'on': 'boolean',
                'grid': 'float[4]', 'name': 'string<8>', 'raw': 'sequence<octet>'}


def test_own_types_are_defined_from_their_class(tmp_path: Path) -> None:
    stream = begin(tmp_path)
    stream.declare('/force', 'my_msgs/msg/Force', definition_of(Force))
    stream.add_raw('/force', 1, b'\0\1\0\0')
    with AnyReader([stream.end(CLOSING)]) as bag:
        _, fields = bag.typestore.fielddefs['my_msgs/msg/Force']
    assert [name for name, _ in fields] == ['header', 'newton', 'on', 'grid', 'name', 'raw']
