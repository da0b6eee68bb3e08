"""The episode that is being recorded: rows as they come, an Episode at its end."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from vla_core.control.config import ControlConfig
from vla_core.control.gripper import GripperGate
from vla_core.episode import (
    ACTION,
    ACTION_PROPOSED,
    Episode,
    GRIPPER,
    IMAGE_PREFIX,
    Intervention,
    JOINT_POSITION,
    JOINT_VELOCITY,
    PROGRESS,
    Stream,
    SubtaskSpan,
    TACTILE_PREFIX,
    TOOL_POSE,
    WRENCH,
)
from vla_core.geometry import delta_between
from vla_core.spec import RobotSpec
from vla_core.types import (
    ACTION_DIM,
    ActionChunk,
    ControlStatus,
    Mode,
    Observation,
    Representation,
    Subtask,
    TaskOutcome,
)

AGE_PREFIX = 'observation/age_s/'  # + stream: (N,) float64 [s], NaN where unknown
CONTROL_MODE = 'control/mode'  # (N,) uint8 vla_core.types.Mode

Forward = Callable[[np.ndarray], np.ndarray]  # joints (J,) [rad] -> tool pose (7,)


@dataclass(frozen=True)
class _Span:
    start_ns: int
    key: str
    text: str


class RunningEpisode:
    """Accumulates one episode; every observation becomes a row.

    `action` is what was commanded after the guard: from the tool pose of the set-point due at
    the row's stamp to that of the set-point due at the next row's, and the gripper goal, which
    the gripper gate makes of the chunk being played. Without set-points it is zero, since the
    arm is asked to stay. `action/proposed` is row 0 of the chunk that answers the observation
    and `progress` its progress, NaN where none does (or, for the row, in a representation
    other than ee_delta). Topics may be heard in any order: the columns are put together at the
    end, by stamp.
    """

    def __init__(self, first: Observation, spec: RobotSpec, forward: Forward) -> None:
        self.episode_id = first.episode_id
        self.bytes = 0
        self.dropped = 0  # rows after the memory was full, or that do not fit the robot
        self._spec, self._forward = spec, forward
        self._rows: list[Observation] = []
        self._chunks: dict[int, ActionChunk] = {}  # by stamp [ns]
        self._due_ns: list[int] = []
        self._commands: list[np.ndarray] = []  # (J,) [rad], due at _due_ns
        self._modes: list[tuple[int, Mode]] = []
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
        pictures = (*observation.images.values(), *observation.tactile.values())
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
        """Say whether an observation has the touch streams that the first one had."""
        first = self._rows[0] if self._rows else observation
        return observation.tactile.keys() == first.tactile.keys() and (
            (observation.wrench is None) == (first.wrench is None))

    def on_chunk(self, chunk: ActionChunk) -> None:
        """Keep a chunk under the stamp it answers."""
        if chunk.values.ndim == 2 and len(chunk.values):
            self._chunks[chunk.stamp_ns] = chunk

    def on_command(self, due_ns: int, joints: np.ndarray) -> None:
        """Keep a set-point (J,) [rad] and the instant at which it is due."""
        if not self._due_ns or due_ns > self._due_ns[-1]:
            self._due_ns.append(due_ns)
            self._commands.append(joints)

    def on_status(self, status: ControlStatus) -> None:
        """Keep changes of the control mode."""
        if not self._modes or self._modes[-1][1] != status.mode:
            self._modes.append((status.stamp_ns, status.mode))

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
        columns = self._observed(rows) | self._acted(rows, end_ns)
        return Episode(
            episode_id=self.episode_id, robot=self._spec.name,
            task=outcome.task if outcome else '',
            instruction=self._instruction,
            streams={name: Stream(stamps, values) for name, values in columns.items()},
            success=bool(outcome and outcome.success),
            subtasks=self._subtask_spans(end_ns), interventions=self._interventions(end_ns),
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
            TACTILE_PREFIX + finger: np.stack([row.tactile[finger] for row in rows])
            for finger in rows[0].tactile}
        if rows[0].wrench is not None:
            columns[WRENCH] = np.stack([row.wrench for row in rows])
        columns[JOINT_POSITION] = np.stack([row.joint_position for row in rows])
        columns[JOINT_VELOCITY] = np.stack([row.joint_velocity for row in rows])
        columns[TOOL_POSE] = np.stack([row.tool_pose for row in rows])
        columns[GRIPPER] = np.array([row.gripper for row in rows], dtype=np.float64)
        return columns

    def _acted(self, rows: list[Observation], end_ns: int) -> dict[str, np.ndarray]:
        stamps = [row.stamp_ns for row in rows]
        poses = [self._pose_at(t, rows[0]) for t in (*stamps, end_ns)]
        moved = [delta_between(a, b) for a, b in pairwise(poses)]
        answers = [self._chunks.get(t) for t in stamps]
        return {
            ACTION: np.column_stack([moved, self._gripper_goals(rows)]).astype(np.float32),
            ACTION_PROPOSED: np.array([_proposed(a) for a in answers], np.float32),
            PROGRESS: np.array([np.nan if a is None else a.progress for a in answers], np.float32),
            CONTROL_MODE: np.array([self._mode_at(t) for t in stamps], np.uint8)}

    def _pose_at(self, stamp_ns: int, first: Observation) -> np.ndarray:
        """Return the commanded tool pose: before the first set-point, where the arm stood."""
        index = bisect_right(self._due_ns, stamp_ns) - 1
        return self._forward(first.joint_position if index < 0 else self._commands[index])

    def _gripper_goals(self, rows: list[Observation]) -> np.ndarray:
        gate, goal = GripperGate(ControlConfig()), float(rows[0].gripper)
        starts, goals = sorted(self._chunks), []
        for row in rows:
            index = bisect_right(starts, row.stamp_ns) - 1
            if index >= 0 and self._mode_at(row.stamp_ns) in (Mode.POLICY, Mode.TELEOP):
                new = gate.update(_gripper_value(self._chunks[starts[index]], row.stamp_ns))
                goal = goal if new is None else new
            goals.append(goal)
        return np.array(goals)

    def _mode_at(self, stamp_ns: int) -> Mode:
        """Return the mode from a stamp on; the change at the stamp itself counts."""
        index = bisect_right([start for start, _ in self._modes], stamp_ns) - 1
        return self._modes[max(index, 0)][1] if self._modes else Mode.HOLD

    def _subtask_spans(self, end_ns: int) -> tuple[SubtaskSpan, ...]:
        starts = [span.start_ns for span in self._subtasks]
        ends = [*starts[1:], end_ns][:len(starts)]
        return tuple(
            SubtaskSpan(span.start_ns, max(end, span.start_ns), span.text)
            for span, end in zip(self._subtasks, ends, strict=True))

    def _interventions(self, end_ns: int) -> tuple[Intervention, ...]:
        ends = [*[start for start, _ in self._modes[1:]], end_ns][:len(self._modes)]
        return tuple(
            Intervention(start, max(start, end), 'teleop')
            for (start, mode), end in zip(self._modes, ends, strict=True)
            if mode == Mode.TELEOP)


def _is_observed(stream: str, row: Observation) -> bool:
    """Return whether a robot that observes `row` has `stream`: not every one feels."""
    absent = {'tactile': not row.tactile, 'wrench': row.wrench is None}
    return not absent.get(stream, False)


def _proposed(chunk: ActionChunk | None) -> np.ndarray:
    if chunk is None or chunk.representation != Representation.EE_DELTA:
        return np.full(ACTION_DIM, np.nan)
    return chunk.values[0]


def _gripper_value(chunk: ActionChunk, stamp_ns: int) -> float | None:
    """Return the gripper of the row played at a stamp; None after the last row."""
    row = round((stamp_ns - chunk.stamp_ns) / 1e9 / chunk.step_s)
    value = float(chunk.values[row, -1]) if row < len(chunk.values) else np.nan
    return value if np.isfinite(value) else None
