"""The episode that is being recorded: rows as they come, an Episode at its end."""

from dataclasses import dataclass

import numpy as np
from vla_core.episode import (
    DEPTH_PREFIX,
    Episode,
    GRIPPER,
    IMAGE_PREFIX,
    JOINT_POSITION,
    JOINT_VELOCITY,
    Stream,
    SubtaskSpan,
    TACTILE_PREFIX,
    TOOL_POSE,
    WRENCH,
)
from vla_core.spec import RobotSpec
from vla_core.types import ActionChunk, ControlStatus, Observation, Subtask, TaskOutcome
from vla_recorder.recording.acted import Acted, Forward

AGE_PREFIX = 'observation/age_s/'  # + stream: (N,) float64 [s], NaN where unknown


@dataclass(frozen=True)
class _Span:
    start_ns: int
    key: str
    text: str


class RunningEpisode:
    """Accumulates one episode; every observation becomes a row, put together at the end."""

    def __init__(self, first: Observation, spec: RobotSpec, forward: Forward) -> None:
        self.episode_id = first.episode_id
        self.bytes = 0
        self.dropped = 0  # rows after the memory was full, or that do not fit the robot
        self._spec, self._acted = spec, Acted(forward)
        self._rows: list[Observation] = []
        self._subtasks: list[_Span] = []
        self._instruction = ''

    @property
    def asked(self) -> bool:
        """Whether anything was asked of the robot."""
        return bool(self._subtasks)

    @property
    def last_ns(self) -> int:
        """Stamp of the last row [ns]."""
        return self._rows[-1].stamp_ns if self._rows else 0

    def on_observation(self, observation: Observation, max_bytes: int) -> bool:
        """Add a row; return False when it was dropped."""
        pictures = (*observation.images.values(), *observation.depth.values(),
                    *observation.tactile.values())
        size = sum(image.nbytes for image in pictures)
        whole = set(self._spec.cameras) <= set(observation.images) and self._feels_alike(
            observation)
        late = bool(self._rows) and observation.stamp_ns <= self.last_ns
        if not whole or late or self.bytes + size > max_bytes:
            self.dropped += 1
            return False
        self.bytes += size
        self._rows.append(observation)
        return True

    def _feels_alike(self, observation: Observation) -> bool:
        """Say whether an observation has the depth and touch streams that the first one had."""
        first = self._rows[0] if self._rows else observation
        return (observation.tactile.keys() == first.tactile.keys()
                and observation.depth.keys() == first.depth.keys()
                and (observation.wrench is None) == (first.wrench is None))

    def on_chunk(self, chunk: ActionChunk) -> None:
        """Keep a chunk under the stamp it answers."""
        self._acted.on_chunk(chunk)

    def on_teleop(self, chunk: ActionChunk) -> None:
        """Keep a chunk of a person's device."""
        self._acted.on_teleop(chunk)

    def on_command(self, due_ns: int, joints: np.ndarray) -> None:
        """Keep a set-point (J,) [rad] and the instant at which it is due."""
        self._acted.on_command(due_ns, joints)

    def on_status(self, status: ControlStatus) -> None:
        """Keep changes of the control mode."""
        self._acted.on_status(status)

    def on_subtask(self, subtask: Subtask) -> None:
        """Keep the subtask if it is not the running one's renewal."""
        self._instruction = self._instruction or subtask.instruction
        if not self._subtasks or self._subtasks[-1].key != subtask.subtask_id:
            start = max(subtask.stamp_ns, self._rows[0].stamp_ns if self._rows else 0)
            self._subtasks.append(_Span(start, subtask.subtask_id, subtask.text))

    def build(self, outcome: TaskOutcome | None, reason: str) -> Episode | None:
        """Return the episode, or None without a row; no outcome means it was not finished.

        Rows at or after the outcome are left out: nothing was done about them.
        """
        rows = [row for row in self._rows if outcome is None or row.stamp_ns < outcome.stamp_ns]
        if not rows:
            return None
        end_ns = outcome.stamp_ns if outcome else self.last_ns + self._step_ns
        missing = max(0, outcome.steps - len(rows)) if outcome else 0
        stamps = np.array([row.stamp_ns for row in rows], dtype=np.int64)
        acted = self._acted.columns(
            stamps.tolist(), end_ns, rows[0].joint_position, rows[0].gripper)
        columns = self._observed(rows) | acted
        return Episode(
            episode_id=self.episode_id, robot=self._spec.name,
            task=outcome.task if outcome else '',
            instruction=self._instruction,
            streams={name: Stream(stamps, values) for name, values in columns.items()},
            success=bool(outcome and outcome.success),
            subtasks=self._subtask_spans(end_ns), interventions=self._acted.interventions(end_ns),
            meta={'reason': reason, 'complete': outcome is not None,
                  'dropped_rows': self.dropped, 'missing_rows': missing})

    @property
    def _step_ns(self) -> int:
        return round(self._spec.policy.step_s * 1e9)

    def _observed(self, rows: list[Observation]) -> dict[str, np.ndarray]:
        columns = {
            IMAGE_PREFIX + camera: np.stack([row.images[camera] for row in rows])
            for camera in self._spec.cameras}
        columns |= {
            AGE_PREFIX + stream: np.array([row.age_s.get(stream, np.nan) for row in rows])
            for stream in self._spec.streams if _is_observed(stream, rows[0])}
        columns |= {
            DEPTH_PREFIX + camera: np.stack([row.depth[camera] for row in rows])
            for camera in rows[0].depth}
        columns |= {
            TACTILE_PREFIX + finger: np.stack([row.tactile[finger] for row in rows])
            for finger in rows[0].tactile}
        if rows[0].wrench is not None:
            columns[WRENCH] = np.stack([row.wrench for row in rows])
        columns[JOINT_POSITION] = np.stack([row.joint_position for row in rows])
        columns[JOINT_VELOCITY] = np.stack([row.joint_velocity for row in rows])
        columns[TOOL_POSE] = np.stack([row.tool_pose for row in rows])
        columns[GRIPPER] = np.array([row.gripper for row in rows], dtype=np.float64)
        return columns

    def _subtask_spans(self, end_ns: int) -> tuple[SubtaskSpan, ...]:
        starts = [span.start_ns for span in self._subtasks]
        ends = [*starts[1:], end_ns][:len(starts)]
        return tuple(
            SubtaskSpan(span.start_ns, max(end, span.start_ns), span.text)
            for span, end in zip(self._subtasks, ends, strict=True))


def _is_observed(stream: str, row: Observation) -> bool:
    """Return whether a robot that observes `row` has `stream`: not every one feels."""
    absent = {'tactile': not row.tactile, 'wrench': row.wrench is None}
    return not absent.get(stream, False)
