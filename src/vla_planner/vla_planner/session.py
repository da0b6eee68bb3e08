"""One instruction being carried out: what the planner node does between its messages."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
import math

from vla_core.errors import InvalidDataError
from vla_core.protocols import Planner
from vla_core.types import ActionChunk, Done, Observation, Subtask

_HISTORY = 256  # chunks; a planner reads the newest
_MESSAGE_CHARS = 512


class ExecuteSession:
    """Runs a planner on one instruction, from observation to observation."""

    def __init__(self, planner: Planner, instruction: str, timeout_s: float = 0.0) -> None:
        """Begin afresh; a `timeout_s` of 0 means no limit [s of observation stamps]."""
        if not (math.isfinite(timeout_s) and timeout_s >= 0.0):
            raise InvalidDataError(f'timeout_s: got {timeout_s}; allowed: 0 (no limit) or more')
        self.instruction = instruction
        self.subtask: Subtask | None = None
        self.progress = 0.0  # 0..1 of the current subtask
        self._planner = planner
        self._timeout_ns = round(timeout_s * 1e9)
        self._history: deque[ActionChunk] = deque(maxlen=_HISTORY)
        self._episode_id = ''
        self._start_ns: int | None = None
        planner.reset()

    def on_chunk(self, chunk: ActionChunk) -> None:
        """Hear the policy; what answers an earlier time or episode is not of this session."""
        if self._start_ns is None or chunk.stamp_ns < self._start_ns:
            return
        self._history.append(chunk)
        if self.subtask is not None and chunk.subtask_id == self.subtask.subtask_id:
            self.progress = min(max(chunk.progress, 0.0), 1.0)

    def on_observation(self, observation: Observation) -> Subtask | Done:
        """Return the subtask for this instant, or the end."""
        if self._start_ns is None or observation.episode_id != self._episode_id:
            self._begin(observation)
        if self._timeout_ns and observation.stamp_ns - self._start_ns >= self._timeout_ns:
            return Done(False, f'not done within {self._timeout_ns / 1e9:g} s')
        word = self._planner.next(observation, self.instruction, self._history)
        if isinstance(word, Done):
            return replace(word, message=word.message[:_MESSAGE_CHARS])
        if self.subtask is None or word.subtask_id != self.subtask.subtask_id:
            self.progress = 0.0
        self.subtask = word
        return word

    def rest(self) -> Subtask | None:
        """Return the subtask that ends the last one at once: its time to live is 0."""
        if self.subtask is None:
            return None
        return replace(self.subtask, ttl_s=0.0, reasoning='the instruction has ended')

    def _begin(self, observation: Observation) -> None:
        self._history.clear()
        self._episode_id = observation.episode_id
        self._start_ns = observation.stamp_ns
        self.subtask = None
        self.progress = 0.0


class Silence:
    """Knows which topics have not been heard for a while, on the steady clock."""

    def __init__(self, topics: Sequence[str]) -> None:
        """Watch `topics`; call `begin` before asking."""
        self._heard_s = dict.fromkeys(topics, 0.0)

    def begin(self, steady_s: float) -> None:
        """Start waiting for all of them [s]."""
        self._heard_s = dict.fromkeys(self._heard_s, steady_s)

    def hear(self, topic: str, steady_s: float) -> None:
        """Hear one of them [s]."""
        self._heard_s[topic] = steady_s

    def topics(self, steady_s: float, patience_s: float) -> tuple[str, ...]:
        """Return those silent for more than `patience_s`."""
        return tuple(t for t, at_s in self._heard_s.items() if steady_s - at_s > patience_s)
