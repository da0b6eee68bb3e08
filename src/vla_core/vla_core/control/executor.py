"""Play action chunks at the control rate: anchored, cross-faded, within every joint limit."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from vla_core.control.config import ControlConfig
from vla_core.control.plan import DELTA, JOINT, Plan, resolve, seconds_between
from vla_core.control.tracker import JointTracker
from vla_core.geometry import apply_delta, delta_between, interpolate_pose
from vla_core.kinematics import Kinematics
from vla_core.spec import RobotSpec
from vla_core.types import ActionChunk

HISTORY = 256  # targets kept, two seconds of them at 120 Hz
SAME_INSTANT_S = 2e-6
IK_TOLERANCE = 1e-4  # [m, rad] above it the inverse takes a second step


@dataclass(frozen=True)
class Target:
    """The set-point of one instant."""

    stamp_ns: int
    pose: np.ndarray  # (7,) base -> tool
    joints: np.ndarray  # (J,) [rad]


class ChunkExecutor:
    """Turns plans into joint set-points, one a control period.

    Row k of a delta chunk builds on the executor's own set-point at the chunk's stamp, kept in a
    short history: not on what was measured, which sags, nor on wishes that the limits kept the
    set-point from. So a chunk that comes late continues where its observation was made and its
    rows already past are skipped. After `hold` that past is forgotten: the next delta chunk
    builds on the set-point of now. When a plan ends, or asks for no motion at all, the arm
    decelerates to rest as fast as it may.
    """

    def __init__(self, spec: RobotSpec, config: ControlConfig, kinematics: Kinematics) -> None:
        self._config = config
        self._kinematics = kinematics
        self._period_ns = round(1e9 / spec.controller.rate_hz)
        self._period_s = spec.controller.period_s
        self._tracker = JointTracker(spec.joints, self._period_s, config.limit_scale)
        self._max_step = spec.joints.velocity * self._period_s  # (J,) [rad]
        self._history: deque[Target] = deque(maxlen=HISTORY)
        self.reset(spec.joints.home, 0)

    def reset(self, q: np.ndarray, stamp_ns: int) -> None:
        """Rest at the joints `q` (J,) and forget all chunks."""
        self._tracker.reset(q)
        self._plan: Plan | None = None
        self._holding = True
        self._history.clear()
        self._aim = self._tracker.position
        self._record(stamp_ns)

    @property
    def running(self) -> bool:
        """Whether a chunk still has rows to play."""
        return self._plan is not None

    @property
    def target(self) -> Target:
        """The latest set-point, valid at the end of the control period last begun."""
        return self._history[-1]

    @property
    def position(self) -> np.ndarray:
        """The set-point (J,) [rad]."""
        return self._tracker.position

    @property
    def velocity(self) -> np.ndarray:
        """The set-point's velocity (J,) [rad/s]."""
        return self._tracker.velocity

    @property
    def acceleration(self) -> np.ndarray:
        """The set-point's acceleration (J,) [rad/s^2]."""
        return self._tracker.acceleration

    def gripper_at(self, now_ns: int) -> float | None:
        """Return the gripper value of the row being played, None when none is."""
        return self._plan.gripper_at(now_ns) if self._plan else None

    def resolve(self, chunk: ActionChunk) -> Plan:
        """Return the plan of `chunk` with the anchor it builds on; finite values assumed."""
        known = self._lookup(chunk.stamp_ns)
        joint = chunk.representation in JOINT
        if known is not None:
            return resolve(chunk, known.joints if joint else known.pose)
        here = self.target.joints if joint else self.target.pose
        plan = resolve(chunk, here)
        if chunk.representation not in DELTA:
            return plan
        moved = plan.displacement(self.target.stamp_ns)
        return resolve(chunk, here - moved if joint else apply_delta(here, -moved))

    def start(self, plan: Plan) -> None:
        """Play `plan` from the latest set-point on, fading out the present motion."""
        pose_rate, joint_rate = self._rates()
        fade_s = plan.step_s * self._config.blend_steps
        target, rate = ((self.target.pose, pose_rate) if plan.cartesian
                        else (self.target.joints, joint_rate))
        self._plan = plan.faded_from(self.target.stamp_ns, target, rate, fade_s)
        self._aim = self.position
        self._holding = False

    def hold(self) -> None:
        """Decelerate to rest and forget the past."""
        if not self._holding:
            latest = self.target
            self._history.clear()
            self._history.append(latest)
        self._plan = None
        self._holding = True

    def step(self, now_ns: int) -> None:
        """Move the set-point to the end of the control period that starts at `now_ns`."""
        end_ns = now_ns + self._period_ns
        if self._plan and seconds_between(self._plan.stamp_ns, end_ns) > self._plan.end_s + 1e-5:
            self._plan = None
        if self._plan is None or self._plan.still:
            self._tracker.brake()
            self._aim = self._tracker.position
            self._record(end_ns)
            return
        joints, reach = self._next_joints(self._plan, end_ns), self._config.max_lead_rad
        self._tracker.follow(joints, self._aim)
        self._aim = self.position + np.clip(joints - self.position, -reach, reach)
        self._record(end_ns)

    def _next_joints(self, plan: Plan, end_ns: int) -> np.ndarray:
        """Return the joints (J,) the plan asks for at `end_ns`."""
        last = self._aim
        wanted = plan.at(end_ns)
        if not plan.cartesian:
            reach = np.clip(wanted, self._kinematics.lower, self._kinematics.upper)
            return last + np.clip(reach - last, -self._max_step, self._max_step)
        joints = self._kinematics.ik_step(last, wanted, self._max_step)
        miss = np.abs(delta_between(self._kinematics.forward(joints), wanted))
        if miss.max() > IK_TOLERANCE:
            left = self._max_step - np.abs(joints - last)
            joints = self._kinematics.ik_step(joints, wanted, np.maximum(left, 1e-9))
        return joints

    def _rates(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the set-point's velocity: (6,) of the tool, (J,) of the joints."""
        return self._kinematics.jacobian(self.position) @ self.velocity, self.velocity

    def _lookup(self, stamp_ns: int) -> Target | None:
        """Return the set-point at `stamp_ns`; later the latest, None before the oldest."""
        after = None
        for target in reversed(self._history):
            age = seconds_between(target.stamp_ns, stamp_ns)
            if abs(age) < SAME_INSTANT_S or (age > 0.0 and after is None):
                return target
            if age > 0.0:
                share = age / seconds_between(target.stamp_ns, after.stamp_ns)
                return Target(stamp_ns, interpolate_pose(target.pose, after.pose, share),
                              target.joints + share * (after.joints - target.joints))
            after = target
        return None

    def _record(self, stamp_ns: int) -> None:
        """Remember the set-point itself: a delta must not build on what the arm never reached."""
        position = self._tracker.position
        self._history.append(Target(stamp_ns, self._kinematics.forward(position), position))
