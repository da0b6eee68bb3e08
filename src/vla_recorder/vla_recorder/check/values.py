"""Numbers and texts of an episode: finite, plausible, not stuck, and saying something."""

from collections.abc import Iterator

import numpy as np
from vla_core.episode import (
    ACTION,
    ACTION_PROPOSED,
    ACTION_TELEOP,
    Episode,
    GRIPPER,
    JOINT_POSITION,
    JOINT_VELOCITY,
    PROGRESS,
    Stream,
    TOOL_POSE,
    WRENCH,
)
from vla_recorder.check.findings import Finding, Level
from vla_recorder.check.streams import whole_series, whole_stream
from vla_recorder.table import is_picture

UNKNOWN_IS_NAN = (
    ACTION_PROPOSED, ACTION_TELEOP, PROGRESS, JOINT_VELOCITY, 'observation/age_s/')
STUCK = (JOINT_POSITION, JOINT_VELOCITY, TOOL_POSE, WRENCH)  # never one value all along
STUCK_ROWS = 15
UNIT = 1e-3  # a quaternion's length may differ from 1
REACH_M = 3.0  # of a tool from its base
JUMP_M_S = 5.0  # tool speed no arm of this size reaches
FULL_TURN = 2.0 * np.pi + 0.1  # [rad]
_LEAST_SWING = 0.3  # of a gripper that opened or closed
_LAG_ROWS = 12


def value_findings(episode: Episode) -> Iterator[Finding]:
    """Yield what is wrong with the numbers and texts of an episode."""
    for name, stream in sorted(episode.streams.items()):
        if len(stream) and not is_picture(name):
            yield from _numbers(episode.episode_id, name, np.asarray(stream.values[:]))
    yield from _pose(episode)
    yield from _gripper(episode)
    yield from _texts(episode)


def _numbers(episode: str, name: str, values: np.ndarray) -> Iterator[Finding]:
    if values.dtype.kind == 'f':
        unknown = name.startswith(UNKNOWN_IS_NAN)
        bad = np.isinf(values) if unknown else ~np.isfinite(values)
        rows = int(bad.reshape(len(bad), -1).any(axis=1).sum())
        if rows:
            yield Finding(Level.ERROR, episode, name, 'is not finite',
                          f'NaN or infinite in {rows} of {len(values)} rows', 'finite numbers')
            return
        if unknown and np.isnan(values).all():
            if name == JOINT_VELOCITY:
                yield Finding(Level.WARNING, episode, name, 'is unknown', 'NaN in every row',
                              'measured velocities')
            return
    if name in STUCK and len(values) >= STUCK_ROWS and values.size and (values == values[0]).all():
        yield Finding(Level.WARNING, episode, name, 'never changes',
                      f'one value in {len(values)} rows', 'a live sensor')
    if name == JOINT_POSITION and values.size and np.abs(values.astype(float)).max() > FULL_TURN:
        yield Finding(Level.ERROR, episode, name, 'is beyond a full turn (degrees for rad?)',
                      f'{np.abs(values).max():.1f}', f'{FULL_TURN:.2f} rad or less')


def _pose(episode: Episode) -> Iterator[Finding]:
    stream, name = whole_stream(episode, TOOL_POSE, 7), episode.episode_id
    if stream is None:
        return
    poses = stream.values
    length = np.linalg.norm(poses[:, 3:], axis=1)
    off = np.abs(length - 1.0)
    if off.max() > UNIT:
        yield Finding(Level.ERROR, name, TOOL_POSE, 'has quaternions that are not unit',
                      f'length {length[off.argmax()]:.4f} in row {off.argmax()}', f'1 +- {UNIT}')
    far = float(np.linalg.norm(poses[:, :3], axis=1).max())
    if far > REACH_M:
        yield Finding(Level.ERROR, name, TOOL_POSE, 'is out of any reach (mm for m?)',
                      f'{far:.1f} m from the base', f'{REACH_M} m or less')
    elif len(poses) > 1:
        yield from _jumps(name, stream, poses)


def _jumps(episode: str, stream: Stream, poses: np.ndarray) -> Iterator[Finding]:
    speed = np.linalg.norm(np.diff(poses[:, :3], axis=0), axis=1) / (
        np.diff(stream.stamps_ns) / 1e9)
    if speed.max() > JUMP_M_S:
        yield Finding(Level.ERROR, episode, TOOL_POSE, 'jumps',
                      f'{speed.max():.1f} m/s after row {speed.argmax()}',
                      f'{JUMP_M_S} m/s or less')


def _gripper(episode: Episode) -> Iterator[Finding]:
    action, state = whole_stream(episode, ACTION, 7), whole_series(episode, GRIPPER)
    name = episode.episode_id
    goal = None if action is None else Stream(action.stamps_ns, action.values[:, 6])
    for what, stream in ((f'{ACTION} gripper', goal), (GRIPPER, state)):
        low, high = _range(stream)
        if low < -0.05 or high > 1.05:
            yield Finding(Level.ERROR, name, what, 'is out of range', f'{low:.2f} to {high:.2f}',
                          '0 closed to 1 open')
    if goal is None or state is None:
        return
    spread = [np.subtract(*_range(s)[::-1]) for s in (goal, state)]
    if spread[0] > 0.9 and 0.0 < spread[1] < 0.15 and _range(state)[1] < 0.15:
        yield Finding(Level.ERROR, name, GRIPPER, 'looks like metres',
                      f'at most {_range(state)[1]:.3f} while it opens and closes',
                      '0 closed to 1 open')
    elif min(spread) > _LEAST_SWING and (follows := _following(goal, state)) < -0.5:
        yield Finding(Level.ERROR, name, f'{ACTION} gripper', 'has the other sign',
                      f'correlation {follows:.2f} with the measured opening',
                      '0 closed to 1 open in both')


def _following(goal: Stream, state: Stream) -> float:
    """Return the strongest correlation of the opening with the goal some rows before."""
    times = (goal.stamps_ns - goal.stamps_ns[0]) / 1e9
    opening = np.interp(times, (state.stamps_ns - goal.stamps_ns[0]) / 1e9, state.values)
    found = [0.0]
    for lag in range(min(_LAG_ROWS, len(goal) // 3)):
        early, late = goal.values[:len(goal) - lag], opening[lag:]
        if early.std() > 1e-6 and late.std() > 1e-6:
            found.append(float(np.corrcoef(early, late)[0, 1]))
    return max(found, key=abs)


def _texts(episode: Episode) -> Iterator[Finding]:
    name = episode.episode_id
    if not episode.instruction.strip():
        yield Finding(Level.WARNING, name, 'instruction', 'is empty', 'no words', 'a sentence')
    for span in episode.subtasks:
        if not span.text.strip():
            yield Finding(Level.WARNING, name, 'subtask', 'is empty', 'no words', 'a sentence')
        if span.end_ns < episode.start_ns or span.start_ns > episode.end_ns:
            yield Finding(
                Level.WARNING, name, 'subtask', 'lies outside of the episode',
                f'{span.text!r} at {(span.start_ns - episode.start_ns) / 1e9:.1f} s',
                f'0 to {(episode.end_ns - episode.start_ns) / 1e9:.1f} s')


def _range(stream: Stream | None) -> tuple[float, float]:
    if stream is None or not len(stream):
        return 0.0, 0.0
    return float(np.min(stream.values)), float(np.max(stream.values))

