"""What was proposed to the arm and what it was commanded, gathered while it happens.

`action` is what was commanded after the guard: from the tool pose of the set-point due at a
row's stamp to that of the set-point due at the next row's, and the gripper goal, which the
gripper gate makes of the chunk being played. Without set-points it is zero, since the arm is
asked to stay. `action/proposed` is row 0 of the chunk that answers the row and `progress` its
progress, NaN where none does (or, for the row, in a representation other than ee_delta).
`action/teleop` is what the device of a person asked for meanwhile, in the same form, NaN where
none did: with `action/proposed` beside it, what DAgger and Recap learn from a take-over.
Topics may be heard in any order: columns are put together at the end, by stamp.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from vla_core.control.config import ControlConfig
from vla_core.control.gripper import GripperGate
from vla_core.control.plan import JOINT, resolve
from vla_core.episode import ACTION, ACTION_PROPOSED, ACTION_TELEOP, Intervention, PROGRESS
from vla_core.geometry import delta_between
from vla_core.types import ACTION_DIM, ActionChunk, ControlStatus, Mode, Representation

CONTROL_MODE = 'control/mode'  # (N,) uint8 vla_core.types.Mode

Forward = Callable[[np.ndarray], np.ndarray]  # joints (J,) [rad] -> tool pose (7,)


class Acted:
    """Chunks, set-points and modes of one episode."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._chunks: dict[int, ActionChunk] = {}  # of the policy, by stamp [ns]
        self._asked: dict[int, ActionChunk] = {}  # of a person, by stamp [ns]
        self._sorted: list[int] = []  # stamps of `_asked`
        self._due_ns = array('q')
        self._joints = array('d')  # of the set-points, one after another [rad]
        self._modes: list[tuple[int, Mode]] = []

    @property
    def commands(self) -> int:
        """Number of set-points."""
        return len(self._due_ns)

    @property
    def asked(self) -> bool:
        """Whether a person's device asked for anything."""
        return bool(self._asked)

    def on_chunk(self, chunk: ActionChunk) -> None:
        """Keep a chunk under the stamp it answers."""
        if chunk.values.ndim == 2 and len(chunk.values):
            self._chunks[chunk.stamp_ns] = chunk

    def on_teleop(self, chunk: ActionChunk) -> None:
        """Keep a chunk of a person's device under its stamp."""
        if chunk.values.ndim == 2 and len(chunk.values):
            self._asked[chunk.stamp_ns] = chunk

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
        ends = [*stamps[1:], end_ns]
        return {
            ACTION_TELEOP: np.array([
                self._teleop_row(t, end, joints, goal)
                for t, end, goal in zip(stamps, ends, goals)], np.float32),
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
        return self._forward(self._joints_at(stamp_ns, first))

    def _joints_at(self, stamp_ns: int, first: np.ndarray) -> np.ndarray:
        """Return the commanded joints (J,) [rad], `first` before any were."""
        index, count = bisect_right(self._due_ns, stamp_ns) - 1, len(first)
        return first if index < 0 else np.array(self._joints[index * count:(index + 1) * count])

    def _gripper_goals(self, stamps: Sequence[int], gripper: float) -> np.ndarray:
        gate, goal = GripperGate(ControlConfig()), float(gripper)
        sources = {Mode.POLICY: self._chunks, Mode.TELEOP: self._asked or self._chunks}
        starts = {mode: sorted(chunks) for mode, chunks in sources.items()}
        goals = []
        for stamp in stamps:
            mode = self._mode_at(stamp)
            index = bisect_right(starts.get(mode, ()), stamp) - 1
            if index >= 0:
                new = gate.update(_gripper_value(sources[mode][starts[mode][index]], stamp))
                goal = goal if new is None else new
            goals.append(goal)
        return np.array(goals)

    def _teleop_row(
        self, stamp_ns: int, end_ns: int, joints: np.ndarray, goal: float,
    ) -> np.ndarray:
        """Return what a person asked for between two instants: (7,), NaN for nothing."""
        starts = self._asked_starts()
        index = bisect_right(starts, stamp_ns) - 1
        chunk = self._asked[starts[index]] if index >= 0 else None
        if chunk is None or _gripper_value(chunk, stamp_ns) is None:
            return np.full(ACTION_DIM, np.nan)
        joint = chunk.representation in JOINT
        anchor = self._joints_at(chunk.stamp_ns, joints)
        plan = resolve(chunk, anchor if joint else self._forward(anchor))
        here, there = (plan.at(stamp_ns), plan.at(end_ns))
        if joint:
            here, there = self._forward(here), self._forward(there)
        wanted = float(chunk.values[0, -1])
        return np.append(delta_between(here, there), goal if wanted == 0.5 else wanted)

    def _asked_starts(self) -> list[int]:
        """Return the stamps of a person's chunks, sorted; new ones make it anew."""
        if len(self._sorted) != len(self._asked):
            self._sorted = sorted(self._asked)
        return self._sorted

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
