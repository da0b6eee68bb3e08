"""One chunk as a curve in time: waypoints, cubic between them, the old motion fading out.

The curve lives in a flat chart, (D,) float64: joints [rad], or for tool poses the translation
[m] and the rotation vector [rad] from the anchor, the pose that row 0 builds on. Times are
seconds after the chunk's stamp. Waypoint velocities are Catmull-Rom's. An arriving chunk takes
over position and velocity of the motion it replaces and lets the difference die away
(inertialization, Bollo, GDC 2018): no jump, no memory of older chunks, and from the end of the
fade on the curve is the chunk's own.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from vla_core.geometry import apply_delta, delta_between, rotvec_to_quat
from vla_core.types import ActionChunk, Representation

JOINT = (Representation.JOINT_DELTA, Representation.JOINT_ABSOLUTE)
DELTA = (Representation.EE_DELTA, Representation.JOINT_DELTA)


def seconds_between(start_ns: int, end_ns: int) -> float:
    """Return end - start [s], to the microsecond.

    Clocks that count in thirds of a nanosecond round differently at different offsets; on whole
    microseconds the same motion has the same bits whenever it happens.
    """
    return round((end_ns - start_ns) / 1000) * 1e-6


@dataclass(frozen=True)
class Plan:
    """A chunk resolved against its anchor."""

    stamp_ns: int
    step_s: float
    anchor: np.ndarray  # (7,) pose or (J,) joints that row 0 builds on
    waypoints: np.ndarray  # (T + 1, D) chart coordinates at 0, step, 2 step ...; row 0 the anchor
    velocities: np.ndarray  # (T + 1, D) per second
    gripper: np.ndarray  # (T,) 0 closed .. 1 open
    cartesian: bool
    still: bool = False  # deltas of nothing: it asks for rest, wherever that is reached
    fade_start_s: float = 0.0
    fade_s: float = 0.0
    fade_offset: np.ndarray = field(default_factory=lambda: np.zeros(1))  # (D,)
    fade_rate: np.ndarray = field(default_factory=lambda: np.zeros(1))  # (D,) per second

    @property
    def end_s(self) -> float:
        """When the last row is due."""
        return len(self.gripper) * self.step_s

    def at(self, stamp_ns: int) -> np.ndarray:
        """Return the target at `stamp_ns`: a pose (7,) or joints (J,)."""
        time_s = seconds_between(self.stamp_ns, stamp_ns)
        point = self._curve(time_s) + self._fade(time_s)
        return self._leave_chart(point)

    def displacement(self, stamp_ns: int) -> np.ndarray:
        """Return how far (D,) the chunk's own curve has come from the anchor at `stamp_ns`."""
        return self._curve(seconds_between(self.stamp_ns, stamp_ns)) - self.waypoints[0]

    def targets(self) -> np.ndarray:
        """Return the target of every row: (T, 7) poses or (T, J) joints."""
        return np.array([self._leave_chart(point) for point in self.waypoints[1:]])

    def gripper_at(self, stamp_ns: int) -> float:
        """Return the gripper value of the row that is being executed."""
        row = int((seconds_between(self.stamp_ns, stamp_ns) + 1e-6) / self.step_s)
        return float(self.gripper[min(max(row, 0), len(self.gripper) - 1)])

    def faded_from(
        self, stamp_ns: int, target: np.ndarray, velocity: np.ndarray, fade_s: float
    ) -> 'Plan':
        """Return the plan that leaves `target` (7,) or (J,) at the stamp with `velocity` (D,)."""
        start = seconds_between(self.stamp_ns, stamp_ns)
        own = (self._curve(start + 1e-3) - self._curve(start)) * 1e3
        offset = self._enter_chart(target) - self._curve(start)
        return replace(self, fade_start_s=start, fade_s=fade_s,
                       fade_offset=offset, fade_rate=velocity - own)

    def _curve(self, time_s: float) -> np.ndarray:
        """Cubic Hermite between the waypoints, at rest at the ends outside them."""
        if time_s <= 0.0 or time_s >= self.end_s:
            return self.waypoints[0 if time_s <= 0.0 else -1]
        row = min(int(time_s / self.step_s), len(self.gripper) - 1)
        s = time_s / self.step_s - row
        p0, p1 = self.waypoints[row], self.waypoints[row + 1]
        m0, m1 = self.velocities[row] * self.step_s, self.velocities[row + 1] * self.step_s
        a, b = s * s * (3.0 - 2.0 * s), s * (1.0 - s)
        return p0 + a * (p1 - p0) + b * ((1.0 - s) * m0 - s * m1)

    def _fade(self, time_s: float) -> np.ndarray | float:
        """Quintic from the old motion's offset and rate to nothing, at rest at both orders."""
        s = (time_s - self.fade_start_s) / self.fade_s if self.fade_s > 0.0 else 1.0
        if s >= 1.0:
            return 0.0
        s = max(s, 0.0)
        left = (1.0 - s) ** 3
        return left * ((1.0 + 3.0 * s + 6.0 * s * s) * self.fade_offset
                       + s * (1.0 + 3.0 * s) * self.fade_s * self.fade_rate)

    def _leave_chart(self, point: np.ndarray) -> np.ndarray:
        return apply_delta(self.anchor, point) if self.cartesian else point

    def _enter_chart(self, target: np.ndarray) -> np.ndarray:
        return delta_between(self.anchor, target) if self.cartesian else target


def resolve(chunk: ActionChunk, anchor: np.ndarray) -> Plan:
    """Return the plan of a finite `chunk` whose row 0 builds on `anchor`, (7,) pose or (J,)."""
    rows = chunk.values[:, :-1].astype(np.float64)
    cartesian = chunk.representation not in JOINT
    place = _pose_waypoints if cartesian else _joint_waypoints
    waypoints = place(chunk, rows, anchor)
    return Plan(
        stamp_ns=chunk.stamp_ns, step_s=chunk.step_s, anchor=anchor, waypoints=waypoints,
        velocities=_catmull_rom(waypoints, chunk.step_s),
        gripper=chunk.values[:, -1].astype(np.float64), cartesian=cartesian,
        still=chunk.representation in DELTA and not rows.any())


def _joint_waypoints(chunk: ActionChunk, rows: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    if chunk.representation in DELTA:
        return np.cumsum(np.vstack([anchor, rows]), axis=0)
    return np.vstack([anchor, rows])


def _pose_waypoints(chunk: ActionChunk, rows: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """Return (T + 1, 6): translation and unwrapped rotation vector of each row from the anchor."""
    waypoints, pose = [np.zeros(6)], anchor
    for row in rows:
        if chunk.representation in DELTA:
            pose = apply_delta(pose, row)
        else:
            pose = np.concatenate([row[:3], rotvec_to_quat(row[3:])])
        delta = delta_between(anchor, pose)
        delta[3:] = _unwrap(delta[3:], waypoints[-1][3:])
        waypoints.append(delta)
    return np.array(waypoints)


def _unwrap(rotvec: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Return the rotation vector (3,) of the same rotation that is nearest to `near`."""
    angle = float(np.linalg.norm(rotvec))
    if angle < 1.0 or float(rotvec @ near) >= 0.0:
        return rotvec
    return rotvec * (1.0 - 2.0 * np.pi / angle)


def _catmull_rom(waypoints: np.ndarray, step_s: float) -> np.ndarray:
    slopes = np.diff(waypoints, axis=0) / step_s
    inner = 0.5 * (slopes[:-1] + slopes[1:])
    return np.vstack([slopes[:1], inner, slopes[-1:]])
