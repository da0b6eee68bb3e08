"""What was proposed to the arm and what it was commanded, gathered while it happens.

`action` is what was commanded after the guard: from the tool pose of the set-point due at a
row's stamp to that of the set-point due at the next row's, and the gripper goal, which the
gripper gate makes of the chunk being played. Without set-points it is zero, since the arm is
asked to stay. `action/proposed` is row 0 of the chunk that answers the row and `progress` its
progress, NaN where none does (or, for the row, in a representation other than ee_delta).
Topics may be heard in any order: columns are put together at the end, by stamp.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from vla_core.control.config import ControlConfig
from vla_core.control.gripper import GripperGate
from vla_core.episode import ACTION, ACTION_PROPOSED, Intervention, PROGRESS
from vla_core.geometry import delta_between
from vla_core.types import ACTION_DIM, ActionChunk, ControlStatus, Mode, Representation

CONTROL_MODE = 'control/mode'  # (N,) uint8 vla_core.types.Mode

Forward = Callable[[np.ndarray], np.ndarray]  # joints (J,) [rad] -> tool pose (7,)


class Acted:
    """Chunks, set-points and modes of one episode."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._chunks: dict[int, ActionChunk] = {}  # by stamp [ns]
        self._due_ns = array('q')
        self._joints = array('d')  # of the set-points, one after another [rad]
        self._modes: list[tuple[int, Mode]] = []

    @property
    def commands(self) -> int:
        """Number of set-points."""
        return len(self._due_ns)

    def on_chunk(self, chunk: ActionChunk) -> None:
        """Keep a chunk under the stamp it answers."""
        if chunk.values.ndim == 2 and len(chunk.values):
            self._chunks[chunk.stamp_ns] = chunk

    def on_command(self, due_ns: int, joints: np.ndarray) -> None:
        """Keep a set-point (J,) [rad] and the instant at which it is due."""
        if not self._due_ns or due_ns > self._due_ns[-1]:
            self._due_ns.append(due_ns)
            self._joints.extend(joints.tolist())

    def on_status(self, status: ControlStatus) -> None:
        """Keep changes of the control mode."""
        if not self._modes or self._modes[-1][1] != status.mode:
            self._modes.append((status.stamp_ns, status.mode))

    def columns(
        self, stamps: Sequence[int], end_ns: int, joints: np.ndarray, gripper: float,
    ) -> dict[str, np.ndarray]:
        """Return the columns of rows at `stamps` (N,) [ns], the last of which ends at `end_ns`.

        Before the first set-point the arm stood at `joints` (J,) [rad], its gripper at `gripper`.
        """
        poses = [self._pose_at(t, joints) for t in (*stamps, end_ns)]
        moved = [delta_between(a, b) for a, b in pairwise(poses)]
        answers = [self._chunks.get(t) for t in stamps]
        goals = self._gripper_goals(stamps, gripper)
        return {
            ACTION: np.column_stack([moved, goals]).astype(np.float32),
            ACTION_PROPOSED: np.array([_proposed(a) for a in answers], np.float32),
            PROGRESS: np.array([np.nan if a is None else a.progress for a in answers], np.float32),
            CONTROL_MODE: np.array([self._mode_at(t) for t in stamps], np.uint8)}

    def interventions(self, end_ns: int) -> tuple[Intervention, ...]:
        """Return the times of teleoperation."""
        ends = [*[start for start, _ in self._modes[1:]], end_ns][:len(self._modes)]
        return tuple(
            Intervention(start, max(start, end), 'teleop')
            for (start, mode), end in zip(self._modes, ends, strict=True)
            if mode == Mode.TELEOP)

    def _pose_at(self, stamp_ns: int, first: np.ndarray) -> np.ndarray:
        """Return the commanded tool pose."""
        index = bisect_right(self._due_ns, stamp_ns) - 1
        if index < 0:
            return self._forward(first)
        count = len(first)
        return self._forward(np.array(self._joints[index * count:(index + 1) * count]))

    def _gripper_goals(self, stamps: Sequence[int], gripper: float) -> np.ndarray:
        gate, goal = GripperGate(ControlConfig()), float(gripper)
        starts, goals = sorted(self._chunks), []
        for stamp in stamps:
            index = bisect_right(starts, stamp) - 1
            if index >= 0 and self._mode_at(stamp) in (Mode.POLICY, Mode.TELEOP):
                new = gate.update(_gripper_value(self._chunks[starts[index]], stamp))
                goal = goal if new is None else new
            goals.append(goal)
        return np.array(goals)

    def _mode_at(self, stamp_ns: int) -> Mode:
        """Return the mode from a stamp on; the change at the stamp itself counts."""
        index = bisect_right([start for start, _ in self._modes], stamp_ns) - 1
        return self._modes[max(index, 0)][1] if self._modes else Mode.HOLD


def _proposed(chunk: ActionChunk | None) -> np.ndarray:
    if chunk is None or chunk.representation != Representation.EE_DELTA:
        return np.full(ACTION_DIM, np.nan)
    return chunk.values[0]


def _gripper_value(chunk: ActionChunk, stamp_ns: int) -> float | None:
    """Return the gripper of the row played at a stamp; None after the last row."""
    row = round((stamp_ns - chunk.stamp_ns) / 1e9 / chunk.step_s)
    value = float(chunk.values[row, -1]) if row < len(chunk.values) else np.nan
    return value if np.isfinite(value) else None
