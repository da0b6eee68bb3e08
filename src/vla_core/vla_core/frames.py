"""A time-interpolating transform buffer with the results of tf2, and no ROS.

A pose given for (parent, child) is T_parent_child: where the child is, in its parent. Lookups
interpolate on straight lines and shorter turns between the samples around the stamp, never
beyond them. An exact stamp gives the stored pose, bit by bit.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from math import isfinite, sqrt

import numpy as np
from vla_core.errors import InvalidDataError, UnknownNameError, VlaError
from vla_core.geometry import (
    compose,
    compose_chain,
    Floats,
    IDENTITY_POSE,
    interpolate_floats,
    inverse,
)

NORM_TOLERANCE = 1e-2  # of a quaternion's length, as in tf2


class UnknownFrameError(UnknownNameError):
    """A frame nobody has published; the message lists the known ones."""

    def __init__(self, got: str, known: Iterable[str]) -> None:
        super().__init__('frame', got, known)


class DisconnectedFramesError(VlaError):
    """Two known frames without a common ancestor; the message names both trees."""


class TooOldError(VlaError):
    """A stamp before the first sample that is kept."""


class TooNewError(VlaError):
    """A stamp after the last sample: the transform has not arrived yet."""


@dataclass
class _Track:
    """The samples of one child frame, sorted by stamp; each with the parent of its time."""

    stamps_ns: list[int] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)
    poses: list[Floats] = field(default_factory=list)

    def insert(self, stamp_ns: int, parent: str, pose: Floats, max_age_ns: int) -> None:
        at = bisect_left(self.stamps_ns, stamp_ns)
        again = at < len(self.stamps_ns) and self.stamps_ns[at] == stamp_ns
        for kept, new in (
            (self.stamps_ns, stamp_ns), (self.parents, parent), (self.poses, pose)
        ):
            kept[at:at + again] = [new]  # the later word on one instant replaces the earlier
        expired = bisect_left(self.stamps_ns, self.stamps_ns[-1] - max_age_ns)
        del self.stamps_ns[:expired], self.parents[:expired], self.poses[:expired]

    def sample(self, child: str, stamp_ns: int) -> tuple[str, Floats]:
        """Return the parent and the pose at `stamp_ns`; raise TooOldError or TooNewError."""
        stamps = self.stamps_ns
        after = bisect_right(stamps, stamp_ns)
        if after == 0:
            raise TooOldError(_extrapolation(self.parents[0], child, stamp_ns, stamps[0]))
        before = after - 1
        if stamps[before] == stamp_ns:
            return self.parents[before], self.poses[before]
        if after == len(stamps):
            raise TooNewError(_extrapolation(self.parents[-1], child, stamp_ns, stamps[-1]))
        if self.parents[before] != self.parents[after]:  # moved to another parent in between
            return self.parents[before], self.poses[before]
        s = (stamp_ns - stamps[before]) / (stamps[after] - stamps[before])
        return self.parents[before], interpolate_floats(
            self.poses[before], self.poses[after], s)


class FrameBuffer:
    """Transforms between frames over the last `max_age_s`.

    A child whose stamp goes back by more than `jump_back_s` says that the clock was set back
    (a simulator or bag began anew): everything but the static frames is forgotten.
    """

    def __init__(self, max_age_s: float = 10.0, jump_back_s: float = 0.5) -> None:
        self._max_age_ns = round(max_age_s * 1e9)
        self._jump_back_ns = round(jump_back_s * 1e9)
        self._static: dict[str, tuple[str, Floats]] = {}  # child -> parent, pose
        self._tracks: dict[str, _Track] = {}  # child -> samples
        self._known: set[str] = set()

    def set(self, parent: str, child: str, stamp_ns: int, pose: np.ndarray) -> None:
        """Add where `child` is in `parent` at `stamp_ns`; raise InvalidDataError for nonsense."""
        parent, child = _check_names(parent, child)
        floats = _check_pose(parent, child, pose)
        track = self._tracks.get(child)
        if track and stamp_ns < track.stamps_ns[-1] - self._jump_back_ns:
            self.clear()
            track = None
        if track is None:
            self._static.pop(child, None)
            track = self._tracks[child] = _Track()
        self._known.update((parent, child))
        track.insert(stamp_ns, parent, floats, self._max_age_ns)

    def set_static(self, parent: str, child: str, pose: np.ndarray) -> None:
        """Say where `child` is in `parent` at all times."""
        parent, child = _check_names(parent, child)
        self._static[child] = parent, _check_pose(parent, child, pose)
        self._tracks.pop(child, None)
        self._known.update((parent, child))

    def clear(self) -> None:
        """Forget all samples; static frames stay, as in tf2."""
        self._tracks.clear()
        self._known = self._static.keys() | {parent for parent, _ in self._static.values()}

    def frames(self) -> frozenset[str]:
        """Return the names of all known frames."""
        return frozenset(self._known)

    def lookup(self, target: str, source: str, stamp_ns: int) -> np.ndarray:
        """Return where `source` is in `target` at `stamp_ns`: (7,) float64.

        Poses on the way are folded from the common ancestor downwards with `compose_chain`.
        Raise UnknownFrameError, DisconnectedFramesError, TooOldError or TooNewError.
        """
        target, source = target.removeprefix('/'), source.removeprefix('/')
        if target == source:
            self._check_known(target)
            return IDENTITY_POSE.copy()
        down, reached, problem = self._climb(source, stamp_ns, {target})
        if reached == target:
            return compose_chain(reversed(down.values()))
        seen = {*down, reached}
        up, common, other = self._climb(target, stamp_ns, seen)
        if common not in seen:
            self._explain(target, source, problem or other)
        ours = compose_chain(reversed(up.values()))
        if common == source:
            return inverse(ours)
        path = list(down.values())[:[*down, reached].index(common)]
        return compose(inverse(ours), compose_chain(reversed(path)))

    def latest(self, target: str, source: str) -> np.ndarray:
        """Return the newest pose (7,) of `source` in `target` that all frames between allow."""
        stamp_ns = self.latest_common_ns(target, source)
        return self.lookup(target, source, 0 if stamp_ns is None else stamp_ns)

    def latest_common_ns(self, target: str, source: str) -> int | None:
        """Return the newest stamp at which a lookup succeeds [ns]; None if all is static."""
        paths = [self._newest_path(name.removeprefix('/')) for name in (target, source)]
        shared = set(paths[0]) & set(paths[1])
        if not shared:
            self._explain(target.removeprefix('/'), source.removeprefix('/'), None)
        moving = [
            self._tracks[child].stamps_ns[-1]
            for path in paths for child in path if child not in shared and child in self._tracks]
        return min(moving, default=None)

    def _check_known(self, frame: str) -> None:
        if frame not in self._known:
            raise UnknownFrameError(frame, self._known)

    def _climb(
        self, frame: str, stamp_ns: int, stop: Set[str]
    ) -> tuple[dict[str, Floats], str, VlaError | None]:
        """Walk towards the root until a frame in `stop`.

        Return the poses passed by child, the frame reached, and what barred the way further:
        as in tf2 a sample missing above the common ancestor is no error.
        """
        passed: dict[str, Floats] = {}
        while frame not in stop:
            try:
                edge = self._edge(frame, stamp_ns)
            except (TooOldError, TooNewError) as problem:
                return passed, frame, problem
            if edge is None:
                break
            if frame in passed:
                raise InvalidDataError(f'frames: got a loop through {frame!r}, allowed a tree')
            passed[frame] = edge[1]
            frame = edge[0]
        return passed, frame, None

    def _edge(self, child: str, stamp_ns: int) -> tuple[str, Floats] | None:
        track = self._tracks.get(child)
        return track.sample(child, stamp_ns) if track else self._static.get(child)

    def _newest_path(self, frame: str) -> list[str]:
        """Return the frames from `frame` to its root, by the newest parents."""
        path = []
        while frame not in path:
            path.append(frame)
            track = self._tracks.get(frame)
            if track:
                frame = track.parents[-1]
            elif frame in self._static:
                frame = self._static[frame][0]
        return path

    def _explain(self, target: str, source: str, problem: VlaError | None) -> None:
        """Raise the error that says why `target` and `source` do not meet."""
        self._check_known(target)
        self._check_known(source)
        if problem is not None:
            raise problem
        trees = [self._tree(self._newest_path(name)[-1]) for name in (target, source)]
        raise DisconnectedFramesError(
            f'frames {target!r} and {source!r} are not connected: '
            f'one tree is {{{trees[0]}}}, the other {{{trees[1]}}}')

    def _tree(self, root: str) -> str:
        return ', '.join(sorted(f for f in self._known if self._newest_path(f)[-1] == root))


def _check_names(parent: str, child: str) -> tuple[str, str]:
    parent, child = parent.removeprefix('/'), child.removeprefix('/')
    if not parent or not child or parent == child:
        raise InvalidDataError(
            f'transform: got parent {parent!r} and child {child!r}, '
            'allowed two different frames with names')
    return parent, child


def _check_pose(parent: str, child: str, pose: np.ndarray) -> Floats:
    floats = np.asarray(pose, dtype=np.float64).tolist()
    norm = sqrt(sum(q * q for q in floats[3:]))
    if len(floats) != 7 or not all(map(isfinite, floats)) or abs(norm - 1.0) > NORM_TOLERANCE:
        raise InvalidDataError(
            f'transform {parent} -> {child}: got {floats}, '
            'allowed x y z [m] and a unit quaternion xyzw, all finite')
    return tuple(floats)


def _extrapolation(parent: str, child: str, stamp_ns: int, bound_ns: int) -> str:
    off_s = (stamp_ns - bound_ns) / 1e9
    side, bound = ('after', 'newest') if off_s > 0 else ('before', 'oldest')
    return (f'transform {parent} -> {child}: got stamp {stamp_ns} ns, '
            f'{abs(off_s):.6f} s {side} the {bound} sample at {bound_ns} ns')
