"""Laws of the recorder node, in one process with a talker; skipped where no ROS is set up."""

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
from trajectory_msgs.msg import JointTrajectory  # noqa: E402
from vla_core.errors import InvalidDataError  # noqa: E402
from vla_core.kinematics import Kinematics  # noqa: E402
from vla_core.ros import qos  # noqa: E402
from vla_core.ros.convert import from_msg, to_msg  # noqa: E402
from vla_core.ros.lockstep import Ack  # noqa: E402
from vla_core.ros.robot_msgs import command_to_msg  # noqa: E402
from vla_core.spec import load_robot  # noqa: E402
from vla_core.types import (  # noqa: E402
    ActionChunk,
    ControlStatus,
    JointCommand,
    Mode,
    Observation,
    Representation,
    Subtask,
    TaskOutcome,
    Tick,
)
from vla_recorder.lerobot.codec import LeRobotWriter, read_episode  # noqa: E402
from vla_recorder.recorder_node import RecorderNode  # noqa: E402

PATIENCE_S = 10.0
PANDA = load_robot('panda')
STEP_NS = 83_333_333
PERIOD_NS = 8_333_333


class Graph:
    """The recorder node, and everybody else as one plain node."""

    def __init__(self, root: Path, **parameters: object) -> None:
        arguments = ['--ros-args']
        for name, value in {'root': root, 'min_free_gb': 0.0, **parameters}.items():
            arguments += ['-p', f'{name}:={value}']
        rclpy.init(args=arguments, domain_id=100 + os.getpid() % 100)
        self.recorder = RecorderNode()
        try:
            self.recorder.start()
        except InvalidDataError:
            self.recorder.destroy_node()
            rclpy.shutdown()
            raise
        self.other = Node('other')
        self.executor = EventsExecutor()
        self.executor.add_node(self.recorder)
        self.executor.add_node(self.other)
        self.acks: list[Ack] = []
        self.other.create_subscription(
            msg.TickAck, 'tick_ack', lambda m: self.acks.append(from_msg(m)), qos.EVENT)
        self.talkers = {kind: self.other.create_publisher(kind, topic, qos.RECORD)
                        for kind, topic in (
            (msg.Observation, 'observation'), (msg.ActionChunk, 'action_chunk'),
            (msg.Subtask, 'subtask'), (msg.ControlStatus, 'control_status'),
            (msg.TaskOutcome, 'task_outcome'),
            (JointTrajectory, f'{PANDA.controller.name}/joint_trajectory'))}
        self.ticks = self.other.create_publisher(msg.Tick, 'tick', qos.EVENT)
        self.until(lambda: all(t.get_subscription_count() for t in self.talkers.values()))

    def until(self, condition: Callable[[], bool]) -> None:
        """Spin until the condition holds; fail after some patience."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, 'waited in vain'
            self.executor.spin_once(timeout_sec=0.05)

    def say(self, value: object) -> None:
        """Publish a value or message."""
        message = value if type(value) in self.talkers else to_msg(value)
        self.talkers[type(message)].publish(message)

    def close(self) -> None:
        """End all of it; the recorder keeps what is running."""
        self.executor.remove_node(self.recorder)
        self.executor.remove_node(self.other)
        self.executor.shutdown()
        self.recorder.destroy_node()
        self.other.destroy_node()
        rclpy.shutdown()


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    running = Graph(tmp_path)
    yield running
    if rclpy.ok():
        running.close()


def observation(step: int, episode_id: str = 'e0') -> Observation:
    image = np.full((96, 96, 3), 50 + step, np.uint8)
    return Observation(
        step * STEP_NS, episode_id, {'static': image, 'wrist': image}, PANDA.joints.home,
        np.zeros(7), np.array([0.5, 0, 0.2, 0, 0, 0, 1.0]), 1.0, age_s={'tf': 0.01})


def play(graph: Graph, episode_id: str = 'e0', steps: int = 3) -> np.ndarray:
    """Publish one episode without its outcome; return its last set-point (J,) [rad]."""
    joints = PANDA.joints.home
    graph.say(ControlStatus(0, Mode.POLICY, '', 'test'))
    for step in range(steps):
        graph.say(observation(step, episode_id))
        graph.say(Subtask('s', episode_id, 'lift it', 'grasp it'))
        graph.say(ActionChunk(step * STEP_NS, step, episode_id, 's', 'test',
                              Representation.EE_DELTA, STEP_NS / 1e9,
                              np.full((4, 7), 0.25, np.float32), 0.5))
        for tick in range(10):
            joints = joints + 1e-3
            graph.say(command_to_msg(
                JointCommand(step * STEP_NS + tick * PERIOD_NS, joints, np.zeros(7), None,
                             np.zeros(7)), PANDA.joints.names, PERIOD_NS))
    return joints


def test_an_episode_of_the_graph_becomes_one_of_the_data_set(graph: Graph, tmp_path: Path) -> None:
    joints = play(graph)
    graph.until(lambda: graph.recorder._recorder._running is not None)
    graph.say(TaskOutcome(3 * STEP_NS, 'e0', 'lift', True, True, 'lifted', 3))
    graph.until(lambda: graph.recorder._recorder.state.written == 1)
    episode = read_episode(tmp_path, 0)
    assert (episode.task, episode.instruction, episode.success) == ('lift', 'lift it', True)
    assert episode.streams['action'].stamps_ns.tolist() == [0, STEP_NS, 2 * STEP_NS]
    assert (episode.streams['action/proposed'].values == 0.25).all()
    forward = Kinematics(PANDA).forward
    moved = forward(joints)[:3] - forward(PANDA.joints.home)[:3]
    assert np.allclose(episode.streams['action'].values[:, :3].sum(axis=0), moved, atol=1e-6)
    assert episode.streams['action'].values[:, 6].tolist() == [0.0, 0.0, 0.0]


def test_a_shutdown_keeps_the_running_episode(graph: Graph, tmp_path: Path) -> None:
    play(graph, steps=2)
    graph.until(lambda: graph.recorder._recorder._running is not None
                and graph.recorder._recorder._running.asked)
    graph.close()
    episode = read_episode(tmp_path, 0)
    assert episode.success is False
    assert episode.meta['reason'] == 'incomplete: the recorder was stopped'


def test_a_restarted_recorder_appends(tmp_path: Path) -> None:
    for _ in range(2):
        graph = Graph(tmp_path)
        play(graph, steps=2)
        graph.until(lambda graph=graph: graph.recorder._recorder._running is not None
                    and graph.recorder._recorder._running.asked)
        graph.close()
    assert [read_episode(tmp_path, k).success for k in range(2)] == [False, False]


def test_a_data_set_that_is_not_whole_is_refused_with_one_line(tmp_path: Path) -> None:
    LeRobotWriter(tmp_path, 12, PANDA).close()
    (tmp_path / 'meta').mkdir()
    (tmp_path / 'meta/info.json').write_text('{')
    with pytest.raises(InvalidDataError, match=r'info\.json: not readable JSON'):
        Graph(tmp_path)


def test_observe_ticks_are_acknowledged_after_their_observation(tmp_path: Path) -> None:
    graph = Graph(tmp_path, lockstep=True)
    try:
        graph.until(lambda: graph.ticks.get_subscription_count() == 1)
        graph.ticks.publish(to_msg(Tick(0, 0, 'e0', observe=True)))
        graph.ticks.publish(to_msg(Tick(PERIOD_NS, 1, 'e0', observe=False)))
        graph.until(lambda: len(graph.recorder._ticks) == 1)
        assert graph.acks == []
        graph.say(observation(0))
        graph.until(lambda: bool(graph.acks))
        assert graph.acks == [Ack(0, 0, 'e0', 'recorder', 0)]
    finally:
        graph.close()
