"""The gripper gate: one goal on change, with hysteresis, because grippers are not servos."""

from vla_core.control.config import ControlConfig

CLOSED = 0.0
OPEN = 1.0


class GripperGate:
    """Turns the stream of gripper values of the rows played into rare goals."""

    def __init__(self, config: ControlConfig) -> None:
        self._close_below = config.gripper_close_below
        self._open_above = config.gripper_open_above
        self._goal: float | None = None

    def reset(self) -> None:
        """Forget the goal, so that the next decided value is sent."""
        self._goal = None

    def update(self, value: float | None) -> float | None:
        """Return a new goal, 0 closed or 1 open, or None; `value` None: no row is played."""
        if value is None or self._close_below <= value <= self._open_above:
            return None
        goal = CLOSED if value < self._close_below else OPEN
        if goal == self._goal:
            return None
        self._goal = goal
        return goal
