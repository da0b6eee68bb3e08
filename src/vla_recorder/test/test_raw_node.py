"""Laws of the recorder node on raw topics, in one process with a talker; skipped without ROS."""

from collections.abc import Callable, Iterator
import os
from pathlib import Path
import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')
msg = pytest.importorskip('vla_interfaces.msg')

from rclpy.experimental.events_executor import EventsExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from sensor_msgs.msg import Image, JointState  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402
from vla_core.ros import qos  # noqa: E402
from vla_core.ros.arrays import to_image  # noqa: E402
from vla_core.ros.convert import to_msg  # noqa: E402
from vla_core.ros.robot_msgs import (  # noqa: E402
    command_to_msg,
    joint_state_to_msg,
    transforms_to_msg,
)
from vla_core.spec import load_robot  # noqa: E402
from vla_core.types import (  # noqa: E402
    ActionChunk,
    ControlStatus,
    JointCommand,
    Mode,
    Representation,
    Subtask,
    TaskOutcome,
)
from vla_interfaces.srv import RecordLabel, RecordStart, RecordStop  # noqa: E402
from vla_recorder.bag.codec import open_reader as open_bag  # noqa: E402
from vla_recorder.lerobot.codec import read_episode  # noqa: E402
from vla_recorder.recorder_node import RecorderNode  # noqa: E402

PATIENCE_S = 20.0
PANDA = load_robot('panda')
TRAJECTORY = f'{PANDA.controller.name}/joint_trajectory'
MS = 1_000_000
TOOL = np.array([0.5, 0.0, 0.2, 0.0, 0.0, 0.0, 1.0])


class Graph:
    """The recorder node, and everybody else as one plain node."""

    def __init__(self, root: Path, form: str, **parameters: object) -> None:
        arguments = ['--ros-args']
        given = {'root': root, 'min_free_gb': 0.0, 'source': 'raw', 'format': form,
                 'discovery_s': 0.0, **parameters}
        for name, value in given.items():
            arguments += ['-p', f'{name}:={value}']
        rclpy.init(args=arguments, domain_id=100 + os.getpid() % 100)
        self.root, self.form = root, form
        self.start_ns = time.time_ns()
        self.recorder = RecorderNode()
        self.recorder.start()
        self.other = Node('other')
        self.executor = EventsExecutor()
        self.executor.add_node(self.recorder)
        self.executor.add_node(self.other)
        self.talkers = {topic: self.other.create_publisher(kind, topic, qos.RECORD)
                        for topic, kind in (
            ('static/image', Image), ('wrist/image', Image), ('joint_states', JointState),
            ('tf', TFMessage), (TRAJECTORY, JointTrajectory), ('action_chunk', msg.ActionChunk),
            ('subtask', msg.Subtask), ('task_outcome', msg.TaskOutcome))}
        self.talkers['control_status'] = self.other.create_publisher(
            msg.ControlStatus, 'control_status', qos.COMMAND)
        self.until(lambda: all(t.get_subscription_count() for t in self.talkers.values()))

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, 'waited in vain'
            self.executor.spin_once(timeout_sec=0.05)

    def say(self, topic: str, message: object) -> None:
        self.talkers[topic].publish(message)

    def ask(self, kind: type, name: str, **fields: object) -> object:
        client = self.other.create_client(kind, f'recorder/{name}')
        self.until(client.service_is_ready)
        future = client.call_async(kind.Request(**fields))
        self.until(future.done)
        return future.result()

    def play(self, rows: int = 4) -> None:
        """Say all that a robot says, a row each 80 ms and joints each 10 ms."""
        self.say('control_status', to_msg(ControlStatus(self.start_ns, Mode.TELEOP, '', 'test')))
        for step in range(rows):
            row_ns = self.start_ns + step * 80 * MS
            for tick in range(8):
                now = row_ns + tick * 10 * MS
                joints = PANDA.joints.home + 1e-6 * (now - self.start_ns) / MS
                names = [*PANDA.joints.names, *PANDA.gripper.joints]
                self.say('joint_states', joint_state_to_msg(
                    now, names, np.append(joints, [0.04, 0.04]), np.zeros(9)))
                self.say('tf', transforms_to_msg(
                    [(PANDA.base_frame, PANDA.tool_frame, now, TOOL)]))
                self.say(TRAJECTORY, command_to_msg(
                    JointCommand(now, joints, np.zeros(7), None, TOOL), PANDA.joints.names, 0))
            for camera in PANDA.cameras:
                image = np.full((96, 96, 3), 50 + step, np.uint8)
                self.say(f'{camera}/image', to_image(image, row_ns))
            self.say('action_chunk', to_msg(ActionChunk(
                row_ns, step, 'e0', 's', 'test', Representation.EE_DELTA, 0.08,
                np.full((4, 7), 0.25, np.float32), 0.5)))

    def read(self, index: int = 0):
        if self.form == 'mcap':
            return open_bag(self.root).read(index)
        return read_episode(self.root, index)

    def close(self) -> None:
        self.executor.remove_node(self.recorder)
        self.executor.remove_node(self.other)
        self.executor.shutdown()
        self.recorder.destroy_node()
        self.other.destroy_node()
        rclpy.shutdown()

    @property
    def state(self):
        return self.recorder._recorder.state

    def heard(self, topic: str) -> int:
        return self.recorder._recorder._running.meters[topic].count


@pytest.fixture(params=['lerobot', 'mcap'])
def graph(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Graph]:
    running = Graph(tmp_path, request.param)
    yield running
    if rclpy.ok():
        running.close()


def test_an_episode_of_the_planner_is_recorded_with_its_own_stamps(graph):
    graph.say('subtask', to_msg(Subtask('s', 'e0', 'lift it', 'grasp', stamp_ns=graph.start_ns)))
    graph.until(lambda: graph.state.episode_id == 'e0')
    graph.play()
    graph.until(lambda: graph.heard('wrist/image') == 4 and graph.heard('action_chunk') == 4)
    graph.say('task_outcome', to_msg(TaskOutcome(
        graph.start_ns + 320 * MS, 'e0', 'lift', True, True, 'lifted', 4)))
    graph.until(lambda: graph.state.written == 1)
    episode = graph.read()
    assert (episode.task, episode.instruction, episode.success) == ('lift', 'lift it', True)
    joints = episode.streams['observation/state/joint_position']
    assert (joints.stamps_ns - graph.start_ns).tolist() == [k * 10 * MS for k in range(32)]
    assert np.allclose(joints.values[:, 0], PANDA.joints.home[0] + 1e-5 * np.arange(32))
    for name in ('observation/images/static', 'observation/images/wrist', 'action'):
        stamps = episode.streams[name].stamps_ns
        assert (stamps - graph.start_ns).tolist() == [k * 80 * MS for k in range(4)]
    assert np.allclose(episode.streams['action/proposed'].values, 0.25)
    assert (episode.streams['observation/state/tool_pose'].values == TOOL).all()
    assert [s.text for s in episode.subtasks] == ['grasp']
    assert [i.source for i in episode.interventions] == ['teleop']
    assert '"static/image": {' in episode.meta['cadence']


def test_an_operator_starts_labels_discards_and_stops_by_services(graph):
    assert graph.ask(RecordStart, 'start', episode_id='bad').success
    graph.play(1)
    graph.until(lambda: graph.heard('action_chunk') == 1)
    assert graph.ask(Trigger, 'discard').success
    graph.start_ns += 1000 * MS
    answer = graph.ask(RecordStart, 'start', episode_id='mine', task='lift', instruction='lift it')
    assert (answer.success, answer.episode_id) == (True, 'mine')
    graph.play()
    graph.until(lambda: graph.heard('action_chunk') == 4)
    assert graph.ask(RecordLabel, 'label', subtask='grasp').success
    stopped = graph.ask(RecordStop, 'stop', verdict=RecordStop.Request.FAILURE, reason='it fell')
    assert (stopped.success, stopped.episode_id) == (True, 'mine')
    graph.until(lambda: graph.state.written == 1)
    episode = graph.read()
    assert (episode.episode_id, episode.success, episode.meta['reason']) == (
        'mine', False, 'it fell')
    assert [s.text for s in episode.subtasks] == ['grasp']


def test_what_cannot_be_is_refused_with_one_line(tmp_path):
    graph = Graph(tmp_path, 'mcap')
    try:
        refused = graph.ask(RecordStart, 'start', episode_id='../../up')
        assert not refused.success and 'episode id: got' in refused.message
        assert not graph.ask(RecordStop, 'stop').success
        assert not graph.ask(Trigger, 'discard').success
        assert graph.ask(RecordStart, 'start').success
        refused = graph.ask(RecordLabel, 'label', verdict=9)
        assert refused.message == 'verdict: got 9, allowed 0, 1, 2'
    finally:
        graph.close()


def test_a_sensor_that_is_published_best_effort_is_heard(tmp_path):
    graph = Graph(tmp_path, 'mcap')
    try:
        lossy = graph.other.create_publisher(Image, 'static/depth', qos.IMAGE)
        graph.until(lambda: lossy.get_subscription_count() == 1)
        graph.ask(RecordStart, 'start')
        depth = np.full((4, 4), 0.5, np.float32)

        def heard() -> bool:
            lossy.publish(to_image(depth, time.time_ns()))
            return graph.heard('static/depth') >= 3
        graph.until(heard)
    finally:
        graph.close()


def test_a_shutdown_keeps_the_running_episode(graph):
    graph.ask(RecordStart, 'start', episode_id='e0')
    graph.play()
    graph.until(lambda: graph.heard('wrist/image') == 4)
    graph.close()
    episode = graph.read()
    assert (episode.success, episode.meta['complete']) == (None, False)
    assert episode.meta['reason'] == 'incomplete: the recorder was stopped'


def test_a_frozen_episode_takes_nothing_more_and_waits_for_its_verdict(graph):
    graph.ask(RecordStart, 'start', episode_id='mine')
    graph.play(2)
    graph.until(lambda: graph.heard('wrist/image') == 2)
    assert graph.ask(Trigger, 'freeze').success
    assert 'while mine is recorded' in graph.ask(RecordStart, 'start').message
    graph.start_ns += 60_000 * MS  # after the freeze, by any clock
    graph.play(2)
    graph.until(lambda: graph.recorder._recorder._settling)
    assert (graph.heard('wrist/image'), graph.state.written) == (2, 0)
    assert graph.ask(RecordStop, 'stop', verdict=RecordStop.Request.SUCCESS).success
    graph.until(lambda: graph.state.written == 1)
    assert (graph.read().success, len(graph.read().streams['action'])) == (True, 2)


def test_a_take_over_keeps_what_the_policy_proposed_and_what_the_person_asked(graph):
    teleop = graph.other.create_publisher(msg.ActionChunk, 'teleop_chunk', qos.RECORD)
    graph.until(teleop.get_subscription_count)
    graph.ask(RecordStart, 'start', episode_id='mine')
    move = np.tile(np.array([0.01, 0, 0, 0, 0, 0, 0.5], np.float32), (5, 1))
    for k in (0, 40, 80, 120):  # then silent
        teleop.publish(to_msg(ActionChunk(
            graph.start_ns + k * MS, k, '', '', 'teleop/gamepad', Representation.EE_DELTA,
            0.04, move, 0.0)))
    graph.play(5)
    graph.until(lambda: graph.heard('wrist/image') == 5 and graph.heard('teleop_chunk') == 4)
    graph.ask(RecordStop, 'stop')
    graph.until(lambda: graph.state.written == 1)
    streams = graph.read().streams
    asked = streams['action/teleop'].values
    assert np.allclose(streams['action/proposed'].values, 0.25)
    assert np.allclose(asked[:2, :3], [0.02, 0, 0], atol=1e-5)  # two rows of 40 ms a row of 80
    assert np.isnan(asked[4]).all()  # 320 ms: the last chunk, of 200 ms, has run out
    assert (streams['control/mode'].values == int(Mode.TELEOP)).all()
