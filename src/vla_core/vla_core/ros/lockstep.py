"""What each node of a lockstep graph waits for before it may compute its part of a tick.

Messages of different topics arrive in any order, so each gate collects them by stamp and hands
them over once nothing is missing. An acknowledgement says how many messages its node sent for
the stamp, which tells "nothing to wait for" from "not here yet". Pure Python: no ROS needed.

The chain of an observe tick: sim -> perception (Observation) -> planner (Subtask, ack) ->
policy (ActionChunk, ack) -> control (set-point, gripper goal, ack) -> sim. Other ticks go
from sim to control at once. Stamps are integer [ns].
"""

from collections import deque
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from vla_core.types import ActionChunk, Observation, Subtask, Tick

POLICY = 'policy'  # also what an expert acknowledges as: it stands in the policy's place
PLANNER = 'planner'
CONTROL = 'control'
Value = TypeVar('Value')


@dataclass(frozen=True)
class Ack:
    """A node is done with a tick, having sent `sent` messages for it."""

    stamp_ns: int
    tick: int
    episode_id: str
    node: str
    sent: int


@dataclass(frozen=True)
class JointSample:
    """Measured joints of one instant."""

    stamp_ns: int
    position: np.ndarray  # (J,) float64 [rad]
    velocity: np.ndarray  # (J,) float64 [rad/s]


@dataclass(frozen=True)
class PlannerInput:
    """One observation, and the answer of the policy to the one before it, if any."""

    observation: Observation
    previous: ActionChunk | None


@dataclass(frozen=True)
class PolicyInput:
    """One observation and the planner's word on it; no subtask while nothing is instructed."""

    observation: Observation
    subtask: Subtask | None
    ack: Ack


@dataclass(frozen=True)
class ControlInput:
    """Everything one control tick uses; subtask and chunk only on observe ticks."""

    tick: Tick
    joints: JointSample
    subtask: Subtask | None = None
    chunk: ActionChunk | None = None


class Slots(Generic[Value]):
    """Values by stamp; the oldest arrivals go when more than `capacity` wait."""

    def __init__(self, capacity: int = 64) -> None:
        self._capacity = capacity
        self._values: dict[int, Value] = {}

    def __len__(self) -> int:
        return len(self._values)

    def put(self, stamp_ns: int, value: Value) -> None:
        """Keep a value under its stamp."""
        self._values[stamp_ns] = value
        while len(self._values) > self._capacity:
            del self._values[next(iter(self._values))]

    def get(self, stamp_ns: int) -> Value | None:
        """Return the value of a stamp, None while it is missing."""
        return self._values.get(stamp_ns)

    def forget(self, stamp_ns: int) -> None:
        """Drop everything up to and including a stamp."""
        self._values = {stamp: v for stamp, v in self._values.items() if stamp > stamp_ns}


class _Answers(Generic[Value]):
    """A node's acknowledgements together with what they promise."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._acks: Slots[Ack] = Slots()
        self._values: Slots[Value] = Slots()

    def on_ack(self, ack: Ack) -> None:
        if ack.node == self._node:
            self._acks.put(ack.stamp_ns, ack)

    def on_value(self, value: Any) -> None:
        self._values.put(value.stamp_ns, value)

    def ready(self, stamp_ns: int) -> bool:
        ack = self._acks.get(stamp_ns)
        return ack is not None and (ack.sent == 0 or self._values.get(stamp_ns) is not None)

    def value(self, stamp_ns: int) -> Value | None:
        ack = self._acks.get(stamp_ns)
        return self._values.get(stamp_ns) if ack is not None and ack.sent else None

    def ack(self, stamp_ns: int) -> Ack | None:
        return self._acks.get(stamp_ns)

    def forget(self, stamp_ns: int) -> None:
        self._acks.forget(stamp_ns)
        self._values.forget(stamp_ns)


class PlannerGate:
    """Releases an observation once the answer to the one before it is complete."""

    def __init__(self) -> None:
        self._observation: Observation | None = None
        self._before: Observation | None = None
        self._answers: _Answers[ActionChunk] = _Answers(POLICY)

    def on_observation(self, observation: Observation) -> None:
        """Take the observation of the running step."""
        self._observation = observation

    def on_ack(self, ack: Ack) -> None:
        """Take any node's acknowledgement."""
        self._answers.on_ack(ack)

    def on_chunk(self, chunk: ActionChunk) -> None:
        """Take a chunk of the policy."""
        self._answers.on_value(chunk)

    def take(self) -> PlannerInput | None:
        """Return the waiting step once it is complete, else None."""
        now, before = self._observation, self._before
        if now is None:
            return None
        previous = None
        if before is not None and before.episode_id == now.episode_id:
            if not self._answers.ready(before.stamp_ns):
                return None
            previous = self._answers.value(before.stamp_ns)
            self._answers.forget(before.stamp_ns)
        self._observation, self._before = None, now
        return PlannerInput(now, previous)


class PolicyGate:
    """Releases an observation once the planner has answered it.

    The next observation may come before that, where a bag is replayed ahead of the answers.
    """

    def __init__(self) -> None:
        self._waiting: deque[Observation] = deque(maxlen=2)
        self._answers: _Answers[Subtask] = _Answers(PLANNER)

    def on_observation(self, observation: Observation) -> None:
        """Take the observation of the running step, or of the one after it."""
        self._waiting.append(observation)

    def on_ack(self, ack: Ack) -> None:
        """Take any node's acknowledgement."""
        self._answers.on_ack(ack)

    def on_subtask(self, subtask: Subtask) -> None:
        """Take a subtask of the planner."""
        self._answers.on_value(subtask)

    def take(self) -> PolicyInput | None:
        """Return the first waiting step that is complete, else None; older ones are over."""
        ready = (one for one in self._waiting if self._answers.ready(one.stamp_ns))
        observation = next(ready, None)
        if observation is None:
            return None
        while self._waiting.popleft() is not observation:
            pass
        stamp = observation.stamp_ns
        result = PolicyInput(
            observation, self._answers.value(stamp), self._answers.ack(stamp))
        self._answers.forget(stamp)
        return result


class ControlGate:
    """Releases a tick once its joint state, and on observe ticks the answers, are here."""

    def __init__(self) -> None:
        self._tick: Tick | None = None
        self._joints: Slots[JointSample] = Slots()
        self._subtasks: _Answers[Subtask] = _Answers(PLANNER)
        self._chunks: _Answers[ActionChunk] = _Answers(POLICY)

    def on_tick(self, tick: Tick) -> None:
        """Take the running tick."""
        self._tick = tick

    def on_joints(self, sample: JointSample) -> None:
        """Take a joint state."""
        self._joints.put(sample.stamp_ns, sample)

    def on_ack(self, ack: Ack) -> None:
        """Take any node's acknowledgement."""
        self._subtasks.on_ack(ack)
        self._chunks.on_ack(ack)

    def on_subtask(self, subtask: Subtask) -> None:
        """Take a subtask of the planner."""
        self._subtasks.on_value(subtask)

    def on_chunk(self, chunk: ActionChunk) -> None:
        """Take a chunk of the policy."""
        self._chunks.on_value(chunk)

    def missing(self) -> list[str]:
        """Return what the running tick still waits for."""
        if self._tick is None:
            return ['tick']
        stamp = self._tick.stamp_ns
        absent = [] if self._joints.get(stamp) is not None else ['joint_states']
        if self._tick.observe:
            absent += [] if self._subtasks.ready(stamp) else [PLANNER]
            absent += [] if self._chunks.ready(stamp) else [POLICY]
        return absent

    def take(self) -> ControlInput | None:
        """Return the running tick's input once it is complete, else None."""
        if self.missing():
            return None
        tick, stamp = self._tick, self._tick.stamp_ns
        result = ControlInput(tick, self._joints.get(stamp),
                              self._subtasks.value(stamp), self._chunks.value(stamp))
        self._tick = None
        for slots in (self._joints, self._subtasks, self._chunks):
            slots.forget(stamp)
        return result
