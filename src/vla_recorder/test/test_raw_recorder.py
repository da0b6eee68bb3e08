"""Laws of the recorder of raw topics: when episodes begin and end, and what is said of loss."""

from collections.abc import Callable
from dataclasses import dataclass, field
import errno
import json
import threading
import time

import pytest
from vla_core.episode import Episode
from vla_core.errors import InvalidDataError
from vla_core.spec import load_robot
from vla_core.types import ControlStatus, Mode, Subtask, TaskOutcome
from vla_recorder.live.thread import SinkThread
from vla_recorder.recording.raw_channels import Channel, channels_of, stamp_ns
from vla_recorder.recording.raw_recorder import RawLimits, RawRecorder

PANDA = load_robot('panda')
CHANNELS = {channel.topic: channel for channel in channels_of(PANDA)}
MS = 1_000_000
PATIENCE_S = 20.0
GB = 10**9


@dataclass
class Kept:
    """What a fake sink was given of one episode."""

    began: Episode
    messages: list[tuple[str, int, bytes]] = field(default_factory=list)
    header: Episode | None = None


class ListSink:
    """Keeps episodes in memory; may be told to fail or to wait."""

    def __init__(self) -> None:
        self.episodes: list[Kept] = []
        self.discarded = 0
        self.write_error: Exception | None = None
        self.finish_error: Exception | None = None
        self.closed = False
        self.gate = threading.Event()
        self.gate.set()

    def begin(self, header: Episode) -> None:
        self.episodes.append(Kept(header))

    def write(self, channel: Channel, stamp: int, heard: int, data: bytes) -> None:
        self.gate.wait()
        if self.write_error:
            raise self.write_error
        self.episodes[-1].messages.append((channel.topic, stamp, data))

    def rest(self) -> None:
        """Hold nothing back."""

    def end(self, header: Episode) -> Callable[[], None]:
        kept = self.episodes[-1]

        def finish() -> None:
            if self.finish_error:
                raise self.finish_error
            kept.header = header
        return finish

    def discard(self) -> None:
        self.episodes.pop()
        self.discarded += 1

    def close(self) -> None:
        self.closed = True


class Desk:
    """A recorder with everything around it."""

    def __init__(self, queue_bytes: int = 1 << 20, **limits: object) -> None:
        self.sink, self.said, self.free = ListSink(), [], 100 * GB
        self.thread = SinkThread(self.sink, self.said.append, queue_bytes)
        self.recorder = RawRecorder(
            'panda', tuple(CHANNELS.values()), self.thread, lambda: self.free, self.said.append,
            RawLimits(**limits))

    def hear(self, topic: str, stamp_ms: float, size: int = 8) -> None:
        stamp = round(stamp_ms * MS)
        self.recorder.add(CHANNELS[topic], stamp, stamp + MS, bytes(size))

    def ask(self, episode_id: str, at_ms: int = 0, key: str = 's') -> None:
        self.recorder.on_subtask(
            Subtask(key, episode_id, 'lift it', f'do {key}', stamp_ns=at_ms * MS))

    def judge(self, episode_id: str, at_ms: int, success: bool = True) -> None:
        self.recorder.on_outcome(
            TaskOutcome(at_ms * MS, episode_id, 'lift', success, True, 'lifted', 1))

    def settle(self, at_ms: int = 0) -> None:
        for _ in range(2):
            self.recorder.settle(at_ms * MS)

    def close(self) -> list[Kept]:
        self.recorder.close()
        return self.sink.episodes


def cadence(kept: Kept) -> dict:
    return json.loads(kept.header.meta['cadence'])


# --- boundaries -------------------------------------------------------------------------------

def test_an_episode_is_what_was_heard_from_the_first_subtask_to_the_outcome():
    desk = Desk()
    desk.hear('joint_states', -500)
    desk.ask('e0', 0)
    for stamp in (1, 2, 3):
        desk.hear('joint_states', stamp)
    desk.judge('e0', 3)
    desk.hear('static/image', 2)  # on its way still
    desk.hear('joint_states', 4)  # of no episode
    desk.settle()
    kept, = desk.close()
    assert kept.messages == [(topic, stamp * MS, bytes(8)) for topic, stamp in (
        ('joint_states', 1), ('joint_states', 2), ('joint_states', 3), ('static/image', 2))]
    header = kept.header
    assert (header.episode_id, header.task, header.instruction) == ('e0', 'lift', 'lift it')
    assert (header.success, header.meta['reason'], header.meta['complete']) == (
        True, 'lifted', True)
    assert [(s.start_ns, s.end_ns, s.text) for s in header.subtasks] == [(0, 3 * MS, 'do s')]


def test_what_was_said_once_and_what_was_heard_just_before_is_part_of_the_episode():
    desk = Desk()
    desk.hear('tf_static', -9000)
    desk.hear('joint_states', -5)
    desk.hear('static/image', -5000)
    desk.ask('e0', 0)
    kept, = desk.close()
    assert {topic for topic, _, _ in kept.messages} == {'tf_static', 'joint_states'}


def test_another_id_ends_the_episode_before_as_incomplete():
    desk = Desk()
    desk.ask('e0', 0)
    desk.hear('joint_states', 1)
    desk.ask('e1', 10)
    desk.hear('joint_states', 11)
    first, second = desk.close()
    assert first.header.success is None
    assert first.header.meta['reason'] == 'incomplete: another episode began'
    assert second.header.meta['reason'] == 'incomplete: the recorder was stopped'


def test_a_renewed_subtask_of_an_ended_episode_begins_nothing():
    desk = Desk()
    desk.ask('e0', 0)
    desk.judge('e0', 3)
    desk.settle()
    desk.ask('e0', 4)
    assert len(desk.close()) == 1


def test_an_episode_ends_when_nothing_is_asked_any_more():
    desk = Desk()
    desk.ask('e0', 0)
    desk.settle(19_000)
    assert desk.recorder.state.episode_id == 'e0'
    desk.settle(21_000)
    kept, = desk.close()
    assert (kept.header.success, kept.header.meta['complete']) == (None, True)


def test_subtasks_and_interventions_become_spans():
    desk = Desk()
    desk.recorder.on_status(ControlStatus(-MS, Mode.POLICY, '', ''))
    desk.ask('e0', 0, key='a')
    desk.ask('e0', 1, key='a')
    desk.recorder.on_status(ControlStatus(2 * MS, Mode.TELEOP, '', ''))
    desk.ask('e0', 4, key='b')
    desk.recorder.on_status(ControlStatus(5 * MS, Mode.POLICY, '', ''))
    desk.judge('e0', 9)
    desk.settle()
    kept, = desk.close()
    assert [(s.start_ns // MS, s.end_ns // MS, s.text) for s in kept.header.subtasks] == [
        (0, 4, 'do a'), (4, 9, 'do b')]
    assert [(i.start_ns // MS, i.end_ns // MS) for i in kept.header.interventions] == [(2, 5)]


# --- the operator -----------------------------------------------------------------------------

def test_an_operator_starts_labels_and_stops():
    desk = Desk()
    recorder = desk.recorder
    assert recorder.start(0, 'mine', 'lift', 'lift it') == 'mine'
    desk.ask('planned', 1)  # the planner no longer decides
    desk.hear('joint_states', 1)
    recorder.label(2 * MS, success=False, subtask='grasp')
    assert recorder.stop(success=True, reason='it stands') == 'mine'
    kept, = desk.close()
    header = kept.header
    assert (header.task, header.instruction, header.success) == ('lift', 'lift it', True)
    assert (header.meta['reason'], header.meta['complete']) == ('it stands', True)
    assert [s.text for s in header.subtasks] == ['do s', 'grasp']


def test_a_discarded_episode_is_forgotten_and_the_next_one_is_not():
    desk = Desk()
    desk.recorder.start(0, 'bad')
    desk.recorder.discard()
    desk.recorder.start(5, 'good')
    kept, = desk.close()
    assert (kept.header.episode_id, desk.sink.discarded) == ('good', 1)


def test_an_unnamed_episode_gets_a_name_of_its_own():
    desk = Desk()
    first = desk.recorder.start(1)
    desk.recorder.stop()
    assert desk.recorder.start(2) != first
    assert len(desk.close()) == 2


@pytest.mark.parametrize('act', [
    lambda recorder: recorder.stop(),
    lambda recorder: recorder.discard(),
    lambda recorder: recorder.label(0, success=True),
])
def test_without_an_episode_stop_discard_and_label_are_refused(act):
    desk = Desk()
    with pytest.raises(InvalidDataError, match='got no episode that is recorded'):
        act(desk.recorder)
    desk.close()


@pytest.mark.parametrize('names', [
    {'episode_id': '../../etc/passwd'}, {'episode_id': '/root'}, {'episode_id': 'a\nb'},
    {'episode_id': 'x' * 200}, {'task': '../up'},
])
def test_a_name_that_could_leave_the_folder_is_refused(names):
    desk = Desk()
    with pytest.raises(InvalidDataError, match='allowed'):
        desk.recorder.start(0, **names)
    desk.close()
    assert desk.sink.episodes == []


def test_a_second_start_is_refused():
    desk = Desk()
    desk.recorder.start(0, 'first')
    with pytest.raises(InvalidDataError, match='while first is recorded'):
        desk.recorder.start(1, 'second')
    assert len(desk.close()) == 1


# --- what goes wrong --------------------------------------------------------------------------

def test_a_full_disk_ends_the_episode_above_the_floor_and_room_lets_the_next_begin():
    desk = Desk(min_free_bytes=GB)
    desk.ask('e0', 0)
    desk.hear('joint_states', 1)
    desk.free = GB - 1
    desk.settle(2)
    desk.ask('e1', 3)
    assert desk.recorder.state.problem.startswith('disk: got 1.00 GB free, allowed 1.00 GB')
    with pytest.raises(InvalidDataError, match='start: disk: got'):
        desk.recorder.start(4, 'mine')
    desk.free = 2 * GB
    desk.ask('e2', 5)
    first, second = desk.close()
    assert first.header.meta['reason'].startswith('incomplete: disk: got')
    assert second.header.episode_id == 'e2'
    assert any(line.startswith('recording stopped: disk') for line in desk.said)
    assert 'recording again: the disk has space' in desk.said


def test_a_sink_slower_than_the_camera_drops_what_it_counts_and_never_the_joints():
    desk = Desk(queue_bytes=1 << 20)
    desk.ask('e0', 0)
    desk.sink.gate.clear()
    for stamp in range(30):
        desk.hear('static/image', stamp, size=100_000)
        desk.hear('joint_states', stamp)
    waiting = desk.recorder.state.waiting_bytes
    dropped = desk.recorder.state.dropped_messages
    desk.sink.gate.set()
    kept, = desk.close()
    assert waiting <= 1 << 20
    count = sum(topic == 'static/image' for topic, _, _ in kept.messages)
    assert count + dropped == 30
    assert 0 < dropped == kept.header.meta['dropped_messages']
    assert cadence(kept)['static/image']['dropped'] == dropped
    assert sum(topic == 'joint_states' for topic, _, _ in kept.messages) == 30
    assert sum('dropping messages, static/image first' in line for line in desk.said) == 1


def test_a_camera_that_dies_ends_nothing_and_the_cadence_tells_of_it():
    desk = Desk()
    desk.ask('e0', 0)
    for stamp in range(0, 3000, 10):
        desk.hear('joint_states', stamp)
        if stamp % 80 == 0 and stamp < 1000:
            desk.hear('wrist/image', stamp)
        if stamp % 80 == 0:
            desk.hear('static/image', stamp)
    desk.judge('e0', 3000)
    desk.settle()
    kept, = desk.close()
    told = cadence(kept)
    assert (told['wrist/image']['gaps'], told['static/image']['gaps']) == (1, 0)
    assert told['wrist/image']['max_gap_s'] == pytest.approx(2.04)
    assert told['joint_states']['rate_hz'] == pytest.approx(100.0)
    line = next(line for line in desk.said if line.startswith('episode e0: 3.0 s'))
    assert 'wrist/image 12.5 Hz (1 gaps up to 2 s)' in line


def test_a_clock_that_jumps_back_ends_the_episode_and_begins_one_with_growing_stamps():
    desk = Desk()
    desk.ask('e0', 100_000)
    for stamp in range(100_000, 101_000, 10):
        desk.hear('joint_states', stamp)
        desk.hear('static/image', stamp)
    for stamp in range(5000, 6000, 10):
        desk.hear('joint_states', stamp)
        # the camera's last message of the old time is still on its way
        desk.hear('static/image', 101_000 if stamp == 5000 else stamp)
        desk.ask('e0', stamp)  # the planner goes on as if nothing had been
    desk.judge('e0', 6000)
    desk.settle()
    first, second = desk.close()
    assert (first.header.episode_id, second.header.episode_id) == ('e0', 'e0-1')
    assert first.header.meta['reason'].startswith('incomplete: the clock jumped back by 96.0 s')
    assert second.header.success is True
    for kept, low, high in ((first, 100_000, 101_000), (second, 5000, 6000)):
        for topic in ('joint_states', 'static/image'):
            stamps = [stamp for name, stamp, _ in kept.messages if name == topic]
            assert len(stamps) >= 98
            assert all(a < b for a, b in zip(stamps, stamps[1:]))
            assert low * MS <= stamps[0] <= stamps[-1] <= high * MS


def test_a_picture_out_of_order_is_left_out_and_told():
    desk = Desk()
    desk.ask('e0', 0)
    for stamp in (10, 30, 20, 30, 40):
        desk.hear('static/image', stamp)
    kept, = desk.close()
    assert [stamp // MS for _, stamp, _ in kept.messages] == [10, 30, 40]
    assert cadence(kept)['static/image']['disordered'] == 2


def test_an_error_of_the_disk_stops_recording_and_keeps_what_ended():
    desk = Desk()
    desk.recorder.start(0, 'first')
    desk.recorder.stop()
    desk.recorder.start(1, 'second')
    desk.sink.write_error = OSError(errno.ENOSPC, 'No space left on device')
    desk.hear('joint_states', 2)
    desk.recorder.stop()
    desk.recorder.close()
    assert desk.sink.episodes[0].header is not None
    assert 'No space left' in desk.recorder.state.problem
    assert (desk.recorder.state.written, desk.recorder.state.failed) == (1, 1)
    assert any(line.startswith('recording stopped, finished episodes stay') for line in desk.said)


def test_an_episode_that_does_not_fit_is_told_and_the_next_one_is_written():
    desk = Desk()
    desk.sink.finish_error = InvalidDataError('not like the others')
    desk.recorder.start(0, 'first')
    desk.recorder.stop()
    end = time.monotonic() + PATIENCE_S
    while desk.thread.failed == 0:
        assert time.monotonic() < end, 'waited in vain'
    desk.sink.finish_error = None
    desk.recorder.start(1, 'second')
    desk.recorder.stop()
    desk.recorder.close()
    assert (desk.recorder.state.written, desk.recorder.state.failed) == (1, 1)
    assert 'episode first: not written: not like the others' in desk.said


def test_closing_keeps_the_running_episode_and_closes_the_sink():
    desk = Desk()
    desk.ask('e0', 0)
    kept, = desk.close()
    assert desk.sink.closed
    assert (kept.header.meta['complete'], kept.header.success) == (False, None)


# --- stamps -----------------------------------------------------------------------------------

def test_the_stamp_of_a_message_is_read_where_its_type_has_it():
    image, tf, text = CHANNELS['static/image'], CHANNELS['tf'], CHANNELS['robot_description']
    head, stamp = b'\x00\x01\x00\x00', (7).to_bytes(4, 'little') + (9).to_bytes(4, 'little')
    assert stamp_ns(image, head + stamp, 1) == 7_000_000_009
    assert stamp_ns(tf, head + (1).to_bytes(4, 'little') + stamp, 1) == 7_000_000_009
    assert stamp_ns(text, head, 1) == 1


@pytest.mark.parametrize('data', [b'', b'\x00\x01\x00\x00', b'\x00\x00\x00\x00' + bytes(8)])
def test_what_is_no_message_is_refused(data):
    with pytest.raises(InvalidDataError, match='static/image: got'):
        stamp_ns(CHANNELS['static/image'], data, 1)
