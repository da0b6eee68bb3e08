"""Record episodes beside a running robot: never in its way, and within bounded memory.

What is dropped, and counted, when there is too much: rows of an episode beyond
`max_episode_bytes`, and a finished episode while `queue` others wait for the disk. A disk
with little space or an error of the disk stops recording; the finished episodes stay.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
import math

import numpy as np
from vla_core.episode import EpisodeWriter
from vla_core.spec import RobotSpec
from vla_core.types import ActionChunk, ControlStatus, Observation, Subtask, TaskOutcome
from vla_recorder.recording.acted import Forward
from vla_recorder.recording.running import RunningEpisode
from vla_recorder.recording.space import SpaceFloor
from vla_recorder.recording.worker import WriterThread

EARLY = 512  # answers and set-points that may be heard before their observation
Command = tuple[int, np.ndarray]  # due [ns], joints (J,) [rad]


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
    kept. After an outcome it waits for two calls of `settle`, or for the next episode: other
    topics may still be on their way. `say` hears one line when something is written, dropped,
    stopped or resumed; it is also called from the writer's thread.
    """

    def __init__(
        self, spec: RobotSpec, writer: EpisodeWriter, forward: Forward,
        free_bytes: Callable[[], int], say: Callable[[str], None],
        limits: RecorderLimits = RecorderLimits(),
    ) -> None:
        self._spec, self._forward, self._limits = spec, forward, limits
        self._space, self._say = SpaceFloor(free_bytes, limits.min_free_bytes, say), say
        self._thread = WriterThread(writer, limits.queue, say)
        self._running: RunningEpisode | None = None
        self._ended: tuple[str, float] = ('', 0.0)  # id and stamp [ns] up to which it is over
        # An observation may be heard after its own answers: what belongs to no row yet.
        self._early: deque[ActionChunk | Subtask | Command] = deque(maxlen=EARLY)
        self._status: ControlStatus | None = None
        self._steps = 0
        self._verdict: TaskOutcome | None = None  # of the running episode
        self._settling = False
        self._dropped_episodes = self._dropped_rows = 0

    @property
    def state(self) -> RecorderState:
        """What was done so far."""
        return RecorderState(
            written=self._thread.written, queued=self._thread.queued,
            dropped_episodes=self._dropped_episodes + self._thread.failed,
            dropped_rows=self._dropped_rows + (self._running.dropped if self._running else 0),
            free_bytes=self._space.free_bytes, problem=self._thread.problem or self._space.problem)

    def on_observation(self, observation: Observation) -> None:
        """Add a row, beginning an episode where its id is new."""
        ended_id, ended_ns = self._ended
        if observation.episode_id == ended_id and observation.stamp_ns <= ended_ns:
            return  # late: it begins nothing
        if self._running and self._is_another(observation):
            self.finish('another episode began')
        if self._running is None and not self._begin(observation):
            return
        if not self._running.on_observation(observation, self._limits.max_episode_bytes):
            if self._running.dropped == 1:
                self._say(f'episode {observation.episode_id}: dropping rows (memory, order '
                          'or a missing camera)')

    def on_chunk(self, chunk: ActionChunk) -> None:
        """Take what the policy proposes."""
        if self._running and chunk.episode_id == self._running.episode_id:
            self._running.on_chunk(chunk)
        else:
            self._early.append(chunk)

    def on_teleop(self, chunk: ActionChunk) -> None:
        """Take what a person asks; before an episode it is none of it."""
        if self._running:
            self._running.on_teleop(chunk)

    def on_subtask(self, subtask: Subtask) -> None:
        """Take what the planner asks."""
        if self._running and subtask.episode_id == self._running.episode_id:
            self._running.on_subtask(subtask)
        else:
            self._early.append(subtask)

    def on_command(self, due_ns: int, joints: np.ndarray) -> None:
        """Take a set-point (J,) [rad] that is due at `due_ns`."""
        if self._running and not (self._verdict and due_ns > self._verdict.stamp_ns):
            self._running.on_command(due_ns, joints)
        else:
            self._early.append((due_ns, joints))

    def on_status(self, status: ControlStatus) -> None:
        """Take what the arm is allowed to do."""
        self._status = status
        if self._running:
            self._running.on_status(status)

    def on_outcome(self, outcome: TaskOutcome) -> None:
        """End the episode when it is over, or when its steps are counted anew."""
        if not self._running or self._running.episode_id != outcome.episode_id:
            return
        if outcome.done:
            self._verdict = self._verdict or outcome
        elif outcome.steps < self._steps:
            self.finish('the world was reset')
        else:
            self._steps = outcome.steps

    def finish(self, reason: str) -> None:
        """End the running episode now; without an outcome it is a failure, not completed."""
        if self._running and self._verdict:
            self._end(self._verdict, self._verdict.reason)
        elif self._running:
            self._end(None, f'incomplete: {reason}')

    def settle(self) -> None:
        """End an episode whose outcome came before the last call; call it a few times a second."""
        if self._settling and self._verdict:
            self.finish('')
        self._settling = self._verdict is not None

    def close(self) -> None:
        """Keep what is running, wait for the disk and close the writer."""
        self.finish('the recorder was stopped')
        self._thread.close()

    def _is_another(self, observation: Observation) -> bool:
        """Whether it begins an episode, though its id may be the same again."""
        verdict = self._verdict
        return (observation.episode_id != self._running.episode_id
                or (verdict is not None and observation.stamp_ns > verdict.stamp_ns))

    def _begin(self, first: Observation) -> bool:
        """Begin an episode with all that was heard of it already, unless the disk forbids it."""
        if not self._may_record():
            self._ended = (first.episode_id, math.inf)
            return False
        self._running = RunningEpisode(first, self._spec, self._forward)
        if self._status:
            self._running.on_status(self._status)
        early = list(self._early)
        self._early.clear()
        for item in early:
            if isinstance(item, ActionChunk):
                self.on_chunk(item)
            elif isinstance(item, Subtask):
                self.on_subtask(item)
            elif item[0] > first.stamp_ns:  # before it the arm stood elsewhere
                self.on_command(*item)
        return True

    def _end(self, outcome: TaskOutcome | None, reason: str) -> None:
        running, self._running, self._verdict = self._running, None, None
        self._steps = 0
        self._ended = (running.episode_id, outcome.stamp_ns if outcome else running.last_ns)
        self._dropped_rows += running.dropped
        episode = running.build(outcome, reason) if running.asked or outcome else None
        if episode is None:
            return
        if not self._may_record() or not self._thread.put(episode):
            self._dropped_episodes += 1
            self._say(f'episode {episode.episode_id}: dropped, '
                      f'{self.state.problem or "the disk is too slow"}')

    def _may_record(self) -> bool:
        return self._space.look() and not self._thread.problem
