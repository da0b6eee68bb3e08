"""Small closed-loop motions that every scripted expert is made of.

An expert is a function of the privileged state: it looks where things are *now* and says the
next step, so it recovers from whatever noise or a learner has done.
"""

from dataclasses import dataclass

import numpy as np
from vla_core.geometry import apply_delta, delta_between
from vla_core.types import SimState

OPEN, CLOSED = 1.0, 0.0
STEP_MAX = 0.022  # [m] a policy step at 12 Hz: 0.26 m/s
TURN_MAX = 0.08  # [rad] a policy step
GAIN = 0.45  # of the remaining way a step, near the goal
CRUISE = 0.17  # [m] height for travelling above everything
DOWN = np.array([1.0, 0.0, 0.0, 0.0])  # tool turned to point down, fingers along y


@dataclass(frozen=True)
class Step:
    """What an expert wants next."""

    goal: np.ndarray  # (3,) float64 where the tool should go [m]
    gripper: float  # 0 closed .. 1 open
    progress: float  # 0..1 of the task
    slow: float = 1.0  # factor on the speed
    yaw: float = 0.0  # of the tool about base z, from pointing down with fingers along y [rad]


def action(state: SimState, step: Step) -> np.ndarray:
    """Return the (7,) float64 ee_delta from the *target* pose that makes the step."""
    turn = delta_between(state.tool_target, np.array([*step.goal, *downward(step.yaw)]))
    move = _limited(GAIN * turn[:3], STEP_MAX * step.slow)
    return np.array([*move, *_limited(GAIN * turn[3:], TURN_MAX), step.gripper])


def downward(yaw: float) -> np.ndarray:
    """Return the quaternion xyzw of a tool that points down, turned by `yaw` about base z."""
    return np.array([np.cos(yaw / 2), np.sin(yaw / 2), 0.0, 0.0])


def tool_yaw(pose: np.ndarray) -> float:
    """Return the `yaw` of a (7,) tool pose that points (nearly) down [rad], -pi..pi."""
    return float(np.arctan2(2.0 * (pose[3] * pose[4] + pose[5] * pose[6]),
                            1.0 - 2.0 * (pose[4] ** 2 + pose[5] ** 2)))


def advance(state: SimState, move: np.ndarray) -> np.ndarray:
    """Return the (7,) target pose after an ee_delta."""
    return apply_delta(state.tool_target, move[:6])


def over(goal: np.ndarray, tool: np.ndarray, low: float, funnel: float = 0.012) -> np.ndarray:
    """Return the way to `goal` from above: travel high, sink only when nearly over it.

    The allowed height shrinks with the sideways distance, which makes one smooth path instead
    of separate legs; inside `funnel` [m] the tool goes straight down.
    """
    gap = float(np.hypot(*(goal[:2] - tool[:2])))
    lift = min(max(0.0, (gap - funnel) * 2.2), max(0.0, CRUISE - low))
    return np.array([goal[0], goal[1], max(goal[2], low + lift if gap > funnel else goal[2])])


def _limited(vector: np.ndarray, most: float) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    return vector if length <= most else vector * (most / length)
