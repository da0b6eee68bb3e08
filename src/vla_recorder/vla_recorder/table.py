"""One table of frames out of streams that each keep their own stamps, and the way back.

LeRobot, RLDS and ALOHA know one rate an episode. The instants are the stamps of `action`, or of
the first camera where nothing acts. Pictures and states are brought to them as its rule says, by
`vla_core.timeline` like a live observation; a stream that already has these stamps is taken as
it is, bit for bit. Streams with other stamps are also kept as they were, beside the table, and
pictures keep the stamp of the very sample shown: `restore` returns all that was recorded but
the frames of cameras that no instant asks for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
from vla_core.lazy import is_lazy, take, Values
from vla_core.spec import RobotSpec, StreamSpec
from vla_core.timeline import align

PICTURES = (IMAGE_PREFIX, DEPTH_PREFIX, TACTILE_PREFIX)
BROUGHT = (*PICTURES, 'observation/state/')  # to the instants; a frame needs them all
NEAREST = StreamSpec('nearest', 0.15)  # a rule for pictures without one
HOLD = StreamSpec('hold', 0.5)  # a rule for any other observation without one
DECLARED = 'table/'  # begins the keys of an episode's meta that say how its table is made


@dataclass(frozen=True)
class Table:
    """Streams at common instants, and those that also have stamps of their own."""

    stamps_ns: np.ndarray  # (N,) int64
    columns: Mapping[str, Values]  # stream -> (N, ...)
    beside: Mapping[str, Stream] = field(default_factory=dict)  # as recorded; no pictures
    shown_ns: Mapping[str, np.ndarray] = field(default_factory=dict)  # see below
    age_s: Mapping[str, np.ndarray] = field(default_factory=dict)  # see below
    dropped: int = 0  # instants without a fresh sample of every picture and state

    # shown_ns: picture stream with other stamps -> (N,) int64 own stamp of the picture shown.
    # age_s: any column with other stamps -> (N,) float64 [s] from the instant to its sample.


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


def declaration(
    rules: Mapping[str, StreamSpec], instants: str = '', fps: int | None = None,
) -> dict[str, str | int]:
    """Return the meta by which an episode says itself how its table is made.

    It goes before the rules of a robot. `instants` is the stream whose stamps the frames have.
    """
    told: dict[str, str | int] = {
        f'{DECLARED}align/{name}': f'{rule.align} {rule.max_age_s!r}'
        for name, rule in rules.items()}
    if instants:
        told[f'{DECLARED}instants'] = instants
    if fps:
        told[f'{DECLARED}fps'] = fps
    return told


def declared_rules(episode: Episode) -> dict[str, StreamSpec]:
    """Return the alignment that an episode declares itself; raise InvalidDataError."""
    prefix, rules = f'{DECLARED}align/', {}
    for key, value in episode.meta.items():
        if key.startswith(prefix):
            align, _, age = str(value).partition(' ')
            try:
                rules[key.removeprefix(prefix)] = StreamSpec(align, float(age))
            except ValueError as error:
                raise InvalidDataError(
                    f'episode {episode.episode_id}: meta {key}: got {value!r}, '
                    "allowed an alignment and an age [s] as 'hold 0.5'") from error
    return rules


def tabulate(
    episode: Episode, rules: Mapping[str, StreamSpec] | None = None, fps: int | None = None,
) -> Table:
    """Return the frames of `episode`; raise InvalidDataError where it has none.

    An instant without a fresh sample of every picture and state is left out and counted.
    Instants that come much faster than `fps` [1/s] are thinned to those nearest to its grid.
    """
    recorded = _instants(episode)
    fps = fps or _declared_fps(episode)
    rules = {**(rules or {}), **declared_rules(episode)}
    stamps = _thinned(recorded, fps) if fps else recorded
    columns: dict[str, Values] = {}
    ages, shown = {}, {}
    valid = np.ones(len(stamps), dtype=bool)
    for name, stream in episode.streams.items():
        if len(stream) and np.array_equal(stream.stamps_ns, stamps):
            columns[name] = stream.values
        elif len(stream) and (name == ACTION or name.startswith(BROUGHT)):
            rule = rules.get(name, NEAREST if is_picture(name) else HOLD)
            columns[name], ages[name], fresh, times = _brought(stamps, stream, rule, name)
            valid &= fresh
            if is_picture(name):
                shown[name] = times
    if not valid.any():
        raise InvalidDataError(
            f'episode {episode.episode_id}: got no instant with a fresh sample of all of '
            f'{", ".join(sorted(columns))}, allowed 1 or more')
    rows = np.flatnonzero(valid)
    whole = len(rows) == len(stamps)  # else no stream has the instants' very stamps any more
    beside = {n: s for n, s in episode.streams.items()
              if not len(s) or not is_picture(n) and not (whole and n in columns.keys() - ages)}
    if not whole:
        columns = {name: take(values, rows) for name, values in columns.items()}
        ages, shown = ({n: v[rows] for n, v in group.items()} for group in (ages, shown))
    return Table(stamps[rows], columns, beside, shown, ages, len(stamps) - len(rows))


def restore(table: Table) -> dict[str, Stream]:
    """Return the streams a table was made of, each with its own stamps; pictures lazily."""
    streams = dict(table.beside)
    for name, values in table.columns.items():
        if name in table.shown_ns:
            stamps, first = np.unique(table.shown_ns[name], return_index=True)
            streams[name] = Stream(stamps, take(values, first))
        elif name not in table.beside:
            streams[name] = Stream(table.stamps_ns, values)
    return streams


def _declared_fps(episode: Episode) -> int | None:
    fps = episode.meta.get(f'{DECLARED}fps')
    if fps is not None and (type(fps) is not int or fps < 1):
        raise InvalidDataError(
            f'episode {episode.episode_id}: meta {DECLARED}fps: got {fps!r}, allowed 1 or more')
    return fps


def _instants(episode: Episode) -> np.ndarray:
    cameras = [IMAGE_PREFIX + camera for camera in episode.cameras]
    declared = episode.meta.get(f'{DECLARED}instants')
    for name in (declared, ACTION, *cameras):
        if name in episode.streams and len(episode.streams[name]):
            return episode.streams[name].stamps_ns
    raise InvalidDataError(
        f'episode {episode.episode_id}: got no action and no camera with a sample, '
        'allowed one of them to tell the instants of the frames')


def _thinned(stamps: np.ndarray, fps: int) -> np.ndarray:
    """Return the stamps nearest to a grid of 1 / fps, or all that are not much denser."""
    period_ns = 1e9 / fps
    if len(stamps) < 2 or np.median(np.diff(stamps)) > 0.75 * period_ns:
        return stamps
    since = stamps - stamps[0]
    grid = np.arange(0.0, since[-1] + 0.01 * period_ns, period_ns)
    after = np.clip(np.searchsorted(since, grid), 1, len(stamps) - 1)
    nearer = after - (grid - since[after - 1] <= since[after] - grid)
    return stamps[np.unique(nearer)]


def _brought(
    stamps: np.ndarray, stream: Stream, rule: StreamSpec, name: str,
) -> tuple[Values, np.ndarray, np.ndarray, np.ndarray]:
    """Return the values at `stamps`, their ages [s], where they are fresh, the samples' stamps."""
    mode = rule.align
    if mode == 'interpolate' and (is_picture(name) or stream.values.dtype.kind != 'f'):
        mode = 'hold'
    if is_lazy(stream.values) and not is_picture(name):
        stream = Stream(stream.stamps_ns, stream.values[0:len(stream)])
    # Instants before the first sample have nothing to hold: it is a placeholder, never fresh.
    at = stamps if mode == 'nearest' else np.maximum(stamps, stream.stamps_ns[0])
    aligned = align(at, stream, StreamSpec(mode, inf), name,
                    interpolate_pose if name == TOOL_POSE else None)
    age = aligned.age_s + (at - stamps) / 1e9
    fresh = (age <= rule.max_age_s) & (at == stamps)
    if mode == 'interpolate':
        fresh &= _furthest_s(at, stream) <= rule.max_age_s  # never across a drop-out
    own = Stream(stream.stamps_ns, stream.stamps_ns)
    times = align(at, own, StreamSpec('hold' if mode == 'interpolate' else mode, inf), name)
    return aligned.values, age, fresh, np.asarray(times.values)


def _furthest_s(stamps: np.ndarray, stream: Stream) -> np.ndarray:
    """Return the time [s] to the further of two samples a value is made of, 0 at a sample."""
    after = np.searchsorted(stream.stamps_ns, stamps, side='right')
    older, newer = after - 1, np.minimum(after, len(stream) - 1)
    between = (stream.stamps_ns[older] < stamps) & (after < len(stream))
    further = np.maximum(stamps - stream.stamps_ns[older], stream.stamps_ns[newer] - stamps)
    return np.where(between, further / 1e9, 0.0)
