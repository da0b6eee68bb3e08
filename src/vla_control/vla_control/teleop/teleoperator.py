"""From a device's signals to action chunks of the source `teleop/<device>`.

Deflections become deltas, which build on the arm's own set-point; hand poses and leader arms are
goals, to which a target of our own goes within the speed limits, from where the arm is. Whoever
has moved the arm keeps it, at rest while nothing is wanted, until the person hands it back; a
device that is gone makes one last chunk that stops, and then none.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from vla_control.teleop.config import TeleopConfig
from vla_control.teleop.signals import Displacement, Jog, JointGoal, Motion, Signal, Twist
from vla_core.geometry import (
    apply_delta,
    delta_between,
    pose_distance,
    quat_to_rotvec,
    rotate,
)
from vla_core.spec import RobotSpec
from vla_core.types import ActionChunk, Representation, TELEOP

_ORIGIN = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
_SAME = 0.5  # as a gripper value: leave it as it is (GripperGate)
_SPEED_STEP, _SPEED_MIN = 1.25, 0.05
_FAR_M, _FAR_RAD = 0.05, 0.4  # farther off, the arm does not follow: it cannot get there
_SOFT_S = 0.5  # a target of our own reaches its speed within
_NEAR_RAD = 0.05  # a leader arm that near has been reached
_FOLLOW = 0.8  # share of the joints' speed limits at which it is followed then
_MARGIN_ROWS = 2  # the arm has gone on by as much while its joints were reported
_INSIDE_M = 0.005  # targets stay so far inside the workspace


@dataclass(frozen=True)
class ArmNow:
    """Where the arm is."""

    stamp_ns: int
    joints: np.ndarray  # (J,) [rad]
    tool: np.ndarray  # (7,) base -> tool


@dataclass(frozen=True)
class Steering:
    """How deflections are read."""

    speed: float  # share of full speed
    tool_frame: bool = False  # deflections are along the tool's axes, else the base's
    joints: bool = False  # deflections move single joints


class Teleoperator:
    """Keeps what lasts between two readings of a device."""

    def __init__(self, device: str, spec: RobotSpec, config: TeleopConfig) -> None:
        self.source = f'{TELEOP}/{device}'
        self.steering = Steering(config.speed)
        self.engaged = False  # the person has the arm
        self._spec, self._config = spec, config
        self._step_s = 1.0 / config.rate_hz
        self._rows = ceil(config.horizon_s / self._step_s)
        self._sequence = -1
        self._silent = True
        self._gripper: float | None = None
        self._held = False  # something is deflected
        self._spent = False  # what is held down since the arm was handed back does not take it
        self._hold = -1  # number of the hold that leads
        self._anchor: tuple[np.ndarray, np.ndarray] | None = None  # tool (7,), hand (7,) at once
        self._pose: np.ndarray | None = None  # our target while a hand leads (7,)
        self._joints: np.ndarray | None = None  # our target while a leader arm leads (J,)
        self._caught = False  # the leader arm has been reached
        self._led = 0  # chunks since a target of our own set out

    def hear(self, word: str) -> None:
        """Take a word of STEERING; others say nothing to it."""
        now = self.steering
        if word == 'take':
            self.engaged = True
        elif word == 'hand_back':
            self.engaged, self._spent, self._gripper = False, self._held, None
            self.lose()
        elif word == 'renew':  # another scene: the gripper of the last one is none of it
            self._gripper = None
            self.lose()
        elif word in ('faster', 'slower'):
            factor = _SPEED_STEP if word == 'faster' else 1.0 / _SPEED_STEP
            speed = min(max(now.speed * factor, _SPEED_MIN), 1.0)
            self.steering = Steering(speed, now.tool_frame, now.joints)
        elif word == 'frame':
            self.steering = Steering(now.speed, not now.tool_frame, now.joints)
        elif word == 'mode':
            self.steering = Steering(now.speed, now.tool_frame, not now.joints)

    def lose(self) -> None:
        """Forget own targets, as the arm is not where they led it: begin where it is."""
        self._anchor = self._pose = self._joints = None
        self._caught, self._led = False, 0

    def claim(self, arm: ArmNow) -> ActionChunk | None:
        """Return a chunk that keeps the arm at rest for a person whose device is gone.

        A control node that was started again does not know who had taken the arm.
        """
        return self._chunk(arm, *self._rest(), '', '') if self.engaged and self._silent else None

    def answer(
        self, signal: Signal | None, arm: ArmNow, episode_id: str = '', subtask_id: str = '',
    ) -> ActionChunk | None:
        """Return what the arm is to do about a signal; None: nothing is sent."""
        if signal is None:
            was_silent, self._silent = self._silent, True
            self.lose()
            return None if was_silent or not self.engaged else self._chunk(
                arm, *self._rest(), episode_id, subtask_id)
        self._silent = False
        if signal.gripper is not None:
            self._gripper = signal.gripper
        leads = isinstance(signal.motion, JointGoal)  # always says something: it must be told to
        self._held = signal.motion is not None and not leads
        self._spent = self._spent and self._held
        if (self._held and not self._spent) or signal.gripper is not None:
            self.engaged, self._spent = True, False
        if not self.engaged:
            return None
        if not isinstance(signal.motion, Displacement | JointGoal):
            self.lose()
        rows = self._rest() if signal.motion is None else self._move(signal.motion, arm)
        return self._chunk(arm, *rows, episode_id, subtask_id)

    def _move(self, motion: Motion, arm: ArmNow) -> tuple[Representation, np.ndarray]:
        """Return how the rows are to be read, and the rows without the gripper."""
        self._led += 1
        if isinstance(motion, Displacement):
            return Representation.EE_ABSOLUTE, self._follow_hand(motion, arm)
        if isinstance(motion, JointGoal):
            return Representation.JOINT_ABSOLUTE, self._follow_leader(motion.joints, arm)
        speed = self.steering.speed * self._step_s
        if isinstance(motion, Jog) or self.steering.joints:
            return Representation.JOINT_DELTA, self._repeat(
                self._jog(motion) * self._config.joint_rad_s * speed)
        linear, turn = motion.axes[:3], motion.axes[3:]
        if self.steering.tool_frame:
            linear, turn = rotate(arm.tool[3:], linear), rotate(arm.tool[3:], turn)
        linear = self._stop_at_edges(arm, linear * self._config.linear_m_s * speed)
        return Representation.EE_DELTA, self._repeat(
            np.concatenate([linear, turn * self._config.turn_rad_s * speed]))

    def _stop_at_edges(self, arm: ArmNow, step: np.ndarray) -> np.ndarray:
        """Return a row's translation (3,) without what would leave the workspace.

        The guard would reject the whole chunk; so the tool slides along the edge.
        """
        policy, end = self._spec.policy, arm.tool[:3] + step * (self._rows + _MARGIN_ROWS)
        outwards = ((end < policy.workspace_lower) & (step < 0.0)) | (
            (end > policy.workspace_upper) & (step > 0.0))
        return np.where(outwards, 0.0, step)

    def _jog(self, motion: Jog | Twist) -> np.ndarray:
        if isinstance(motion, Jog):
            return motion.joints
        joints = np.zeros(len(self._spec.joints.names))
        joints[:6] = motion.axes[:len(joints)]
        return joints

    def _follow_hand(self, motion: Displacement, arm: ArmNow) -> np.ndarray:
        hand = apply_delta(_ORIGIN, motion.delta)
        if self._hold != motion.hold:
            self._hold, self._anchor, self._pose = motion.hold, (arm.tool, _ORIGIN), None
        elif self._anchor is None:
            self._anchor = (arm.tool, hand)
        if self._pose is None or pose_distance(self._pose, arm.tool)[0] > _FAR_M:
            self._pose, self._led = arm.tool, 1
        scale = np.array([self.steering.speed] * 3 + [1.0] * 3)  # turns are followed one to one
        goal = apply_delta(self._anchor[0], delta_between(self._anchor[1], hand) * scale)
        policy = self._spec.policy
        goal[:3] = np.clip(goal[:3], policy.workspace_lower + _INSIDE_M,
                           policy.workspace_upper - _INSIDE_M)
        poses = [self._pose]
        for _ in range(self._rows):
            poses.append(apply_delta(poses[-1], self._limited(delta_between(poses[-1], goal))))
        self._pose = poses[1]
        return np.array([np.concatenate([p[:3], quat_to_rotvec(p[3:])]) for p in poses[1:]])

    def _limited(self, delta: np.ndarray) -> np.ndarray:
        """Return the (6,) delta shortened to what is allowed in one row."""
        most = np.array([self._config.linear_m_s, self._config.turn_rad_s]) * self._reach_s
        length = np.array([np.linalg.norm(delta[:3]), np.linalg.norm(delta[3:])])
        share = np.minimum(1.0, most / np.maximum(length, 1e-12))
        return delta * np.repeat(share, 3)

    def _follow_leader(self, goal: np.ndarray, arm: ArmNow) -> np.ndarray:
        """Ramp to where the leader arm is, then follow it."""
        if self._joints is None or np.abs(self._joints - arm.joints).max() > _FAR_RAD:
            self._joints, self._caught, self._led = arm.joints, False, 1
        self._caught = self._caught or bool(np.abs(goal - self._joints).max() < _NEAR_RAD)
        limits = self._spec.joints.velocity * _FOLLOW
        speed = limits if self._caught else np.minimum(limits, self._config.joint_rad_s)
        rows = [self._joints]
        for _ in range(self._rows):
            step = np.clip(goal - rows[-1], -speed * self._reach_s, speed * self._reach_s)
            rows.append(rows[-1] + step)
        self._joints = rows[1]
        return np.array(rows[1:])

    @property
    def _reach_s(self) -> float:
        """Time's worth of full speed by which our own target may move in one row."""
        return self._step_s * min(1.0, self._led * self._step_s / _SOFT_S)

    def _repeat(self, row: np.ndarray) -> np.ndarray:
        return np.tile(row, (self._rows, 1))

    def _rest(self) -> tuple[Representation, np.ndarray]:
        return Representation.EE_DELTA, np.zeros((self._rows, 6))

    def _chunk(
        self, arm: ArmNow, representation: Representation, rows: np.ndarray,
        episode_id: str, subtask_id: str,
    ) -> ActionChunk:
        # Numbered by the clock, so that a device that was started again is not taken for old.
        self._sequence = max(self._sequence + 1, arm.stamp_ns // 1000)
        gripper = _SAME if self._gripper is None else self._gripper
        values = np.column_stack([rows, np.full(len(rows), gripper)]).astype(np.float32)
        return ActionChunk(
            stamp_ns=arm.stamp_ns, sequence=self._sequence, episode_id=episode_id,
            subtask_id=subtask_id, source=self.source, representation=representation,
            step_s=self._step_s, values=values, progress=0.0)
