"""A pose in somebody's hand, phone or VR controller, as a device: it moves the arm while held.

It has to go on saying that it is held: one word that is lost must not keep the arm moving.
What counts is how far the hand has moved since it took hold, so it need not be where the tool
is, and it can let go, reach back and take hold again.
"""

import numpy as np
from vla_control.teleop.config import TeleopConfig
from vla_control.teleop.signals import Displacement, Signal
from vla_core.errors import InvalidDataError
from vla_core.geometry import delta_between, quat_normalize

_UNIT = 0.1  # a quaternion's length may be off by so much


class HandPose:
    """Implements Device with PoseStamped in axes parallel to the arm's base (REP-103)."""

    def __init__(self, config: TeleopConfig) -> None:
        self._config = config
        self._heard_s = -np.inf
        self._pose: np.ndarray | None = None
        self._start: np.ndarray | None = None  # where it took hold; None while it does not hold
        self._hold = 0
        self._held_s = -np.inf  # when it said last that it holds [s]

    def on_pose(self, pose: np.ndarray, now_s: float) -> None:
        """Take a pose (7,) xyz [m] and quaternion xyzw."""
        length = float(np.linalg.norm(pose[3:]))
        if not np.isfinite(pose).all() or abs(length - 1.0) > _UNIT:
            raise InvalidDataError(
                f'pose: got {pose.tolist()}, allowed finite numbers and a unit quaternion')
        if now_s - self._heard_s > self._config.silence_s:
            self._start = None  # it may have been moved meanwhile: take hold anew
        self._pose = np.concatenate([pose[:3], quat_normalize(pose[3:])])
        self._heard_s = now_s
        if not self._holds(now_s):
            self._start = None
        elif self._start is None:
            self._start, self._hold = self._pose, self._hold + 1

    def on_hold(self, held: bool, now_s: float) -> None:
        """Take whether the hand holds on, which it must go on saying."""
        if not held or not self._holds(now_s):
            self._start = None
        self._held_s = now_s if held else -np.inf

    def _holds(self, now_s: float) -> bool:
        return now_s - self._held_s <= self._config.silence_s

    def read(self, now_s: float) -> Signal | None:
        """Return how far the hand has come."""
        if now_s - self._heard_s > self._config.silence_s:
            return None
        if self._start is None or not self._holds(now_s):
            return Signal(None)
        return Signal(Displacement(self._hold, delta_between(self._start, self._pose)))
