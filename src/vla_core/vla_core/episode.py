"""An episode: streams with their own stamps, what was asked, and how it ended.

Every file format of the suite is a codec of `Episode`; none of them is ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import re
from typing import Protocol

import numpy as np
from vla_core.errors import InvalidDataError
from vla_core.lazy import is_lazy, Values
from vla_core.types import (
    ActionChunk,
    JointCommand,
    Observation,
    SimState,
    Subtask,
    TaskOutcome,
)

# A name may become a file, a folder or a column: nothing in it can leave the folder.
NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._/-]{0,127}')

IMAGE_PREFIX = 'observation/images/'  # + camera: (N, H, W, 3) uint8 RGB
DEPTH_PREFIX = 'observation/depth/'  # + camera: (N, H, W) float32 [m] or uint16 [mm]
TACTILE_PREFIX = 'observation/tactile/'  # + finger: (N, H, W, 3) uint8
JOINT_POSITION = 'observation/state/joint_position'  # (N, J) float64 [rad]
JOINT_VELOCITY = 'observation/state/joint_velocity'  # (N, J) float64 [rad/s]
TOOL_POSE = 'observation/state/tool_pose'  # (N, 7) float64 base -> tool
WRENCH = 'observation/state/wrench'  # (N, 6) float64 force [N], torque [Nm] at the tool
GRIPPER = 'observation/state/gripper'  # (N,) float64 0 closed .. 1 open
ACTION = 'action'  # (N, 7) float32 what the data set teaches
ACTION_PROPOSED = 'action/proposed'  # (N, 7) float32 first row of the policy's chunk
ACTION_TELEOP = 'action/teleop'  # (N, 7) float32 what a person asked for, NaN where nobody did
PROGRESS = 'progress'  # (N,) float32 0..1 of the current subtask
SIM_PREFIX = 'sim/'  # privileged: collection only


def check_name(what: str, name: str) -> str:
    """Return `name` if it is safe as a path inside a data set, else raise InvalidDataError."""
    if not isinstance(name, str) or not NAME.fullmatch(name) or '..' in name:
        raise InvalidDataError(
            f'{what}: got {name!r}, allowed {NAME.pattern} without ".."')
    return name


@dataclass(frozen=True)
class Stream:
    """Values with a stamp each; those of images may still be in their file."""

    stamps_ns: np.ndarray  # (N,) int64 strictly increasing [ns]
    values: Values  # (N, ...) bool, integer or float

    def __post_init__(self) -> None:
        stamps = np.asarray(self.stamps_ns)
        values = self.values if is_lazy(self.values) else np.asarray(self.values)
        if stamps.ndim != 1 or (stamps.size and stamps.dtype.kind not in 'iu'):
            raise InvalidDataError(
                f'stream stamps: got {stamps.dtype} {stamps.shape}, allowed (N,) int64 [ns]')
        if values.dtype.kind not in 'biuf':
            raise InvalidDataError(f'stream values: got {values.dtype}, allowed numbers')
        if values.shape[:1] != stamps.shape:
            raise InvalidDataError(
                f'stream: got {len(stamps)} stamps for values of shape {values.shape}, '
                'allowed one stamp a value')
        stamps = stamps.astype(np.int64, copy=False)
        wrong = np.flatnonzero(np.diff(stamps) <= 0)
        if wrong.size:
            raise InvalidDataError(
                f'stream stamps: got {stamps[wrong[0] + 1]} after {stamps[wrong[0]]} ns '
                f'at row {wrong[0] + 1}, allowed strictly increasing')
        object.__setattr__(self, 'stamps_ns', stamps)
        object.__setattr__(self, 'values', values)

    def __len__(self) -> int:
        return len(self.stamps_ns)


def _check_span(what: str, start_ns: int, end_ns: int) -> None:
    if end_ns < start_ns:
        raise InvalidDataError(f'{what}: got end {end_ns} before start {start_ns} ns')


@dataclass(frozen=True)
class SubtaskSpan:
    """The time in which one subtask was pursued."""

    start_ns: int
    end_ns: int
    text: str

    def __post_init__(self) -> None:
        _check_span('subtask span', self.start_ns, self.end_ns)


@dataclass(frozen=True)
class Intervention:
    """The time in which somebody other than the policy moved the arm."""

    start_ns: int
    end_ns: int
    source: str  # 'teleop', 'expert'

    def __post_init__(self) -> None:
        _check_span('intervention', self.start_ns, self.end_ns)


@dataclass(frozen=True)
class Question:
    """What may be asked about one picture, and the true answer: data for co-training."""

    stamp_ns: int  # of the picture
    camera: str
    question: str
    answer: str
    kind: str = 'vqa'  # or 'caption'


@dataclass(frozen=True)
class Episode:
    """Everything worth keeping of one attempt."""

    episode_id: str
    robot: str
    task: str
    instruction: str
    streams: Mapping[str, Stream]
    success: bool | None = None  # None: nobody judged
    seed: int | None = None  # None: not simulated
    subtasks: tuple[SubtaskSpan, ...] = ()
    interventions: tuple[Intervention, ...] = ()
    questions: tuple[Question, ...] = ()
    meta: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name('episode id', self.episode_id)
        check_name('robot', self.robot)
        if self.task:
            check_name('task', self.task)
        for name, stream in self.streams.items():
            check_name('stream', name)
            if not isinstance(stream, Stream):
                raise InvalidDataError(
                    f'stream {name}: got {type(stream).__name__}, allowed Stream')

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras, sorted."""
        names = (n.removeprefix(IMAGE_PREFIX) for n in self.streams if n.startswith(IMAGE_PREFIX))
        return tuple(sorted(names))

    @property
    def start_ns(self) -> int:
        """First stamp of any stream; 0 for an episode without data."""
        return min((int(s.stamps_ns[0]) for s in self.streams.values() if len(s)), default=0)

    @property
    def end_ns(self) -> int:
        """Last stamp of any stream; 0 for an episode without data."""
        return max((int(s.stamps_ns[-1]) for s in self.streams.values() if len(s)), default=0)


class EpisodeWriter(Protocol):
    """Keeps episodes; one is durable when `write` returns."""

    def write(self, episode: Episode) -> None:
        """Keep one episode."""

    def close(self) -> None:
        """Finish; writing after it is an error."""


class EpisodeReader(Protocol):
    """The episodes of a data set, each read when it is asked for.

    Images of an episode may be lazy: they are read until `close`. What cannot be read is an
    InvalidDataError that names the file and the episode; the other episodes can be read still.
    """

    def __len__(self) -> int:
        """Return the number of episodes."""

    def read(self, index: int) -> Episode:
        """Return episode `index`, 0 the first."""

    def close(self) -> None:
        """Close the files; lazy images of episodes already read are gone."""


Label = Callable[[Observation, SimState, Subtask, ActionChunk], np.ndarray]


def first_row(
    observation: Observation, state: SimState, subtask: Subtask, chunk: ActionChunk
) -> np.ndarray:
    """Return the chunk's first action (A,) float32: the clean label when an expert proposes."""
    del observation, state, subtask
    return chunk.values[0]


class EpisodeBuilder:
    """A Subscriber that accumulates one episode; `build` returns it after `on_end`.

    `label` decides what `action` teaches at each step, e.g. an expert's answer in DAgger;
    `action/proposed` is always the first row of the chunk that was executed.
    """

    def __init__(
        self,
        robot: str,
        seed: int | None = None,
        *,
        record_sim: bool = False,
        label: Label = first_row,
        meta: Mapping[str, str | int | float | bool] | None = None,
    ) -> None:
        self._robot = robot
        self._seed = seed
        self._record_sim = record_sim
        self._label = label
        self._meta = dict(meta or {})
        self._rows: dict[str, list[np.ndarray | float]] = {}
        self._stamps: list[int] = []
        self._spans: list[tuple[int, str, str]] = []  # start [ns], subtask id, text
        self._instruction: str | None = None
        self._outcome: TaskOutcome | None = None

    def on_reset(self, observation: Observation, state: SimState, instruction: str) -> None:
        """Begin the one episode of this builder."""
        del observation, state  # the first step brings the same again
        if self._instruction is not None:
            raise InvalidDataError('EpisodeBuilder: got a second reset, allowed one an object')
        self._instruction = instruction

    def on_step(
        self, observation: Observation, state: SimState, subtask: Subtask, chunk: ActionChunk
    ) -> None:
        """Add one row to every stream."""
        rows = _observed(observation)
        label = self._label(observation, state, subtask, chunk)
        rows[ACTION] = np.array(label, dtype=np.float32)
        rows[ACTION_PROPOSED] = np.array(chunk.values[0], dtype=np.float32)
        rows[PROGRESS] = np.float32(chunk.progress)
        if self._record_sim:
            rows.update(_privileged(state))
        if self._stamps and rows.keys() != self._rows.keys():
            odd = sorted(rows.keys() ^ self._rows.keys())
            raise InvalidDataError(f'EpisodeBuilder: streams came or went in mid-episode: {odd}')
        for name, value in rows.items():
            self._rows.setdefault(name, []).append(value)
        self._stamps.append(observation.stamp_ns)
        if not self._spans or self._spans[-1][1] != subtask.subtask_id:
            self._spans.append((observation.stamp_ns, subtask.subtask_id, subtask.text))

    def on_command(self, command: JointCommand) -> None:
        """Ignore set-points: the streams of an episode run at the policy's rate."""

    def on_end(self, outcome: TaskOutcome) -> None:
        """Hear the verdict."""
        self._outcome = outcome

    def build(self) -> Episode:
        """Return the finished episode; raise InvalidDataError before its end or without steps."""
        if self._outcome is None or not self._stamps:
            raise InvalidDataError(
                f'EpisodeBuilder: got {len(self._stamps)} steps and outcome {self._outcome}, '
                'allowed an ended episode of one step or more')
        stamps = np.array(self._stamps, dtype=np.int64)
        return Episode(
            episode_id=self._outcome.episode_id,
            robot=self._robot,
            task=self._outcome.task,
            instruction=self._instruction or '',
            streams={name: Stream(stamps, np.stack(rows)) for name, rows in self._rows.items()},
            success=self._outcome.success,
            seed=self._seed,
            subtasks=self._subtasks(self._outcome.stamp_ns),
            meta={**self._meta, 'reason': self._outcome.reason},
        )

    def _subtasks(self, end_ns: int) -> tuple[SubtaskSpan, ...]:
        ends = [start for start, _, _ in self._spans[1:]] + [max(end_ns, self._stamps[-1])]
        return tuple(
            SubtaskSpan(start, end, text) for (start, _, text), end in zip(self._spans, ends))


def _observed(observation: Observation) -> dict[str, np.ndarray | float]:
    rows = {IMAGE_PREFIX + camera: image for camera, image in observation.images.items()}
    rows |= {TACTILE_PREFIX + finger: image for finger, image in observation.tactile.items()}
    if observation.wrench is not None:
        rows[WRENCH] = np.array(observation.wrench)
    rows[JOINT_POSITION] = np.array(observation.joint_position)
    rows[JOINT_VELOCITY] = np.array(observation.joint_velocity)
    rows[TOOL_POSE] = np.array(observation.tool_pose)
    rows[GRIPPER] = float(observation.gripper)
    return rows


def _privileged(state: SimState) -> dict[str, np.ndarray | float]:
    rows = {f'{SIM_PREFIX}objects/{name}': np.array(p) for name, p in state.objects.items()}
    rows |= {f'{SIM_PREFIX}joints/{name}': float(q) for name, q in state.joints.items()}
    rows[f'{SIM_PREFIX}tool_target'] = np.array(state.tool_target)
    return rows
