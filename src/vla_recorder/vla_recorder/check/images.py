"""Pictures of an episode: frozen while the arm moves, black, white or flat."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from vla_core.episode import DEPTH_PREFIX, Episode, IMAGE_PREFIX, JOINT_POSITION, Stream, TOOL_POSE
from vla_core.lazy import blocks
from vla_recorder.check.findings import Finding, Level
from vla_recorder.check.streams import known_rows

FROZEN_S = 0.3  # and FROZEN_ROWS equal pictures while the arm moves FROZEN_M are too many
FROZEN_ROWS = 5
FROZEN_M = 0.08  # [m] of the tool
RADIUS_M = 0.5  # a joint's turn [rad] counts as this much way of the tool
FROZEN_BLIND_S = 5.0  # of a robot whose motion is not known
EQUAL, PEAK = 1.2, 24  # mean and most a frozen picture differs after a codec, of 255
BLACK, WHITE = 8.0, 250.0
WHITE_SHARE = 0.6
FLAT = 2.0  # standard deviation
NO_DEPTH = 0.98  # share of pixels without a distance
FEW = 0.5  # share of bad pictures from which it is an error
_PIXELS = 20_000  # looked at for brightness


@dataclass(frozen=True)
class Looks:
    """What was seen in the pictures of one stream."""

    same: np.ndarray  # (N,) bool: as the first of the run before it
    black: np.ndarray  # (N,) bool
    white: np.ndarray  # (N,) bool
    flat: np.ndarray  # (N,) bool; depth: without distances


def image_findings(episode: Episode) -> Iterator[Finding]:
    """Yield what is wrong with the cameras; pictures are read a block at a time."""
    for name, stream in sorted(episode.streams.items()):
        if name.startswith((IMAGE_PREFIX, DEPTH_PREFIX)) and _is_pictures(stream):
            looks = look(stream)
            yield from _frozen(episode, name, stream, looks.same)
            for what, rows in (('is black', looks.black), ('is overexposed', looks.white),
                               ('shows nothing', looks.flat)):
                if rows.any():
                    level = Level.ERROR if rows.mean() > FEW else Level.WARNING
                    yield Finding(level, episode.episode_id, name, what,
                                  f'{rows.sum()} of {len(rows)} pictures', '0')


def look(stream: Stream) -> Looks:
    """Look at every picture of a stream, in constant memory."""
    found: list[list[bool]] = []
    first: np.ndarray | None = None  # of the run: slow changes add up to another picture
    for block in blocks(stream.values):
        for picture in np.asarray(block):
            same = first is not None and _same(first, picture)
            first = first if same else picture.copy()
            found.append([same, *_brightness(picture)])
    return Looks(*np.array(found, dtype=bool).reshape(-1, 4).T)


def travel(episode: Episode) -> Stream | None:
    """Return the way (N,) [m] of the tool since the start, or None where it is not known."""
    for name, scale, part in ((TOOL_POSE, 1.0, 3), (JOINT_POSITION, RADIUS_M, None)):
        stream = known_rows(episode, name)
        if stream is not None and len(stream) > 1:
            steps = np.diff(stream.values[:, :part], axis=0)
            way = scale * np.cumsum(np.linalg.norm(steps, axis=1))
            return Stream(stream.stamps_ns, np.concatenate([[0.0], way]))
    return None


def _is_pictures(stream: Stream) -> bool:
    """Say whether a stream has rows, and these (H, W, ...) with a pixel at least."""
    return len(stream.values.shape) > 2 and 0 not in stream.values.shape


def _same(before: np.ndarray, picture: np.ndarray) -> bool:
    if before.shape != picture.shape:
        return False
    middle = len(picture) // 2  # most pictures differ in one row already
    if picture.dtype != np.uint8:
        return bool(np.array_equal(before, picture, equal_nan=picture.dtype.kind == 'f'))
    if _apart(before[middle], picture[middle]).max() > PEAK:
        return False
    apart = _apart(before, picture)
    return bool(apart.max() <= PEAK and apart.mean() <= EQUAL)


def _apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.abs(first.astype(np.int16) - second)


def _brightness(picture: np.ndarray) -> tuple[bool, bool, bool]:
    """Say whether a picture is black, white or flat; of a depth picture: without distances."""
    if picture.dtype != np.uint8:
        return False, False, bool((~(picture > 0)).mean() > NO_DEPTH)
    stride = max(1, int(np.sqrt(picture.size / _PIXELS)))
    few = picture[::stride, ::stride]
    mean, spread = float(few.mean()), float(few.std())
    black, white = mean < BLACK, bool((few >= WHITE).mean() > WHITE_SHARE)
    return black, white, spread < FLAT and not (black or white)


def _frozen(episode: Episode, name: str, stream: Stream, same: np.ndarray) -> Iterator[Finding]:
    way, worst = travel(episode), (0, 0.0, 0.0, 0.0)
    for first, last in _runs(same):
        begin, end = stream.stamps_ns[first - 1], stream.stamps_ns[last]
        seconds = (end - begin) / 1e9
        moved = 0.0 if way is None else float(np.subtract(*np.interp(
            [end - way.stamps_ns[0], begin - way.stamps_ns[0]],
            way.stamps_ns - way.stamps_ns[0], way.values)))
        held = (moved >= FROZEN_M and seconds >= FROZEN_S) if way is not None else (
            seconds >= FROZEN_BLIND_S)
        if held and last - first + 2 >= FROZEN_ROWS and seconds > worst[1]:
            worst = (last - first + 2, seconds, moved, (begin - episode.start_ns) / 1e9)
    if worst[0]:
        yield Finding(
            Level.ERROR, episode.episode_id, name, 'is frozen while the arm moves',
            f'{worst[0]} equal pictures in {worst[1]:.1f} s from {worst[3]:.1f} s on, '
            f'{worst[2] * 1e2:.0f} cm of motion',
            f'{FROZEN_M * 1e2:.0f} cm or {FROZEN_S} s')


def _runs(same: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the second and the last row of each run of pictures that are the same."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], same.astype(np.int8), [0]])))
    for first, after in edges.reshape(-1, 2):
        yield int(first), int(after - 1)
