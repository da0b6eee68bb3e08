"""Joints against themselves and against the tool: one motion, recorded three times."""

from collections.abc import Iterator
from functools import cache

import numpy as np
from vla_core.episode import Episode, JOINT_POSITION, JOINT_VELOCITY, Stream, TOOL_POSE
from vla_core.geometry import pose_distance, quat_to_matrix
from vla_core.kinematics import Kinematics
from vla_core.spec import load_robot, robot_names, RobotSpec
from vla_recorder.check.findings import Finding, Level
from vla_recorder.check.motion import poses_at
from vla_recorder.check.streams import whole_stream

WINDOW_S = 0.1  # positions are compared over this long, so that their noise does not count
LEAST_TURN = 0.2  # [rad] a joint must have turned in all
LEAST_WINDOWS = 8
SLOPES = (0.3, 3.0)  # change of position by integral of velocity: a sample is no average
EXPLAINED = 0.35  # correlation
LIMIT_MARGIN = 0.05  # [rad]
POSITION_M, ANGLE_RAD = 0.01, np.radians(3.0)
_ROWS = 200  # of an episode that are checked by forward kinematics


def joint_findings(episode: Episode) -> Iterator[Finding]:
    """Yield contradictions of joint positions, velocities, limits and tool poses."""
    position = whole_stream(episode, JOINT_POSITION)
    if position is None:
        return
    velocity = whole_stream(episode, JOINT_VELOCITY, position.values.shape[1])
    if velocity is not None:
        yield from _velocities(episode.episode_id, position, velocity)
    if episode.robot not in robot_names():
        return
    spec, joints = load_robot(episode.robot), position.values.shape[1]
    if joints != len(spec.joints.names):
        yield Finding(Level.ERROR, episode.episode_id, JOINT_POSITION, 'has other joints',
                      f'{joints}', f'{len(spec.joints.names)} of robot {episode.robot}')
        return
    yield from _limits(episode.episode_id, position.values, spec)
    poses = whole_stream(episode, TOOL_POSE, 7)
    if poses is not None:
        yield from _forward(episode, position, poses)


def _velocities(episode: str, position: Stream, velocity: Stream) -> Iterator[Finding]:
    turned, summed = _windows(position, velocity)
    if len(turned) < LEAST_WINDOWS:
        return
    moving = np.abs(turned).sum(axis=0) > LEAST_TURN
    if not moving.any():
        return
    turned, summed = turned[:, moving].ravel(), summed[:, moving].ravel()
    power = float(np.linalg.norm(summed))
    if power == 0.0:
        yield Finding(Level.ERROR, episode, JOINT_VELOCITY, 'is zero while the joints turn',
                      f'{np.abs(turned).sum():.1f} rad of turning', 'its velocity')
        return
    correlation = float(turned @ summed) / (power * float(np.linalg.norm(turned)))
    slope = float(turned @ summed) / power ** 2
    if abs(correlation) < EXPLAINED:
        yield Finding(
            Level.ERROR, episode, JOINT_VELOCITY, 'does not fit joint_position',
            f'correlation {correlation:.2f} with its change', f'{EXPLAINED} or more')
    elif not SLOPES[0] <= slope <= SLOPES[1]:
        yield Finding(
            Level.ERROR, episode, JOINT_VELOCITY, 'has another unit than joint_position',
            f'{1.0 / slope:.3g} times its change{_unit(1.0 / slope)}',
            f'{1 / SLOPES[1]:.1f} to {1 / SLOPES[0]:.1f} times')


def _windows(position: Stream, velocity: Stream) -> tuple[np.ndarray, np.ndarray]:
    """Return what the joints turned and what their velocity sums up to, (M, J) [rad] each."""
    q, v = position.values, velocity.values
    if len(q) < 2 or len(v) < 2:
        return q[:0], q[:0]
    origin = velocity.stamps_ns[0]
    tq, tv = (position.stamps_ns - origin) / 1e9, (velocity.stamps_ns - origin) / 1e9
    area = np.vstack([np.zeros(v.shape[1]), np.cumsum(
        0.5 * (v[1:] + v[:-1]) * np.diff(tv)[:, None], axis=0)])
    stride = max(1, round(WINDOW_S / float(np.median(np.diff(tq)))))
    rows = np.arange(0, len(tq), stride)
    rows = rows[(tq[rows] >= tv[0]) & (tq[rows] <= tv[-1])]
    summed = np.column_stack([np.interp(tq[rows], tv, column) for column in area.T])
    return np.diff(q[rows], axis=0), np.diff(summed, axis=0)


def _limits(episode: str, values: np.ndarray, spec: RobotSpec) -> Iterator[Finding]:
    beyond = np.maximum(spec.joints.lower - values, values - spec.joints.upper).max(axis=0)
    worst = int(beyond.argmax())
    if beyond[worst] > LIMIT_MARGIN:
        yield Finding(
            Level.ERROR, episode, JOINT_POSITION, 'is beyond the joint limits',
            f'{spec.joints.names[worst]} by {beyond[worst]:.2f} rad',
            f'{spec.joints.lower[worst]:.2f} to {spec.joints.upper[worst]:.2f} rad')


def _forward(episode: Episode, position: Stream, poses: Stream) -> Iterator[Finding]:
    rows = np.unique(np.linspace(0, len(position) - 1, min(_ROWS, len(position))).astype(int))
    at = poses_at(poses, position.stamps_ns)[rows]
    rows, at = rows[np.isfinite(at).all(axis=1)], at[np.isfinite(at).all(axis=1)]
    if not len(rows) or (np.linalg.norm(at[:, 3:], axis=1) < 0.5).any():
        return
    kinematics = _kinematics(episode.robot)
    wanted = np.array([kinematics.forward(position.values[row]) for row in rows])
    apart = np.array([pose_distance(a, b) for a, b in zip(wanted, at)])
    far, turned = np.quantile(apart, 0.9, axis=0)
    if far > POSITION_M or turned > ANGLE_RAD:
        yield Finding(
            Level.ERROR, episode.episode_id, TOOL_POSE,
            'does not fit the forward kinematics of joint_position',
            f'{far * 1e3:.0f} mm and {np.degrees(turned):.1f} degrees apart'
            f'{_offset(wanted, at)}',
            f'{POSITION_M * 1e3:.0f} mm and {np.degrees(ANGLE_RAD):.0f} degrees '
            f'(frame {load_robot(episode.robot).tool_frame})')


def _offset(wanted: np.ndarray, got: np.ndarray) -> str:
    """Say so when the difference is one and the same step in tool axes or in base axes."""
    gap = got[:, :3] - wanted[:, :3]
    local = np.array([quat_to_matrix(pose[3:]).T @ step for pose, step in zip(wanted, gap)])
    for frame, steps in (('base', gap), ('tool', local)):
        middle = np.median(steps, axis=0)
        spread = float(np.abs(steps - middle).max())
        if np.linalg.norm(middle) > POSITION_M and spread < 0.3 * np.linalg.norm(middle):
            x, y, z = (f'{1e3 * value:.0f}' for value in middle)
            return f', always by ({x}, {y}, {z}) mm in {frame} axes'
    return ''


def _unit(factor: float) -> str:
    names = {180.0 / np.pi: ' (degrees for rad?)', np.pi / 180.0: ' (positions in degrees?)',
             -1.0: ' (the other sign?)'}
    return next((name for value, name in names.items() if abs(factor / value - 1.0) < 0.4), '')


@cache
def _kinematics(robot: str) -> Kinematics:
    return Kinematics(load_robot(robot))

