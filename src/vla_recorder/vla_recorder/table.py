"""One table of frames out of streams that each keep their own stamps.

LeRobot, RLDS and ALOHA know one rate an episode. The instants are the stamps of `action`, or of
the first camera where nothing acts; every other stream is brought to them as its rule says,
by `vla_core.timeline` like a live observation. A stream that already has these stamps is taken
as it is, bit for bit. The others are also kept as they were, beside the table: nothing but
frames of cameras that no instant asks for is lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from vla_core.episode import (
    ACTION,
    DEPTH_PREFIX,
    Episode,
    IMAGE_PREFIX,
    Stream,
    TACTILE_PREFIX,
    TOOL_POSE,
)
from vla_core.errors import InvalidDataError
from vla_core.geometry import interpolate_pose
from vla_core.lazy import take, Values
from vla_core.spec import RobotSpec, StreamSpec
from vla_core.timeline import align

PICTURES = (IMAGE_PREFIX, DEPTH_PREFIX, TACTILE_PREFIX)
NEAREST = StreamSpec('nearest', 0.15)  # a rule for pictures without one
HOLD = StreamSpec('hold', 0.5)  # a rule for anything else without one


@dataclass(frozen=True)
class Table:
    """Streams at common instants, and those that also have stamps of their own."""

    stamps_ns: np.ndarray  # (N,) int64
    columns: Mapping[str, Values]  # stream -> (N, ...)
    age_s: Mapping[str, np.ndarray]  # stream -> (N,) [s]; only of streams with other stamps
    beside: Mapping[str, Stream]  # streams with other stamps as they were, pictures left out
    dropped: int  # instants without a fresh sample of every stream


def is_picture(name: str) -> bool:
    """Say whether a stream holds pictures: colour, depth or gel."""
    return name.startswith(PICTURES)


def rules_of(robot: RobotSpec) -> dict[str, StreamSpec]:
    """Return the alignment of every stream of an episode as the robot's spec declares it."""
    rules = {}
    for name, rule in robot.streams.items():
        if name in robot.cameras:
            rules |= {IMAGE_PREFIX + name: rule, DEPTH_PREFIX + name: rule}
        elif name == 'tactile':
            rules |= {TACTILE_PREFIX + finger: rule for finger in robot.tactile}
        elif name == 'tf':
            rules[TOOL_POSE] = rule
        elif name == 'joint_states':
            rules |= {f'observation/state/{part}': rule
                      for part in ('joint_position', 'joint_velocity', 'gripper')}
        else:
            rules[f'observation/state/{name}'] = rule
    return rules


def tabulate(episode: Episode, rules: Mapping[str, StreamSpec] | None = None) -> Table:
    """Return the frames of `episode`; raise InvalidDataError where it has none.

    An instant without a fresh sample of every stream is left out and counted.
    """
    stamps = _instants(episode)
    columns: dict[str, Values] = {}
    ages, beside = {}, {}
    valid = np.ones(len(stamps), dtype=bool)
    for name, stream in episode.streams.items():
        if not len(stream) or np.array_equal(stream.stamps_ns, stamps):
            columns[name] = stream.values
            continue
        rule = (rules or {}).get(name, NEAREST if is_picture(name) else HOLD)
        columns[name], ages[name], fresh = _brought(stamps, stream, rule, name)
        valid &= fresh
        if not is_picture(name):
            beside[name] = stream
    empty = [name for name, stream in episode.streams.items() if not len(stream)]
    for name in empty:
        beside[name] = episode.streams[name]
        del columns[name]
    if not valid.any():
        raise InvalidDataError(
            f'episode {episode.episode_id}: got no instant with a fresh sample of all of '
            f'{", ".join(sorted(columns))}, allowed 1 or more')
    rows = np.flatnonzero(valid)
    if len(rows) < len(stamps):  # then no stream has the instants' very stamps any more
        kept = {n: s for n, s in episode.streams.items() if not is_picture(n)}
        beside = {**kept, **beside}
        columns = {name: take(values, rows) for name, values in columns.items()}
        ages = {name: age[rows] for name, age in ages.items()}
    return Table(stamps[rows], columns, ages, beside, len(stamps) - len(rows))


def _instants(episode: Episode) -> np.ndarray:
    cameras = [IMAGE_PREFIX + camera for camera in episode.cameras]
    for name in (ACTION, *cameras):
        if name in episode.streams and len(episode.streams[name]):
            return episode.streams[name].stamps_ns
    raise InvalidDataError(
        f'episode {episode.episode_id}: got no action and no camera with a sample, '
        'allowed one of them to tell the instants of the frames')


def _brought(
    stamps: np.ndarray, stream: Stream, rule: StreamSpec, name: str,
) -> tuple[Values, np.ndarray, np.ndarray]:
    """Return the values at `stamps`, their ages [s], and where they are fresh."""
    if rule.align == 'interpolate' and stream.values.dtype.kind != 'f':
        rule = replace(rule, align='hold')
    early = stamps < stream.stamps_ns[0]  # nothing to hold yet: a placeholder, never fresh
    at = np.maximum(stamps, stream.stamps_ns[0]) if rule.align != 'nearest' else stamps
    aligned = align(at, stream, StreamSpec(rule.align, inf), name,
                    interpolate_pose if name == TOOL_POSE else None)
    fresh = (aligned.age_s <= rule.max_age_s) & ~(early & (rule.align != 'nearest'))
    if rule.align == 'interpolate':
        fresh &= _gap_s(stamps, stream) <= 2 * rule.max_age_s  # never across a drop-out
    return aligned.values, aligned.age_s, fresh


def _gap_s(stamps: np.ndarray, stream: Stream) -> np.ndarray:
    """Return the time [s] between the samples on both sides of each instant, 0 beyond them."""
    after = np.searchsorted(stream.stamps_ns, stamps, side='right')
    inside = (after > 0) & (after < len(stream))
    i1 = np.minimum(after, len(stream) - 1)
    gap = (stream.stamps_ns[i1] - stream.stamps_ns[np.maximum(after - 1, 0)]) / 1e9
    return np.where(inside, gap, 0.0)
