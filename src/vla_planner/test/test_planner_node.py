"""Laws of the planner node, in one process with a client; skipped where no ROS is set up."""

from collections.abc import Callable, Iterator
import os
import time
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')
interfaces = pytest.importorskip('vla_interfaces.action')

from action_msgs.msg import GoalStatus  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rclpy.experimental.events_executor import EventsExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from vla_core.ros import qos  # noqa: E402
from vla_core.ros.convert import from_msg, to_msg  # noqa: E402
from vla_core.ros.lockstep import Ack  # noqa: E402
from vla_core.types import ActionChunk, Observation, Representation, Subtask, Tick  # noqa: E402
from vla_interfaces import msg  # noqa: E402
from vla_planner.embedded import EmbeddedPlanner  # noqa: E402
from vla_planner.planner_node import PlannerNode  # noqa: E402

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
PATIENCE_S = 10.0
STEP_NS = 1_000_000_000 // 10


class Graph:
    """The planner node, and everybody else as one plain node."""

    def __init__(self, **parameters: Any) -> None:
        arguments = ['--ros-args']
        for name, value in parameters.items():
            arguments += ['-p', f'{name}:={value}']
        rclpy.init(args=arguments, domain_id=100 + os.getpid() % 100)
        self.planner = PlannerNode()
        self.planner.start()
        self.other = Node('other')
        self.executor = EventsExecutor()
        self.executor.add_node(self.planner)
        self.executor.add_node(self.other)
        self.client = ActionClient(self.other, interfaces.ExecuteInstruction,
                                   'execute_instruction')
        self.subtasks: list[Subtask] = []
        self.acks: list[Ack] = []
        self.feedback: list[Any] = []
        for kind, topic, heard, profile in (
            (msg.Subtask, 'subtask', self.subtasks, qos.COMMAND),
            (msg.TickAck, 'tick_ack', self.acks, qos.EVENT),
        ):
            self.other.create_subscription(
                kind, topic, lambda message, to=heard: to.append(from_msg(message)), profile)
        self.observations = self.other.create_publisher(
            msg.Observation, 'observation', qos.COMMAND)
        self.chunks = self.other.create_publisher(msg.ActionChunk, 'action_chunk', qos.COMMAND)
        self.ticks = self.other.create_publisher(msg.Tick, 'tick', qos.EVENT)
        self.sent_acks = self.other.create_publisher(msg.TickAck, 'tick_ack', qos.EVENT)
        self.until(lambda: self.client.server_is_ready()
                   and self.observations.get_subscription_count() == 1
                   and self.chunks.get_subscription_count() == 1
                   and self.other.count_subscribers('subtask') == 1)

    def until(self, condition: Callable[[], bool]) -> None:
        """Spin until the condition holds; fail after some patience."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, 'waited in vain'
            self.executor.spin_once(timeout_sec=0.05)

    def wait(self, future: Any) -> Any:
        """Return the result of a future."""
        self.until(future.done)
        return future.result()

    def send(self, instruction: str, timeout_s: float = 0.0) -> Any:
        """Return the accepted goal."""
        goal = interfaces.ExecuteInstruction.Goal(instruction=instruction, timeout_s=timeout_s)
        handle = self.wait(self.client.send_goal_async(goal, self.feedback.append))
        assert handle.accepted
        return handle

    def observe(self, step: int) -> Subtask:
        """Publish an observation; return the planner's word on it."""
        self.observations.publish(to_msg(seen(step)))
        self.until(lambda: self.subtasks and self.subtasks[-1].stamp_ns == step * STEP_NS)
        return self.subtasks[-1]

    def close(self) -> None:
        """End everything."""
        self.client.destroy()
        for node in (self.planner, self.other):
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown()
        rclpy.shutdown()


def seen(step: int) -> Observation:
    """Return the observation of a step."""
    pose = np.array([0.4, 0.0, 0.3, 1.0, 0.0, 0.0, 0.0])
    return Observation(step * STEP_NS, 'e1', {}, np.zeros(7), np.zeros(7), pose, 1.0)


def answer(subtask: Subtask, progress: float) -> ActionChunk:
    """Return the policy's answer to a subtask."""
    return ActionChunk(subtask.stamp_ns, 0, 'e1', subtask.subtask_id, 'fake',
                       Representation.EE_DELTA, 0.1, np.zeros((2, 7), np.float32), progress)


@pytest.fixture
def graph(request: pytest.FixtureRequest) -> Iterator[Graph]:
    """Return a graph with the parameters of the test."""
    made = Graph(**getattr(request, 'param', {}))
    yield made
    made.close()


@pytest.mark.parametrize('graph', [{'progress_chunks': 1, 'final_chunks': 2}], indirect=True)
def test_an_instruction_runs_to_success_and_says_how_far_it_is(graph: Graph) -> None:
    goal = graph.send('open the drawer, then press the button')
    result = goal.get_result_async()
    step = 0
    while not result.done():
        graph.observations.publish(to_msg(seen(step)))
        graph.until(lambda now=step * STEP_NS: result.done() or graph.subtasks
                    and graph.subtasks[-1].stamp_ns == now)
        graph.chunks.publish(to_msg(answer(graph.subtasks[-1], 1.0)))
        step += 1
    assert result.result().status == GoalStatus.STATUS_SUCCEEDED
    assert result.result().result.message == 'done: open the drawer, press the button'
    assert {s.text for s in graph.subtasks} == {'open the drawer', 'press the button'}
    graph.until(lambda: graph.subtasks[-1].ttl_s == 0.0)
    assert {f.feedback.subtask.index for f in graph.feedback} == {0, 1}


def test_an_unknown_instruction_ends_at_once_with_the_nearest_known(graph: Graph) -> None:
    result = graph.wait(graph.send('lift the green block').get_result_async())
    assert result.status == GoalStatus.STATUS_ABORTED
    assert 'nearest: lift the red block' in result.result.message


def test_cancelling_rests_the_arm(graph: Graph) -> None:
    goal = graph.send('open the drawer')
    assert graph.observe(0).ttl_s > 0.0
    assert graph.wait(goal.cancel_goal_async()).goals_canceling
    result = graph.wait(goal.get_result_async())
    assert (result.status, result.result.message) == (GoalStatus.STATUS_CANCELED, 'cancelled')
    graph.until(lambda: graph.subtasks[-1].ttl_s == 0.0)


def test_a_new_instruction_pre_empts_the_old(graph: Graph) -> None:
    old = graph.send('open the drawer').get_result_async()
    new = graph.send('press the button')
    ended = graph.wait(old)
    assert ended.status == GoalStatus.STATUS_ABORTED
    assert ended.result.message == "pre-empted by 'press the button'"
    assert graph.observe(0).text == 'press the button'
    assert not new.get_result_async().done()


def test_a_refused_instruction_leaves_the_running_one_alone(graph: Graph) -> None:
    graph.send('open the drawer')
    graph.wait(graph.send('make coffee').get_result_async())
    assert graph.observe(0).text == 'open the drawer'


def test_an_idle_or_running_node_does_not_spin(graph: Graph) -> None:
    graph.send('open the drawer')
    begin = time.process_time()
    graph.executor.spin_once(timeout_sec=0.0)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        graph.executor.spin_once(timeout_sec=0.1)
    assert time.process_time() - begin < 0.25


@pytest.mark.parametrize('graph', [{'lockstep': 'true'}], indirect=True)
def test_lockstep_waits_for_the_answer_to_the_step_before(graph: Graph) -> None:
    graph.send('open the drawer')
    graph.ticks.publish(to_msg(Tick(0, 0, 'e1', True)))
    first = graph.observe(0)
    graph.until(lambda: bool(graph.acks))
    graph.observations.publish(to_msg(seen(1)))
    graph.ticks.publish(to_msg(Tick(STEP_NS, 10, 'e1', True)))
    graph.sent_acks.publish(to_msg(Ack(0, 0, 'e1', 'policy', 1)))
    graph.until(lambda: len(graph.acks) == 2)  # the policy's own, heard by all
    assert len(graph.subtasks) == 1
    graph.chunks.publish(to_msg(answer(first, 0.5)))
    graph.until(lambda: len(graph.acks) == 3)
    graph.until(lambda: len(graph.subtasks) == 2)
    assert [a for a in graph.acks if a.node == 'planner'] == [
        Ack(0, 0, 'e1', 'planner', 1), Ack(STEP_NS, 10, 'e1', 'planner', 1)]


@pytest.mark.parametrize('graph', [{'lockstep': 'true'}], indirect=True)
def test_lockstep_without_an_instruction_acknowledges_nothing_sent(graph: Graph) -> None:
    graph.observations.publish(to_msg(seen(0)))
    graph.ticks.publish(to_msg(Tick(0, 0, 'e1', True)))
    graph.until(lambda: bool(graph.acks))
    assert graph.acks == [Ack(0, 0, 'e1', 'planner', 0)]


@pytest.mark.parametrize('graph', [{'lockstep': 'true'}], indirect=True)
def test_a_failing_planner_ends_the_instruction_but_not_the_lockstep(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError('no idea')

    result = graph.send('open the drawer').get_result_async()
    monkeypatch.setattr(EmbeddedPlanner, 'next', fail)
    graph.observations.publish(to_msg(seen(0)))
    graph.ticks.publish(to_msg(Tick(0, 0, 'e1', True)))
    graph.until(lambda: bool(graph.acks))
    assert graph.acks[0].sent == 0
    assert graph.wait(result).result.message == 'the planner failed: no idea'


def test_deactivating_the_node_ends_the_instruction(graph: Graph) -> None:
    result = graph.send('open the drawer').get_result_async()
    graph.planner.trigger_deactivate()
    assert graph.wait(result).result.message == 'the planner was deactivated'
