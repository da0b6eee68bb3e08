"""Laws of recording raw topics into files: what was heard is what is read."""

from collections.abc import Callable
from pathlib import Path
import random
import subprocess
import sys
import threading
import time

from made_up_robot import DEFINITIONS, FORWARD, MadeUpRobot, NS, with_cameras
import numpy as np
import pytest
from vla_core.episode import Episode
from vla_core.errors import InvalidDataError
from vla_recorder.bag.codec import open_reader as open_bag
from vla_recorder.formats import open_dataset
from vla_recorder.lerobot.codec import read_episode
from vla_recorder.live.bag import BagSink
from vla_recorder.live.lerobot import LeRobotSink
from vla_recorder.live.sink import Sink
from vla_recorder.live.thread import SinkThread
from vla_recorder.recording.raw_recorder import RawRecorder

MS = 1_000_000
PATIENCE_S = 20.0
CAMERAS = ('front', 'wrist')
ROBOT = with_cameras(CAMERAS, 48, 64, 20)
TRAJECTORY = f'{ROBOT.controller.name}/joint_trajectory'
START = 10 * NS
SINKS = {'mcap': BagSink, 'lerobot': LeRobotSink}


class Studio:
    """A made-up robot, a recorder and a sink."""

    def __init__(
        self, root: Path, form: str, say: Callable[[str], None] | None = None,
    ) -> None:
        self.robot, self.said, self.root, self.form = MadeUpRobot(ROBOT), [], root, form
        say = say or self.said.append
        channels = tuple(self.robot.channels.values())
        self.sink: Sink = SINKS[form](root, ROBOT, channels, FORWARD, DEFINITIONS)
        self.recorder = RawRecorder(
            'panda', channels, SinkThread(self.sink, say, 1 << 26), lambda: 10**12, say)

    def hear(self, topic: str, stamp_ns: int) -> None:
        channel, data = self.robot.message(topic, stamp_ns)
        self.recorder.add(channel, stamp_ns, stamp_ns + MS, data)

    def play(
        self, seconds: float = 1.0, lives: Callable[[str, int], bool] = lambda topic, ms: True,
        start_ns: int = START,
    ) -> None:
        """Let the robot speak: joints at 1 kHz, cameras at 20 Hz, TF and set-points at 100 Hz."""
        periods = {'joint_states': 1, 'tf': 10, TRAJECTORY: 10, 'front/image': 50,
                   'wrist/image': 50}
        for ms in range(round(1000 * seconds)):
            for topic, period in periods.items():
                late = 7 if topic == 'wrist/image' else 0
                if ms % period == late and lives(topic, ms):
                    self.hear(topic, start_ns + ms * MS)

    def read(self, index: int = 0) -> Episode:
        if self.form == 'mcap':
            return open_bag(self.root).read(index)
        return read_episode(self.root, index)


def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread; fail after some patience."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, 'waited in vain'


@pytest.fixture(params=sorted(SINKS))
def studio(tmp_path: Path, request: pytest.FixtureRequest) -> Studio:
    return Studio(tmp_path, request.param)


def test_what_the_robot_said_is_what_is_read(studio):
    studio.recorder.start(START, 'e0', 'lift', 'lift it')
    studio.play()
    studio.recorder.stop(success=True)
    studio.recorder.close()
    assert studio.recorder.state.problem == '' and studio.recorder.state.written == 1
    episode = studio.read()
    assert (episode.episode_id, episode.task, episode.instruction, episode.success) == (
        'e0', 'lift', 'lift it', True)
    joints = episode.streams['observation/state/joint_position']
    assert joints.stamps_ns.tolist() == [START + k * MS for k in range(1000)]
    assert np.array_equal(joints.values, [studio.robot.joints(t) for t in joints.stamps_ns])
    tool = episode.streams['observation/state/tool_pose']
    assert np.allclose(tool.values, [FORWARD(studio.robot.joints(t)) for t in tool.stamps_ns],
                       atol=1e-6)
    assert np.allclose(episode.streams['observation/state/gripper'].values, 0.75)
    assert '"joint_states": {' in episode.meta['cadence']
    assert episode.meta['dropped_messages'] == 0


def test_every_camera_shows_its_frame_nearest_to_the_instant(studio):
    studio.recorder.start(START, 'e0')
    studio.play()
    studio.recorder.stop()
    studio.recorder.close()
    episode = studio.read()
    for camera in CAMERAS:
        stream = episode.streams[f'observation/images/{camera}']
        assert len(stream) == 20
        shown = stream.stamps_ns
        if studio.form == 'lerobot':
            age = episode.streams[f'observation/age_s/{camera}'].values
            shown = stream.stamps_ns - np.rint(age * 1e9).astype(np.int64)
            late = 7 * MS if camera == 'wrist' else 0
            assert np.array_equal(shown, START + np.arange(20) * 50 * MS + late)
        frames = stream.values[0:20]
        wanted = [studio.robot.picture(camera, int(t))[0, 0, 0] for t in shown]
        allowed = 0 if studio.form == 'mcap' else 3
        assert (np.abs(frames.mean(axis=(1, 2, 3)) - wanted) <= allowed).all()


def test_the_action_is_what_the_arm_was_commanded_from_row_to_row(studio):
    studio.recorder.start(START, 'e0')
    studio.play()
    studio.recorder.stop()
    studio.recorder.close()
    action = studio.read().streams['action']
    poses = np.array([FORWARD(studio.robot.joints(START + k * 50 * MS)) for k in range(20)])
    assert len(action) == 20
    assert np.allclose(action.values[:19, :3], np.diff(poses[:, :3], axis=0), atol=1e-6)


def test_a_camera_that_dies_ends_nothing(studio):
    studio.recorder.start(START, 'e0')
    studio.play(2.0, lambda topic, ms: topic != 'wrist/image' or ms < 500)
    studio.recorder.stop()
    studio.recorder.close()
    episode = studio.read()
    assert len(episode.streams['observation/state/joint_position']) == 2000
    assert len(episode.streams['observation/images/front']) == 40
    if studio.form == 'mcap':
        assert len(episode.streams['observation/images/wrist']) == 10
    else:
        assert len(episode.streams['observation/images/wrist']) == 40
        assert episode.streams['observation/age_s/wrist'].values[-1] == pytest.approx(1.493)
        assert episode.meta['repeated_frames/wrist'] == 30
    assert any('wrist/image 20 Hz (1 gaps up to 1.5 s)' in line for line in studio.said)


def test_the_first_camera_that_dies_lets_the_rows_go_on(tmp_path):
    studio = Studio(tmp_path, 'lerobot')
    studio.recorder.start(START, 'e0')
    studio.play(2.0, lambda topic, ms: topic != 'front/image' or ms < 500)
    studio.recorder.stop()
    studio.recorder.close()
    episode = studio.read()
    assert 36 <= len(episode.streams['observation/images/wrist']) <= 40
    assert np.ptp(np.diff(episode.streams['action'].stamps_ns)) == 0


def test_episodes_follow_each_other_and_a_discarded_one_is_gone(studio):
    for name in ('a', 'b', 'c'):
        studio.recorder.start(START, name)
        studio.play(0.3)
        if name == 'b':
            studio.recorder.discard()
        else:
            studio.recorder.stop()
    studio.recorder.close()
    assert [studio.read(k).episode_id for k in range(2)] == ['a', 'c']
    again = Studio(studio.root, studio.form)
    again.recorder.start(START, 'd')
    again.play(0.3)
    again.recorder.close()
    assert again.read(2).episode_id == 'd'
    assert again.read(2).meta['complete'] is False


def test_nothing_is_left_beside_the_data_set(studio):
    studio.recorder.start(START, 'e0')
    studio.play(0.3)
    studio.recorder.close()
    left = [path for path in studio.root.rglob('*')
            if path.name.startswith('.') or path.name.endswith('.recording')]
    assert left == []


def test_an_episode_without_joints_is_told_and_the_next_one_is_written(tmp_path):
    studio = Studio(tmp_path, 'lerobot')
    studio.recorder.start(START, 'blind')
    studio.play(0.3, lambda topic, ms: topic != 'joint_states')
    studio.recorder.stop()
    studio.recorder.start(START, 'good')
    studio.play(0.3)
    studio.recorder.stop()
    studio.recorder.close()
    assert studio.read().episode_id == 'good'
    assert any('not written' in line for line in studio.said)


def test_messages_that_cannot_be_understood_are_counted_and_cost_nothing_else(studio):
    studio.recorder.start(START, 'e0')
    studio.play(0.2)
    topics = ['tf', TRAJECTORY] + ['front/image'] * (studio.form == 'lerobot')
    for topic in topics:
        channel = studio.robot.channels[topic]
        studio.recorder.add(channel, START + NS, START + NS, b'\x00\x01\x00\x00' + b'\xff' * 40)
    studio.recorder.stop()
    studio.recorder.close()
    episode = studio.read()
    assert len(episode.streams['observation/images/front']) == 4
    assert [episode.meta[f'not_understood/{topic}'] for topic in topics] == [1] * len(topics)


def test_a_data_set_that_another_recorder_writes_is_refused(tmp_path):
    studio = Studio(tmp_path, 'lerobot')
    with pytest.raises(InvalidDataError, match='second writer'):
        Studio(tmp_path, 'lerobot')
    studio.recorder.close()


def test_without_tf_the_joints_say_where_the_tool_is(tmp_path):
    studio = Studio(tmp_path, 'lerobot')
    studio.recorder.start(START, 'e0')
    studio.play(0.5, lambda topic, ms: topic != 'tf' or ms > 200)
    studio.recorder.stop()
    studio.recorder.close()
    episode = studio.read()
    tool = episode.streams['observation/state/tool_pose']
    assert len(episode.streams['action']) == 10
    assert episode.meta['tool_pose_from'] == 'joints'
    assert np.array_equal(tool.values, [FORWARD(studio.robot.joints(t)) for t in tool.stamps_ns])


@pytest.mark.parametrize('form', sorted(SINKS))
def test_a_recorder_that_is_killed_at_any_time_loses_no_finished_episode(tmp_path, form):
    root, rng, told = tmp_path / 'set', random.Random(0), set()
    for turn in range(3):
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name('killed_recorder.py')), str(root), form,
             str(turn)], stdout=subprocess.PIPE, text=True)
        for _ in range(rng.randint(1, 3)):
            told.add(process.stdout.readline().strip())
        threading.Event().wait(rng.uniform(0.0, 0.3))  # the death may come at any time
        process.kill()
        told |= set(process.stdout.read().split())
        process.wait()
    studio = Studio(root, form)  # cleans up, and appends
    studio.recorder.start(START, 'last')
    studio.play(0.3)
    studio.recorder.stop()
    studio.recorder.close()
    reader = open_dataset(root)
    episodes = [reader.read(index) for index in range(len(reader))]
    whole = {e.episode_id for e in episodes if e.meta['complete']}
    assert told | {'last'} <= whole
    assert all(len(s) for e in episodes if e.meta['complete'] for s in e.streams.values())


def test_an_episode_that_has_no_rows_leaves_nothing_on_the_disk(tmp_path):
    studio = Studio(tmp_path, 'lerobot')
    studio.recorder.start(START, 'blind')
    studio.play(0.2, lambda topic, ms: topic != 'wrist/image')
    studio.recorder.stop()
    until(lambda: studio.recorder.state.failed == 1)
    assert list((tmp_path / '.live').iterdir()) == []
    studio.recorder.close()
