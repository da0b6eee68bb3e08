"""A leader arm (GELLO and its like) as a device: the arm goes where its joints are."""

from collections.abc import Sequence

import numpy as np
from vla_control.teleop.config import TeleopConfig
from vla_control.teleop.signals import JointGoal, Signal
from vla_core.errors import InvalidDataError

_CLOSED, _OPENED = 0.4, 0.6  # of the leader's grip, 0 closed .. 1 open


class LeaderArm:
    """Implements Device with JointState; a joint named `gripper` opens and closes (1 is open)."""

    def __init__(self, joints: Sequence[str], config: TeleopConfig) -> None:
        self._names, self._config = tuple(joints), config
        self._heard_s = -np.inf
        self._goal: np.ndarray | None = None
        self._grip: float | None = None  # the goal said last
        self._news: float | None = None

    def on_joints(self, names: Sequence[str], position: np.ndarray, now_s: float) -> None:
        """Take positions [rad] by name; raise InvalidDataError where a joint is missing."""
        where = {name: k for k, name in enumerate(names)}
        missing = [name for name in self._names if name not in where]
        if missing or len(position) != len(where):
            raise InvalidDataError(
                f'leader arm: got joints {list(names)} and {len(position)} positions, allowed '
                f'{", ".join(self._names)} and perhaps gripper, one position a name')
        if not np.isfinite(position).all():
            raise InvalidDataError(f'leader arm: got {position.tolist()}, allowed finite numbers')
        self._goal = np.array([position[where[name]] for name in self._names])
        self._heard_s = now_s
        if 'gripper' in where:
            self._hear_grip(float(position[where['gripper']]))

    def read(self, now_s: float) -> Signal | None:
        """Return where the leader is."""
        if now_s - self._heard_s > self._config.silence_s:
            return None
        news, self._news = self._news, None
        return Signal(JointGoal(self._goal), news)

    def _hear_grip(self, opening: float) -> None:
        goal = 0.0 if opening < _CLOSED else 1.0 if opening > _OPENED else self._grip
        if goal != self._grip:
            self._grip = self._news = goal
