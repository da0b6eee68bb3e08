"""What the two nodes of a replay share: parameters, ears, and a loop of their own."""

from collections.abc import Callable
from dataclasses import dataclass, field
import importlib
from pathlib import Path
import signal
import sys
import time
from typing import Any

import rclpy
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from vla_bringup.replay.moment import Moment, moment_of
from vla_bringup.replay.run import ReplayConfig
from vla_bringup.replay.sensors import STATIC
from vla_core.errors import VlaError
from vla_core.ros import qos
from vla_core.ros.convert import from_msg
from vla_core.ros.lockstep import Ack, PLANNER, POLICY, Slots
from vla_core.ros.params import about, declare
from vla_core.types import ActionChunk, Subtask
from vla_interfaces import msg
from vla_recorder.recording.raw_channels import Channel

Form = Callable[[Any], Any]
NODES = ('perception', 'planner', 'policy')


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


def message_class(channel: Channel) -> type:
    """Return the class of a channel's messages."""
    package, _, name = channel.kind.split('/')
    return getattr(importlib.import_module(f'{package}.msg'), name)


def profile_of(channel: Channel) -> QoSProfile:
    """Return the profile with which a bag's messages are published."""
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
