"""What a bag says: the sensor messages that are visible at each instant, found in one pass.

An instant is a frame of the reference camera, chosen as perception chooses it in real time.
Visible at an instant is every message in the bag up to the instant's own frame, and of those
between it and the frame of the next instant the ones whose header stamp is at most `PATIENCE_S`
later: more than that a live perception would not have waited for. An instant at which a stream
is stale is none, because perception would publish nothing.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from vla_bringup.replay.order import StampOrder
from vla_bringup.replay.sensors import Ear, reference_topic, sensors_of, STATIC
from vla_core.errors import InvalidDataError
from vla_core.frames import FrameBuffer
from vla_core.spec import RobotSpec
from vla_core.timeline import StaleStreamError
from vla_perception.assembler import ObservationAssembler
from vla_perception.trigger import FrameTrigger
from vla_recorder.bag.source import Data, Place

PATIENCE_S = 0.02  # as perception's default
MOST = 1000  # messages of a topic in one step: what perception's queue holds safely
MOST_PICTURES = 50


class Said(NamedTuple):
    """One sensor message of the bag."""

    topic: str  # relative to the robot's namespace
    place: Place  # where the source has it


class Sensed(NamedTuple):
    """One sensor message with its data, in the order of the bag."""

    topic: str
    place: Place
    data: Data  # CDR


class SensorSource(Protocol):
    """A bag as the sensor messages of one robot."""

    name: str  # of the bag, for people
    robot: RobotSpec
    episode_id: str
    instruction: str
    touch: bool  # the fingertips feel

    def messages(self) -> Iterator[Sensed]:
        """Yield the messages in the order in which they were heard."""

    def read(self, place: Place) -> bytes:
        """Return one message again."""

    def close(self) -> None:
        """Close the files."""


@dataclass(frozen=True)
class Step:
    """An instant, and the messages that become visible with it."""

    stamp_ns: int
    messages: tuple[Said, ...]


@dataclass(frozen=True)
class Script:
    """A whole replay, checked to its end."""

    source: SensorSource
    latched: tuple[Said, ...]  # static transforms, said before the first step
    steps: tuple[Step, ...]
    blind: int  # instants at which perception would have published nothing
    why: str = ''  # the first of them

    @property
    def robot(self) -> RobotSpec:
        """The robot the bag is of."""
        return self.source.robot

    @property
    def span_s(self) -> float:
        """Recorded time that is replayed [s]."""
        return (self.steps[-1].stamp_ns - self.steps[0].stamp_ns) * 1e-9 + (
            self.robot.policy.step_s)


@dataclass
class _Open:
    """The newest instant while messages may still belong to it."""

    stamp_ns: int
    until_ns: int
    heard: list[Sensed] = field(default_factory=list)


class ScriptBuilder:
    """Parts a bag into steps, and tries each message and instant as perception would."""

    def __init__(self, source: SensorSource) -> None:
        robot = source.robot
        self._source = source
        self._sensors = sensors_of(robot, touch=source.touch)
        self._assembler, self._ear = listener(robot, source.touch)
        self._order = StampOrder(self._sensors)
        self._trigger = FrameTrigger(robot.policy.step_s, PATIENCE_S)
        self._reference = reference_topic(robot)
        self._waiting: list[Sensed] = []
        self._kept: list[Said] = []  # of instants that were none
        self._open: _Open | None = None
        self._latched: list[Said] = []
        self._steps: list[Step] = []
        self._blind, self._why = 0, ''

    def build(self) -> Script:
        """Return the script; raise InvalidDataError that names what cannot be replayed."""
        for sensed in self._source.messages():
            self._take(sensed)
        self._close()
        if not self._steps:
            raise InvalidDataError(
                f'{self._source.name}: got no instant with every stream '
                f'({self._why or f"no frame in {self._reference}"}), allowed one or more')
        return Script(self._source, tuple(self._latched), tuple(self._steps), self._blind,
                      self._why)

    def _take(self, sensed: Sensed) -> None:
        try:
            stamp_ns = self._order.check(sensed.topic, sensed.data)
        except InvalidDataError as error:
            raise InvalidDataError(f'{self._source.name}: {error}') from error
        if sensed.topic == STATIC and self._open is None and not self._steps:
            self._hear(sensed)
            self._latched.append(Said(sensed.topic, sensed.place))
            return
        if self._open is not None and (stamp_ns is None or stamp_ns <= self._open.until_ns):
            self._open.heard.append(sensed)
        else:
            self._waiting.append(sensed)
        if sensed.topic == self._reference:
            self._trigger.on_frame(stamp_ns, 0.0)
            if self._trigger.take((), 0.0) is not None:
                self._begin(stamp_ns)

    def _begin(self, stamp_ns: int) -> None:
        """Close the instant before and open the one whose frame was the last message."""
        self._close()
        self._open = _Open(stamp_ns, stamp_ns + round(PATIENCE_S * 1e9), self._waiting)
        self._waiting = []

    def _close(self) -> None:
        step, self._open = self._open, None
        if step is None:
            return
        for sensed in step.heard:
            self._hear(sensed)
        messages = [*self._kept, *(Said(s.topic, s.place) for s in step.heard)]
        try:
            self._assembler.assemble(step.stamp_ns)
        except StaleStreamError as error:
            self._blind += 1
            self._why = self._why or str(error)
            self._kept = _newest(messages)
            return
        self._kept = []
        self._steps.append(Step(step.stamp_ns, tuple(_newest(messages))))

    def _hear(self, sensed: Sensed) -> None:
        try:
            self._ear.hear(sensed.topic, sensed.data)
        except InvalidDataError as error:
            raise InvalidDataError(
                f'{self._source.name}: topic {sensed.topic}: {error}') from error


def listener(robot: RobotSpec, touch: bool) -> tuple[ObservationAssembler, Ear]:
    """Return an assembler with the arithmetic of perception in lockstep, and its ear."""
    assembler = ObservationAssembler(robot, frames=FrameBuffer(), touch=touch)
    return assembler, Ear(assembler, sensors_of(robot, touch=touch))


def _newest(messages: Sequence[Said]) -> list[Said]:
    """Return the newest MOST messages of each topic: older ones are beyond every buffer."""
    counts: Counter[str] = Counter()
    kept = []
    for said in reversed(messages):
        counts[said.topic] += 1
        if counts[said.topic] <= (MOST_PICTURES if said.topic.endswith('image') else MOST):
            kept.append(said)
    return kept[::-1]
