"""The node in the simulator's place: a bag's messages and ticks out, what the suite says in."""

from collections.abc import Callable
from dataclasses import dataclass, field
import importlib
import json
from pathlib import Path
import signal
import sys
import time
from typing import Any

import rclpy
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock
from vla_bringup.instruction_node import InstructionClient
from vla_bringup.readiness_node import await_active
from vla_bringup.replay.golden import Recording, save
from vla_bringup.replay.identity import Identity
from vla_bringup.replay.moment import Moment, moment_of
from vla_bringup.replay.run import open_source, ReplayConfig
from vla_bringup.replay.script import Said, Script, ScriptBuilder
from vla_bringup.replay.sensors import sensors_of, STATIC
from vla_bringup.session_node import tell
from vla_core.errors import VlaError
from vla_core.ros import qos
from vla_core.ros.arrays import to_time
from vla_core.ros.convert import from_msg, to_msg
from vla_core.ros.lockstep import Ack, PLANNER, POLICY, Slots
from vla_core.ros.params import about, declare
from vla_core.types import ActionChunk, Subtask, Tick
from vla_interfaces import msg
from vla_recorder.recording.raw_channels import Channel

Form = Callable[[Any], Any]
NODES = ('perception', 'planner', 'policy')
_TELL_S = 0.5  # between two words about the progress


@dataclass(frozen=True)
class ReplayNodeConfig:
    """Parameters of the replay."""

    bag: str = field(default='', metadata=about('rosbag2 folder or storage file'))
    topic_map: str = field(default='', metadata=about('YAML that maps its topics; empty: none'))
    episode: int = field(default=-1, metadata=about('episode of a data set; -1: the only one'))
    robot: str = field(default='', metadata=about('robot spec; empty: the one the bag tells'))
    instruction: str = field(default='', metadata=about('sentence; empty: as the bag tells'))
    identity: str = field(default='', metadata=about('what the recording is of, as JSON'))
    out: str = field(default='', metadata=about('file of the recording'))
    ready_s: float = field(
        default=120.0, metadata=about('wait so long for the graph [s]', 1.0, 3600.0))
    stall_s: float = field(
        default=30.0, metadata=about('a node that is silent for longer ends it [s]', 0.1, 3600.0))

    @property
    def replay(self) -> ReplayConfig:
        """What to open."""
        return ReplayConfig(
            Path(self.bag), robot=self.robot, instruction=self.instruction,
            episode=None if self.episode < 0 else self.episode,
            topic_map=Path(self.topic_map) if self.topic_map else None)


def _as_it_is(value: Any) -> Any:
    return value


class Answers:
    """What the suite's nodes said, by the stamp of the step."""

    def __init__(self, node: Node, capacity: int = 64, form: Form = _as_it_is) -> None:
        """`form` is what is kept of an observation."""
        self.observations: Slots[Any] = Slots(capacity)
        self.subtasks: Slots[Subtask] = Slots(capacity)
        self.chunks: Slots[ActionChunk] = Slots(capacity)
        self.newest_ns = 0  # of the observations
        self.acks: dict[str, Slots[Ack]] = {PLANNER: Slots(), POLICY: Slots()}
        for kind, topic, slots, kept in (
                (msg.Observation, 'observation', self.observations, form),
                (msg.Subtask, 'subtask', self.subtasks, _as_it_is),
                (msg.ActionChunk, 'action_chunk', self.chunks, _as_it_is)):
            node.create_subscription(kind, topic, self._keep(slots, kept), qos.COMMAND)
        node.create_subscription(msg.TickAck, 'tick_ack', self._on_ack, qos.EVENT)

    def done(self, name: str, stamp_ns: int) -> bool:
        """Say whether planner or policy answered a step, and all it sent is here."""
        ack = self.acks[name].get(stamp_ns)
        values = self.subtasks if name == PLANNER else self.chunks
        return ack is not None and (not ack.sent or values.get(stamp_ns) is not None)

    def moment(self, stamp_ns: int) -> Moment:
        """Return what came of a step that is done."""
        def said(name: str, values: Slots) -> object:
            return values.get(stamp_ns) if self.acks[name].get(stamp_ns).sent else None
        return moment_of(self.observations.get(stamp_ns), said(PLANNER, self.subtasks),
                         said(POLICY, self.chunks))

    def _keep(self, slots: Slots, form: Form) -> Callable[[object], None]:
        def hear(message: object) -> None:
            value = form(from_msg(message))
            slots.put(value.stamp_ns, value)
            if slots is self.observations:
                self.newest_ns = value.stamp_ns
        return hear

    def _on_ack(self, message: msg.TickAck) -> None:
        ack = from_msg(message)
        if ack.node in self.acks:
            self.acks[ack.node].put(ack.stamp_ns, ack)


class Player(Node):
    """A node with the parameters of a replay that spins itself."""

    def __init__(self) -> None:
        super().__init__('replay')
        self.config = declare(self, ReplayNodeConfig)
        self._executor = EventsExecutor()
        self._executor.add_node(self)

    def wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Spin until the condition holds; return whether it does within `timeout_s`."""
        limit = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < limit:
            self._executor.spin_once(timeout_sec=0.05)
        return condition()

    def close(self) -> None:
        """Destroy the node."""
        self._executor.remove_node(self)
        self.destroy_node()


class ReplayNode(Player):
    """Sends the steps of a script, each ahead of the policy's answer to the one before."""

    def __init__(self) -> None:
        super().__init__()
        self._script: Script = ScriptBuilder(open_source(self.config.replay)).build()
        self._source = self._script.source
        self._answers = Answers(self)
        self._instructions = InstructionClient(self)
        self._sensors = {
            topic: self.create_publisher(_kind(channel), topic, _profile(channel))
            for topic, channel in sensors_of(
                self._script.robot, touch=self._source.touch).items()}
        self._ticks = self.create_publisher(msg.Tick, 'tick', qos.EVENT)
        self._clock_out = self.create_publisher(Clock, 'clock', qos.SENSOR_RELIABLE)
        self._sent = 0  # sensor messages

    def play(self) -> int:
        """Replay to the last step or the planner's end; return the exit code."""
        tell('waiting', text='the nodes come up')
        await_active(self, self.wait, NODES, self.config.ready_s)
        self._await_matched()
        self._instructions.send(self._source.instruction, self.wait)
        steps, moments, end = self._script.steps, [], ''
        self._send(self._script.latched)
        self._send(steps[0].messages)
        began = told = time.monotonic()
        self._tick(0)
        for number in range(len(steps)):
            self._observe(number)
            if number:
                moments.append(self._moment(number - 1))
            if not self._ask_planner(number):
                end = self._planner_end()
                break
            if number + 1 < len(steps):
                self._tick(number + 1)
            if time.monotonic() - told > _TELL_S:
                told = time.monotonic()
                tell('step', number=number + 1, count=len(steps))
        moments.append(self._moment(number))
        wall_s = time.monotonic() - began
        identity = Identity(**json.loads(self.config.identity))
        save(Path(self.config.out), Recording(identity, tuple(moments), end))
        tell('done', steps=len(moments), wall_s=wall_s)
        return 0

    def close(self) -> None:
        """Close the bag."""
        self._source.close()
        super().close()

    # --- one step: its tick and observation while the policy thinks about the one before ------

    def _tick(self, number: int) -> None:
        stamp = self._script.steps[number].stamp_ns
        self._clock_out.publish(Clock(clock=to_time(stamp)))
        self._ticks.publish(to_msg(
            Tick(stamp, number, self._source.episode_id, observe=True, messages=self._sent)))

    def _observe(self, number: int) -> None:
        """Wait for the observation; only then is sent what the next step sees."""
        step, following = self._script.steps[number], self._script.steps[number + 1:number + 2]
        ahead = [(said.topic, self._source.read(said.place))
                 for later in following for said in later.messages]
        self._need(lambda: self._answers.observations.get(step.stamp_ns) is not None,
                   'perception', number)
        for topic, data in ahead:
            self._publish(topic, data)

    def _ask_planner(self, number: int) -> bool:
        """Wait for the planner's word; return False at the end of the instruction."""
        stamp = self._script.steps[number].stamp_ns
        self._need(lambda: self._answers.done(PLANNER, stamp), PLANNER, number)
        return bool(self._answers.acks[PLANNER].get(stamp).sent)

    def _moment(self, number: int) -> Moment:
        stamp = self._script.steps[number].stamp_ns
        self._need(lambda: self._answers.done(POLICY, stamp), POLICY, number)
        return self._answers.moment(stamp)

    def _need(self, condition: Callable[[], bool], name: str, number: int) -> None:
        if not self.wait(condition, self.config.stall_s):
            raise VlaError(
                f'replay: step {number}: got nothing from {name} for {self.config.stall_s:g} s')

    def _send(self, messages: tuple[Said, ...]) -> None:
        for said in messages:
            self._publish(said.topic, self._source.read(said.place))

    def _publish(self, topic: str, data: bytes) -> None:
        self._sensors[topic].publish(data)
        self._sent += 1

    def _planner_end(self) -> str:
        self.wait(lambda: self._instructions.result is not None, 2.0)
        result = self._instructions.result
        return 'the planner said nothing' if result is None else result.message

    def _await_matched(self) -> None:
        """Wait until perception hears every topic: a message before that would be lost."""
        def deaf() -> list[Publisher]:
            return [one for one in (*self._sensors.values(), self._ticks)
                    if not one.get_subscription_count()]
        if not self.wait(lambda: not deaf(), self.config.ready_s):
            raise VlaError(f'replay: nobody listens to {deaf()[0].topic_name} '
                           f'within {self.config.ready_s:g} s')


def _kind(channel: Channel) -> type:
    package, _, name = channel.kind.split('/')
    return getattr(importlib.import_module(f'{package}.msg'), name)


def _profile(channel: Channel) -> object:
    if channel.topic == STATIC:
        return qos.TF_STATIC
    return qos.STEP_IMAGE if channel.stream else qos.STEP_SENSOR


def run_player(make: Callable[[], Player]) -> int:
    """Run a replay to its end; return the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = None
    try:
        node = make()
        return node.play()
    except VlaError as error:
        print(error, file=sys.stderr)
        return 3  # of the command's own codes, none that its user's input explains
    except KeyboardInterrupt:
        return 130
    finally:
        if node is not None:
            node.close()
        rclpy.try_shutdown()


def main() -> int:
    """Replay a bag."""
    return run_player(ReplayNode)


if __name__ == '__main__':
    sys.exit(main())
