"""Joint set-points that follow a moving target within q, dq, ddq and dddq, by Ruckig.

Each period is planned in the frame that moves with the target at its mean velocity. There the
target rests at the origin, so Ruckig's time-optimal motion to rest meets it exactly and without
overshoot whether the set-point is on it (then it stays) or far off (then it comes at full
acceleration). The velocity limit shrinks towards the joint limits such that half of the
acceleration suffices to stop before them. (Berscheid & Kroeger, RSS 2021)
"""

import numpy as np
from ruckig import (
    ControlInterface,
    InputParameter,
    Result,
    Ruckig,
    Synchronization,
    Trajectory,
)
from vla_core.spec import JointLimits

BRAKE_SHARE = 0.5  # of the acceleration limit, kept for stopping before a joint limit
LIMIT_ROOM = 0.01  # [rad] where the velocity towards a joint limit reaches zero
CREEP = 1e-3  # [rad/s] Ruckig needs a positive velocity limit
AT_REST = 1e-6  # [rad/s] what rounding leaves of a velocity
FRAME_SHARE = 0.9  # of the velocity limit; the rest is for catching up


class JointTracker:
    """The set-point's state and how it moves in one control period."""

    def __init__(self, limits: JointLimits, period_s: float, scale: float) -> None:
        joints = len(limits.names)
        self._period_s = period_s
        self._lower = limits.lower + LIMIT_ROOM
        self._upper = limits.upper - LIMIT_ROOM
        self._speed = limits.velocity * scale
        self._brake = 2.0 * BRAKE_SHARE * scale * limits.acceleration
        self._ruckig = Ruckig(joints, period_s)
        self._trajectory = Trajectory(joints)
        self._input = InputParameter(joints)
        self._input.max_acceleration = (limits.acceleration * scale).tolist()
        self._input.max_jerk = (limits.jerk * scale).tolist()
        self._input.synchronization = Synchronization.No
        self._zero = [0.0] * joints
        self.reset(limits.home)

    def reset(self, q: np.ndarray) -> None:
        """Rest at the joints `q` (J,)."""
        self.position = np.array(q, dtype=np.float64)  # (J,) [rad]
        self.velocity = np.zeros(len(q))  # (J,) [rad/s]
        self.acceleration = np.zeros(len(q))  # (J,) [rad/s^2]

    def follow(self, target: np.ndarray, previous: np.ndarray) -> None:
        """Move one period towards a target that goes from `previous` to `target`, both (J,)."""
        least, most = self._velocity_limits()
        frame = np.clip((target - previous) / self._period_s,
                        FRAME_SHARE * least, FRAME_SHARE * most)  # (J,) [rad/s]
        start = target - frame * self._period_s
        self._input.control_interface = ControlInterface.Position
        self._input.max_velocity = (most - frame).tolist()
        self._input.min_velocity = (least - frame).tolist()
        if not self._advance(self.position - start, self.velocity - frame, target, frame):
            self.brake()

    def brake(self) -> None:
        """Move one period towards rest, every joint as fast as it can; at rest stay put."""
        if not (self.velocity.any() or self.acceleration.any()):
            return
        self._input.control_interface = ControlInterface.Velocity
        if not self._advance(np.zeros_like(self.position), self.velocity, self.position,
                             np.zeros_like(self.position)):
            raise ArithmeticError(f'Ruckig found no way to stop from {self.velocity.tolist()}')
        if np.abs(self.velocity).max() < AT_REST:
            self.reset(self.position)

    def _advance(
        self, offset: np.ndarray, rate: np.ndarray, origin: np.ndarray, frame: np.ndarray
    ) -> bool:
        """Go to rest in the frame whose origin ends at `origin`; False where Ruckig cannot."""
        self._input.current_position = offset.tolist()
        self._input.current_velocity = rate.tolist()
        self._input.current_acceleration = self.acceleration.tolist()
        self._input.target_position = self._zero
        self._input.target_velocity = self._zero
        self._input.target_acceleration = self._zero
        result = self._ruckig.calculate(self._input, self._trajectory)
        if result not in (Result.Working, Result.Finished):
            return False
        position, velocity, acceleration = self._trajectory.at_time(self._period_s)
        self.position = origin + np.array(position)
        self.velocity = frame + np.array(velocity)
        self.acceleration = np.array(acceleration)
        return True

    def _velocity_limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Return least and greatest velocity (J,) [rad/s] from which each joint can still stop."""
        below = np.sqrt(np.maximum(self._brake * (self.position - self._lower), CREEP ** 2))
        above = np.sqrt(np.maximum(self._brake * (self._upper - self.position), CREEP ** 2))
        return -np.minimum(self._speed, below), np.minimum(self._speed, above)
