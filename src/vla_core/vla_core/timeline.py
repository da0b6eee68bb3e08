"""Bring streams of different rates to one instant; the only place that does, live or on files.

How is declared per stream in the robot spec (`StreamSpec.align`):

hold         the newest sample at or before the instant
nearest      the closest sample on either side, the older one of two as close
interpolate  between the samples on both sides; beyond the newest it holds it, within the age
drop         as hold, but rows of a file without a fresh sample are left out, not an error

A sample further from the instant than `StreamSpec.max_age_s` is never used. At a sample's own
stamp every mode returns that very sample: no arithmetic touches it.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from vla_core.episode import Stream
from vla_core.errors import InvalidDataError, VlaError
from vla_core.lazy import take, Values
from vla_core.spec import StreamSpec

Blend = Callable[[Any, Any, float], Any]  # (older, newer, fraction 0..1) -> value


class StaleStreamError(VlaError):
    """A stream without a sample near enough to the instant that was asked for."""

    def __init__(self, stream: str, age_s: float, allowed_s: float) -> None:
        self.stream, self.age_s, self.allowed_s = stream, age_s, allowed_s
        super().__init__(
            f'stream {stream!r} is stale: got age {age_s:.3f} s, allowed {allowed_s:.3f} s')


class MissingStreamError(StaleStreamError):
    """A stream that has brought nothing yet, or nothing that early."""

    def __init__(self, stream: str, allowed_s: float, why: str) -> None:
        super().__init__(stream, inf, allowed_s)
        self.args = (f'stream {stream!r} is missing: {why}',)


@dataclass(frozen=True)
class Sample:
    """A value at the instant asked for."""

    value: Any
    age_s: float  # distance in time to the nearest sample it was made of [s]


@dataclass(frozen=True)
class Aligned:
    """A whole stream brought to other stamps."""

    values: Values  # (M, ...) rows that are not valid repeat some sample; lazy if they were
    age_s: np.ndarray  # (M,) float64 [s]
    valid: np.ndarray  # (M,) bool; all true unless the mode is 'drop'


def linear(older: Any, newer: Any, fraction: float) -> Any:
    """Return the point at `fraction` of the straight line between two values."""
    return older + fraction * (newer - older)


class StreamBuffer:
    """The newest `capacity` samples of a live stream."""

    def __init__(
        self, spec: StreamSpec, capacity: int, name: str = 'stream', blend: Blend = linear
    ) -> None:
        self.spec = spec
        self.name = name
        self._capacity = capacity
        self._blend = blend
        self._stamps: list[int] = []
        self._values: list[Any] = []

    def __len__(self) -> int:
        return len(self._stamps)

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest sample [ns]; None while empty."""
        return self._stamps[-1] if self._stamps else None

    def push(self, stamp_ns: int, value: Any) -> None:
        """Append a sample; raise InvalidDataError unless it is newer than all before it."""
        if self._stamps and stamp_ns <= self._stamps[-1]:
            raise InvalidDataError(
                f'stream {self.name!r}: got stamp {stamp_ns} after {self._stamps[-1]} ns, '
                'allowed strictly increasing')
        self._stamps.append(stamp_ns)
        self._values.append(value)
        if len(self._stamps) > self._capacity:
            del self._stamps[0], self._values[0]

    def replace_newest(self, value: Any) -> None:
        """Put `value` in the place of the newest sample: a second word on the same instant."""
        self._values[-1] = value

    def clear(self) -> None:
        """Forget all samples."""
        self._stamps.clear()
        self._values.clear()

    def has(self, stamp_ns: int) -> bool:
        """Return whether a sample of exactly this stamp is kept."""
        after = bisect_right(self._stamps, stamp_ns)
        return after > 0 and self._stamps[after - 1] == stamp_ns

    def at(self, stamp_ns: int) -> Sample:
        """Return the value at `stamp_ns`; raise StaleStreamError or MissingStreamError."""
        if not self._stamps:
            raise MissingStreamError(self.name, self.spec.max_age_s, 'nothing has arrived')
        after = bisect_right(self._stamps, stamp_ns)
        older = self._age_s(after - 1, stamp_ns)
        if older == 0.0:
            return Sample(self._values[after - 1], 0.0)
        newer = self._age_s(after, stamp_ns)
        if self.spec.align == 'interpolate' and after and after < len(self._stamps):
            return self._between(after, stamp_ns, older, newer)
        if self.spec.align == 'nearest' and newer < older:
            return Sample(self._values[after], self._fresh(newer))
        if not after:
            raise MissingStreamError(
                self.name, self.spec.max_age_s,
                f'the oldest sample is {newer:.3f} s after the instant')
        return Sample(self._values[after - 1], self._fresh(older))

    def _between(self, after: int, stamp_ns: int, older: float, newer: float) -> Sample:
        self._fresh(max(older, newer))  # never interpolate across a drop-out
        t0, t1 = self._stamps[after - 1], self._stamps[after]
        value = self._blend(
            self._values[after - 1], self._values[after], (stamp_ns - t0) / (t1 - t0))
        return Sample(value, min(older, newer))

    def _age_s(self, index: int, stamp_ns: int) -> float:
        if not 0 <= index < len(self._stamps):
            return inf
        return abs(stamp_ns - self._stamps[index]) / 1e9

    def _fresh(self, age_s: float) -> float:
        if age_s > self.spec.max_age_s:
            raise StaleStreamError(self.name, age_s, self.spec.max_age_s)
        return age_s


def align(
    stamps_ns: np.ndarray,
    stream: Stream,
    spec: StreamSpec,
    name: str = 'stream',
    blend: Blend | None = None,
) -> Aligned:
    """Bring a whole stream to `stamps_ns` (M,) int64 [ns], as a StreamBuffer would one by one.

    `blend` interpolates other than linearly, e.g. `interpolate_pose`. Raise StaleStreamError
    for the first row without a fresh sample, unless the mode is 'drop'.
    """
    if not len(stream):
        raise MissingStreamError(name, spec.max_age_s, 'it is empty')
    after = np.searchsorted(stream.stamps_ns, stamps_ns, side='right')
    i0, i1 = np.maximum(after - 1, 0), np.minimum(after, len(stream) - 1)
    older = np.where(after > 0, (stamps_ns - stream.stamps_ns[i0]) / 1e9, inf)
    newer = np.where(after < len(stream), (stream.stamps_ns[i1] - stamps_ns) / 1e9, inf)
    if spec.align == 'interpolate':
        return _interpolated(stamps_ns, stream, spec, name, blend, (i0, i1, older, newer))
    use_newer = (newer < older) & (spec.align == 'nearest')
    age = np.where(use_newer, newer, older)
    valid = _check_fresh(name, age, spec)
    return Aligned(take(stream.values, np.where(use_newer, i1, i0)), age, valid)


def _interpolated(
    stamps_ns: np.ndarray,
    stream: Stream,
    spec: StreamSpec,
    name: str,
    blend: Blend | None,
    sides: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> Aligned:
    i0, i1, older, newer = sides
    between = (older > 0.0) & np.isfinite(older) & np.isfinite(newer)
    valid = _check_fresh(name, np.where(between, np.maximum(older, newer), older), spec)
    values = stream.values[i0]
    rows = np.flatnonzero(between)
    i0, i1 = i0[rows], i1[rows]
    t0, t1 = stream.stamps_ns[i0], stream.stamps_ns[i1]
    s = (stamps_ns[rows] - t0) / (t1 - t0)
    if rows.size and values.dtype.kind != 'f':
        raise InvalidDataError(
            f'stream {name!r}: got {values.dtype} to interpolate, allowed floats')
    if blend is None:
        s = s.reshape(-1, *[1] * (values.ndim - 1)).astype(values.dtype)
        values[rows] = linear(stream.values[i0], stream.values[i1], s)
    else:
        for row, a, b, fraction in zip(rows, i0, i1, s.tolist()):
            values[row] = blend(stream.values[a], stream.values[b], fraction)
    return Aligned(values, np.minimum(older, np.where(between, newer, older)), valid)


def _check_fresh(name: str, age_s: np.ndarray, spec: StreamSpec) -> np.ndarray:
    valid = age_s <= spec.max_age_s
    if spec.align != 'drop' and not valid.all():
        worst = float(age_s[np.flatnonzero(~valid)[0]])
        if worst == inf:
            raise MissingStreamError(name, spec.max_age_s, 'it begins after the instant')
        raise StaleStreamError(name, worst, spec.max_age_s)
    return valid
