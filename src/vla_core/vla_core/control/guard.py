"""The guard: lets a chunk or a set-point pass as it is or rejects it whole; it never clamps.

A rejected chunk costs the arm its motion: it decelerates to hold until the next good one. So the
limits are meant for nonsense, not for style, and carry a physical tolerance: 5 % of speed, 1 cm of
workspace (ControlConfig). A learned policy that aims a little too low is rejected past that, on
purpose. Only rows that could be played before the silence watchdog stops the arm are judged,
and only those are handed on; a wild last row of a long horizon harms nobody.
"""

from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from vla_core.control.config import ControlConfig
from vla_core.control.plan import JOINT, Plan, seconds_between
from vla_core.geometry import delta_between
from vla_core.spec import RobotSpec
from vla_core.types import ACTION_DIM, ActionChunk, JointCommand, Representation

GRIPPER_RANGE = (-0.05, 1.05)
ROUNDING = 1e-6  # share above the joint limits that rounding may take a set-point


@dataclass(frozen=True)
class Rejection:
    """Why a chunk was dropped."""

    reason: str
    non_finite: bool = False


class Guard:
    """Judges chunks against the robot spec; remembers only sequence numbers."""

    def __init__(self, spec: RobotSpec, config: ControlConfig) -> None:
        self._spec = spec
        self._config = config
        self._sequences: dict[str, tuple[str, int]] = {}  # source -> episode, sequence

    def reset(self) -> None:
        """Forget the sequences seen."""
        self._sequences.clear()

    def check(self, chunk: ActionChunk, episode_id: str | None, now_ns: int) -> Rejection | None:
        """Judge what needs no anchor: form, finiteness, age, order, episode (None: any)."""
        problem = self._form(chunk)
        if problem:
            return Rejection(problem)
        if not (np.isfinite(chunk.values).all() and np.isfinite(chunk.progress)):
            return Rejection('non-finite action values', non_finite=True)
        if episode_id is not None and chunk.episode_id != episode_id:
            return Rejection(f'of episode {chunk.episode_id!r}, the running one is {episode_id!r}')
        problem = self._age(chunk, now_ns) or self._order(chunk)
        return Rejection(problem) if problem else None

    def playable(self, chunk: ActionChunk, now_ns: int) -> ActionChunk:
        """Return the chunk cut to the rows that can be played before the watchdog ends it."""
        late_s = seconds_between(chunk.stamp_ns, now_ns)
        rows = ceil((late_s + self._config.max_chunk_silence_s) / chunk.step_s) + 1
        return replace(chunk, values=chunk.values[:max(rows, 1)])

    def check_motion(self, plan: Plan, now_ns: int) -> Rejection | None:
        """Judge the targets that the plan would visit: speed, workspace, limits, gripper."""
        late_s = seconds_between(plan.stamp_ns, now_ns) - plan.end_s
        if late_s >= 0.0:
            return Rejection(f'late: its last row was due {late_s:.3f} s ago')
        low, high = GRIPPER_RANGE
        if not ((plan.gripper >= low) & (plan.gripper <= high)).all():
            return Rejection(f'gripper {_worst(plan.gripper, 0.5):.3g}, allowed {low}..{high}')
        problem = self._tool_motion(plan) if plan.cartesian else self._joint_motion(plan)
        return Rejection(problem) if problem else None

    def accept(self, chunk: ActionChunk) -> None:
        """Remember an accepted chunk's place in its source's sequence."""
        self._sequences[chunk.source] = (chunk.episode_id, chunk.sequence)

    def check_command(self, before: JointCommand, after: JointCommand) -> str | None:
        """Judge two consecutive set-points by value and finite difference; None when within."""
        limits, period = self._spec.joints, self._spec.controller.period_s
        room = 1.0 + ROUNDING
        if not (np.isfinite(after.position).all() and np.isfinite(after.velocity).all()):
            return 'set-point is not finite'
        rate = (after.position - before.position) / period
        gain = (after.velocity - before.velocity) / period
        # an arm that starts beyond a position limit may stand there or come back
        lower = np.minimum(limits.lower, before.position) - ROUNDING
        upper = np.maximum(limits.upper, before.position) + ROUNDING
        checks = (
            ('position', after.position, lower, upper),
            ('velocity', after.velocity, -limits.velocity * room, limits.velocity * room),
            ('position step', rate, -limits.velocity * room, limits.velocity * room),
            ('acceleration', gain, -limits.acceleration * room, limits.acceleration * room))
        for name, value, low, high in checks:
            outside = (value < low) | (value > high)
            if outside.any():
                joint = int(np.argmax(outside))
                return (f'set-point {name} of {limits.names[joint]} {value[joint]:.4g}, '
                        f'allowed {low[joint]:.4g}..{high[joint]:.4g}')
        return None

    def _form(self, chunk: ActionChunk) -> str | None:
        if not isinstance(chunk.representation, Representation):
            return f'unknown representation {chunk.representation!r}'
        joint = chunk.representation in JOINT
        width = len(self._spec.joints.names) + 1 if joint else ACTION_DIM
        shape = np.shape(chunk.values)
        if len(shape) != 2 or shape[0] < 1 or shape[1] != width:
            return f'values of shape {shape}, allowed (1 or more, {width})'
        if not 0.0 < chunk.step_s < 1.0:
            return f'step_s {chunk.step_s}, allowed 0..1 s'
        return None

    def _age(self, chunk: ActionChunk, now_ns: int) -> str | None:
        age, policy = seconds_between(chunk.stamp_ns, now_ns), self._spec.policy
        if age > policy.max_observation_age_s:
            return f'observation is {age:.3f} s old, allowed {policy.max_observation_age_s} s'
        if age < -policy.max_future_s:
            return f'stamp is {-age:.3f} s in the future, allowed {policy.max_future_s} s'
        return None

    def _order(self, chunk: ActionChunk) -> str | None:
        episode, last = self._sequences.get(chunk.source, ('', -1))
        if episode == chunk.episode_id and chunk.sequence <= last:
            return f'sequence {chunk.sequence} after {last}'
        return None

    def _tool_motion(self, plan: Plan) -> str | None:
        policy, room = self._spec.policy, 1.0 + self._config.tolerance
        poses = np.vstack([plan.anchor, plan.targets()])
        for row in range(len(poses) - 1):
            delta = delta_between(poses[row], poses[row + 1])
            speed = float(np.linalg.norm(delta[:3])) / plan.step_s
            turn = float(np.linalg.norm(delta[3:])) / plan.step_s
            if speed > policy.tool_speed_max * room:
                return f'row {row}: tool at {speed:.3g} m/s, allowed {policy.tool_speed_max}'
            if turn > policy.tool_turn_max * room:
                return f'row {row}: tool turns {turn:.3g} rad/s, allowed {policy.tool_turn_max}'
        return self._workspace(poses[1:, :3])

    def _workspace(self, points: np.ndarray) -> str | None:
        policy, room = self._spec.policy, self._config.workspace_tolerance_m
        outside = ((points < policy.workspace_lower - room)
                   | (points > policy.workspace_upper + room))
        if not outside.any():
            return None
        row, axis = np.argwhere(outside)[0]
        return (f'row {row}: tool {"xyz"[axis]} {points[row, axis]:.3f} m, allowed '
                f'{policy.workspace_lower[axis]}..{policy.workspace_upper[axis]}')

    def _joint_motion(self, plan: Plan) -> str | None:
        limits = self._spec.joints
        joints = np.vstack([plan.anchor, plan.targets()])
        speed = np.abs(np.diff(joints, axis=0)) / plan.step_s
        too_far = (joints[1:] < limits.lower) | (joints[1:] > limits.upper)
        too_fast = speed > limits.velocity * (1.0 + self._config.tolerance)
        for unit, value, outside in (('rad', joints[1:], too_far), ('rad/s', speed, too_fast)):
            if outside.any():
                row, joint = np.argwhere(outside)[0]
                return (f'row {row}: {limits.names[joint]} at {value[row, joint]:.3g} {unit}, '
                        'outside its limits')
        return None


def _worst(values: np.ndarray, centre: float) -> float:
    return float(values[np.argmax(np.abs(values - centre))])
