"""Record episodes beside a running robot: never in its way, and within bounded memory.

What is dropped, and counted, when there is too much: rows of an episode beyond
`max_episode_bytes`, and a finished episode while `queue` others wait for the disk. A disk
with little space or an error of the disk stops recording; the finished episodes stay.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from vla_core.episode import EpisodeWriter
from vla_core.spec import RobotSpec
from vla_core.types import ActionChunk, ControlStatus, Observation, Subtask, TaskOutcome

from vla_recorder.running import Forward, RunningEpisode
from vla_recorder.worker import WriterThread


@dataclass(frozen=True)
class RecorderLimits:
    """How much the recorder may hold and must leave."""

    max_episode_bytes: int = 512 << 20
    queue: int = 4  # finished episodes that wait for the disk
    min_free_bytes: int = 1_000_000_000


@dataclass(frozen=True)
class RecorderState:
    """What the recorder has done so far."""

    written: int
    queued: int
    dropped_episodes: int
    dropped_rows: int
    free_bytes: int
    problem: str  # why it does not record now; empty while all is well


class Recorder:
    """Turns what is heard into episodes and hands them to a writer in a thread of its own.

    An episode begins with the first observation of an episode id and ends with its outcome,
    with an observation of another id or with `finish`; without an outcome it is kept as a
    failure that was not completed. One in which nothing was asked and nobody judged is not
    kept. `say` hears one line when something is written, dropped, stopped or resumed; it is
    also called from the writer's thread.
    """

    def __init__(
        self, spec: RobotSpec, writer: EpisodeWriter, forward: Forward,
        free_bytes: Callable[[], int], say: Callable[[str], None],
        limits: RecorderLimits = RecorderLimits(),
    ) -> None:
        self._spec, self._forward, self._limits = spec, forward, limits
        self._free_bytes, self._say = free_bytes, say
        self._thread = WriterThread(writer, limits.queue, say)
        self._running: RunningEpisode | None = None
        self._ended_id: str | None = None  # late messages of it begin nothing
        # The newest of each, since an observation may be heard after its own answers.
        self._chunk: ActionChunk | None = None
        self._subtask: Subtask | None = None
        self._status: ControlStatus | None = None
        self._steps = 0
        self._short_of_space = ''
        self._dropped_episodes = self._dropped_rows = 0

    @property
    def state(self) -> RecorderState:
        """What was done so far."""
        return RecorderState(
            written=self._thread.written, queued=self._thread.queued,
            dropped_episodes=self._dropped_episodes + self._thread.failed,
            dropped_rows=self._dropped_rows + (self._running.dropped if self._running else 0),
            free_bytes=self._free_bytes(), problem=self._thread.problem or self._short_of_space)

    def on_observation(self, observation: Observation) -> None:
        """Add a row, beginning an episode where its id is new."""
        if observation.episode_id == self._ended_id:
            return
        if self._running and self._running.episode_id != observation.episode_id:
            self.finish('another episode began')
        if self._running is None and not self._begin(observation):
            return
        if not self._running.on_observation(observation, self._limits.max_episode_bytes):
            if self._running.dropped == 1:
                self._say(f'episode {observation.episode_id}: dropping rows (memory, order '
                          'or a missing camera)')

    def on_chunk(self, chunk: ActionChunk) -> None:
        """Take what the policy proposes."""
        self._chunk = chunk
        if self._running and chunk.episode_id == self._running.episode_id:
            self._running.on_chunk(chunk)

    def on_subtask(self, subtask: Subtask) -> None:
        """Take what the planner asks."""
        self._subtask = subtask
        if self._running and subtask.episode_id == self._running.episode_id:
            self._running.on_subtask(subtask)

    def on_command(self, due_ns: int, joints: np.ndarray) -> None:
        """Take a set-point (J,) [rad] that is due at `due_ns`."""
        if self._running:
            self._running.on_command(due_ns, joints)

    def on_status(self, status: ControlStatus) -> None:
        """Take what the arm is allowed to do."""
        self._status = status
        if self._running:
            self._running.on_status(status)

    def on_outcome(self, outcome: TaskOutcome) -> None:
        """End the episode when it is over; a verdict that counts anew is of a new attempt."""
        if not outcome.done:
            if outcome.episode_id == self._ended_id and not self._state_problem():
                self._ended_id = None
            if self._is_running(outcome) and outcome.steps < self._steps:
                self.finish('the world was reset')
                self._ended_id = None
            self._steps = outcome.steps
        elif self._is_running(outcome):
            self._end(outcome, outcome.reason)

    def finish(self, reason: str) -> None:
        """End the running episode without an outcome: kept as a failure, not completed."""
        if self._running:
            self._end(None, f'incomplete: {reason}')

    def close(self) -> None:
        """Keep what is running, wait for the disk and close the writer."""
        self.finish('the recorder was stopped')
        self._thread.close()

    def _begin(self, first: Observation) -> bool:
        """Begin an episode with all that was heard of it already, unless the disk forbids it."""
        self._ended_id = None
        if not self._may_record():
            self._ended_id = first.episode_id
            return False
        self._running = RunningEpisode(first, self._spec, self._forward)
        if self._status:
            self._running.on_status(self._status)
        if self._subtask and self._subtask.episode_id == first.episode_id:
            self._running.on_subtask(self._subtask)
        if self._chunk and self._chunk.episode_id == first.episode_id:
            self._running.on_chunk(self._chunk)
        return True

    def _is_running(self, outcome: TaskOutcome) -> bool:
        return bool(self._running) and self._running.episode_id == outcome.episode_id

    def _end(self, outcome: TaskOutcome | None, reason: str) -> None:
        running, self._running = self._running, None
        self._ended_id, self._steps = running.episode_id, 0
        self._dropped_rows += running.dropped
        episode = running.build(outcome, reason) if running.asked or outcome else None
        if episode is None:
            return
        if not self._may_record() or not self._thread.put(episode):
            self._dropped_episodes += 1
            self._say(f'episode {episode.episode_id}: dropped, '
                      f'{self.state.problem or "the disk is too slow"}')

    def _may_record(self) -> bool:
        """Look at the disk; say once when it becomes too full and when it is well again."""
        free, least = self._free_bytes(), self._limits.min_free_bytes
        before = self._short_of_space
        self._short_of_space = '' if free >= least else (
            f'disk: got {free / 1e9:.2f} GB free, allowed {least / 1e9:.2f} GB or more')
        if bool(before) != bool(self._short_of_space):
            self._say(f'recording stopped: {self._short_of_space}' if self._short_of_space
                      else 'recording again: the disk has space')
        return not self._state_problem()

    def _state_problem(self) -> str:
        return self._thread.problem or self._short_of_space
