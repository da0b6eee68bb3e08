"""Does the recorded action explain the motion that followed, and by which mistake if not?

`ee_delta` says: from one row to the next the tool moves by the action, in base axes, m and rad,
a little later than asked. What is looked for: units (mm, degrees, a rate for a step), tool axes
or a turned base, swapped axes, signs, absolute poses, and rows that are shifted in time.
A lag alone cannot be told from a slow arm: only motion that comes before its action, or an
action that does not fit `action/proposed`, says that rows are shifted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from vla_core.episode import ACTION, ACTION_PROPOSED, Episode, Stream, TOOL_POSE
from vla_core.geometry import delta_between, interpolate_pose, quat_to_matrix
from vla_core.spec import StreamSpec
from vla_core.timeline import align
from vla_recorder.check.explain import (
    ALL,
    ENOUGH,
    EPISODE,
    EPISODE_TURNS,
    explain,
    Explanation,
    IDENTITY,
    plain_curve,
)
from vla_recorder.check.findings import Finding, Level, WHOLE
from vla_recorder.check.moments import LAGS, Moments, moments
from vla_recorder.check.reading import say_factor, say_reading
from vla_recorder.check.streams import known_rows, whole_stream

BLOCKS = {'translation': slice(0, 3), 'rotation': slice(3, 6)}
LEAST_ROWS = 15
LEAST_PATH = {'translation': 0.05, 'rotation': 0.5}  # [m], [rad] below it nothing is judged
UNEXPLAINED = 0.35  # correlation below which the action has nothing to do with the motion
BELIEVED = {'translation': 0.6, 'rotation': 0.75}  # correlation from which an episode is judged
BELIEVED_ALL = {'translation': 0.5, 'rotation': 0.25}
SCALES = {'translation': (0.4, 2.5), 'rotation': (0.2, 5.0)}  # motion of action
EARLY_ROWS = -0.35
LATE_ROWS, LATE_S = 4.0, 0.4
SHIFT_GAIN = 0.015  # correlation that another row of action/proposed must gain
CONTROL_MODE = 'control/mode'  # only a live recording has it
_DOUBTS = {'translation': EPISODE, 'rotation': EPISODE_TURNS}
_ALIGN_S = 0.2


@dataclass(frozen=True)
class Motion:
    """The relation of action and motion in one episode, and what was found of it."""

    sums: Mapping[str, Moments]  # of BLOCKS; only of an episode that fits the contract
    lag_rows: float | None  # of translation, where it can be told
    findings: tuple[Finding, ...]


def judge_motion(episode: Episode) -> Motion:
    """Hold the action of one episode against its motion."""
    action, poses = known_rows(episode, ACTION, 7), whole_stream(episode, TOOL_POSE, 7)
    if action is None or len(action) < LEAST_ROWS or not _usable(poses):
        return Motion({}, None, ())
    at = poses_at(poses, action.stamps_ns)
    if _is_absolute(action.values, at):
        return Motion({}, None, (Finding(
            Level.ERROR, episode.episode_id, ACTION, 'holds poses, not steps',
            'positions within 5 cm of the tool', 'ee_delta: the step from one row to the next'),))
    sums = _sums(action, at)
    found = [_explained(sums[block], block) for block in BLOCKS]
    findings = [line for block, reading in zip(BLOCKS, found)
                for line in _findings(episode.episode_id, block, sums[block], reading,
                                      BELIEVED[block])]
    if not findings:
        findings = list(_shifted(episode))
    lag = found[0].lag if found[0] and found[0].is_plain else None
    return Motion({} if findings else sums, lag, tuple(findings))


def judge_all(sums: Mapping[str, Moments]) -> Iterator[Finding]:
    """Judge the sums over all episodes, where small angles and weak axes add up."""
    for block in sums:
        doubt = _DOUBTS[block] if sums[block].rows < ENOUGH or block == 'rotation' else ALL
        reading = explain(sums[block], doubt)
        yield from _findings(WHOLE, block, sums[block], reading, BELIEVED_ALL[block])


def poses_at(poses: Stream, stamps_ns: np.ndarray) -> np.ndarray:
    """Return the tool's poses (N, 7) at the stamps, NaN where there is none nearby."""
    if np.array_equal(poses.stamps_ns, stamps_ns):
        return np.asarray(poses.values)
    inside = np.clip(stamps_ns, poses.stamps_ns[0], poses.stamps_ns[-1])
    aligned = align(inside, poses, StreamSpec('interpolate', np.inf), TOOL_POSE, interpolate_pose)
    near = (aligned.age_s <= _ALIGN_S) & (np.abs(inside - stamps_ns) <= _ALIGN_S * 1e9)
    return np.where(near[:, None], aligned.values, np.nan)


def step_motion(poses: np.ndarray) -> np.ndarray:
    """Return the motion (N - 1, 6) [m, rad] between neighbouring poses (N, 7), in base axes."""
    return np.array([delta_between(a, b) for a, b in zip(poses[:-1], poses[1:])]).reshape(-1, 6)


def _sums(action: Stream, poses: np.ndarray) -> dict[str, Moments]:
    asked, motion = action.values[:-1, :6], step_motion(poses)
    motion = np.where(np.isfinite(motion), motion, 0.0)
    turns = np.array([quat_to_matrix(pose[3:]) for pose in poses[:-1]])
    turns = np.where(np.isfinite(turns), turns, IDENTITY)
    step_s = float(np.median(np.diff(action.stamps_ns))) / 1e9
    return {block: moments(motion[:, part], asked[:, part], turns, step_s)
            for block, part in BLOCKS.items()}


def _explained(sums: Moments, block: str) -> Explanation | None:
    if sums.path < LEAST_PATH[block]:
        return None
    return explain(sums, _DOUBTS[block])


def _findings(
    episode: str, block: str, sums: Moments, found: Explanation | None, believed: float,
) -> Iterator[Finding]:
    def error(what: str, got: str, allowed: str) -> Finding:
        return Finding(Level.ERROR, episode, ACTION, f'{block} {what}', got, allowed)

    if found is None:
        if block == 'translation' and sums.path >= LEAST_PATH[block] and not sums.asked.any():
            yield error('is zero while the arm moves', f'{sums.path:.2f} m of motion', 'steps')
        return
    if found.correlation < believed:
        if block == 'translation' and found.correlation < UNEXPLAINED:
            yield error('does not explain the motion', f'correlation {found.correlation:.2f}',
                        f'{UNEXPLAINED} or more')
        return
    if not found.is_plain:
        yield error(
            'is in other axes', f'{say_reading(found)} fits (correlation '
            f'{found.correlation:.2f}, as it is {found.plain:.2f})', 'base axes')
    least, most = SCALES[block]
    if not least <= found.scale <= most:
        yield error('has another unit', say_factor(1.0 / found.scale, block, sums.step_s),
                    f'{1 / most:.1f} to {1 / least:.1f} times the motion')
    if block == 'translation':
        yield from _timed(episode, found, sums.step_s)


def _timed(episode: str, found: Explanation, step_s: float) -> Iterator[Finding]:
    late = max(LATE_ROWS, LATE_S / step_s)
    if found.lag < EARLY_ROWS:
        yield Finding(
            Level.ERROR, episode, ACTION, 'comes after its own motion: rows are shifted',
            f'{-found.lag:.1f} rows late', 'motion 0 or more rows after the action')
    elif found.lag > late:
        yield Finding(
            Level.WARNING, episode, ACTION, 'is followed late by the motion',
            f'{found.lag:.1f} rows ({found.lag * step_s:.2f} s)', f'{late:.1f} rows or fewer')


def _shifted(episode: Episode) -> Iterator[Finding]:
    """Hold the action against what was proposed; a live recording may command it later."""
    action, proposed = (known_rows(episode, n, 7) for n in (ACTION, ACTION_PROPOSED))
    if action is None or proposed is None or not np.array_equal(
            proposed.stamps_ns, action.stamps_ns):
        return
    still = np.broadcast_to(IDENTITY, (len(action), 3, 3))
    sums = moments(proposed.values[:, :3], action.values[:, :3], still, 1.0)
    curve = plain_curve(sums)
    rows = int(LAGS[curve.argmax()])
    live = CONTROL_MODE in episode.streams
    clear = curve.max() > max(BELIEVED['translation'], float(curve[LAGS == 0][0]) + SHIFT_GAIN)
    if clear and (rows > 0 or not live):
        yield Finding(
            Level.ERROR, episode.episode_id, ACTION, 'is shifted against action/proposed',
            f'{abs(rows)} rows {"early" if rows > 0 else "late"}', 'the same row')


def _usable(poses: Stream | None) -> bool:
    return poses is not None and len(poses) >= LEAST_ROWS and bool(
        (np.linalg.norm(poses.values[:, 3:], axis=1) > 0.1).all())


def _is_absolute(action: np.ndarray, poses: np.ndarray) -> bool:
    """Say whether the action holds positions: near the tool, and not near zero."""
    gap = np.linalg.norm(action[:, :3] - poses[:, :3], axis=1)
    size = np.linalg.norm(poses[:, :3], axis=1)
    return bool(np.nanmedian(gap) < 0.05 and np.nanmedian(size) > 0.15)
