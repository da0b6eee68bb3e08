"""How regularly each stream came: what a recording must say about itself.

An interval counts as a gap when it is longer than `GAP` times the period the robot spec
declares, or, of a stream without a declared rate, than the median of its first intervals.
The end of the episode closes the last interval: a camera that died has one long gap.
"""

from array import array
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
import json
from statistics import median

GAP = 1.8  # of the period: one message is missing; jitter alone does not come so far
FIRST = 32  # intervals from which an undeclared rate is learnt
MEANINGFUL = 8  # intervals that an undeclared rate needs


@dataclass(frozen=True)
class Cadence:
    """One stream of one episode."""

    count: int  # messages recorded
    rate_hz: float  # between the first and the last of them; 0 of fewer than two
    max_gap_s: float  # longest time without a message
    gaps: int  # intervals in which messages are missing
    max_age_s: float  # from the header's stamp until it was heard, at worst
    dropped: int  # heard, but lost in a full queue
    disordered: int  # with a stamp that is not later than the one before


class CadenceMeter:
    """Measures one stream while it comes; a few additions a message."""

    def __init__(self, rate_hz: float | None, start_ns: int, regular: bool = True) -> None:
        """Begin at `start_ns`; `rate_hz` is the declared rate, if there is one.

        What comes when something happens, not by the clock, is not `regular`: it has no gaps.
        """
        self.count = self.dropped = self.disordered = self._gaps = 0
        self.last_ns: int | None = None
        self._start_ns, self._first_ns = start_ns, 0
        self._max_gap_ns = self._max_age_ns = 0
        self._limit_ns = GAP * 1e9 / rate_hz if rate_hz else 0.0
        self._declared = bool(rate_hz)
        self._regular = regular
        self._learnt = array('q')

    def back_ns(self, stamp_ns: int) -> int:
        """Return by how much a stamp is behind the last one; negative where time goes on."""
        return -1 if self.last_ns is None else self.last_ns - stamp_ns

    def on_message(self, stamp_ns: int, heard_ns: int) -> None:
        """Count a message that is recorded."""
        self.count += 1
        if heard_ns - stamp_ns > self._max_age_ns:
            self._max_age_ns = heard_ns - stamp_ns
        last_ns = self.last_ns
        if last_ns is None:
            self._first_ns = stamp_ns
            if self._declared:  # it should have come all along
                self._interval(stamp_ns - self._start_ns)
        elif stamp_ns <= last_ns:
            self.disordered += self._regular
            return
        else:
            self._interval(stamp_ns - last_ns)
        self.last_ns = stamp_ns

    def report(self, end_ns: int) -> Cadence:
        """Return what was measured until `end_ns`, at which the episode ends."""
        last_ns = self._start_ns if self.last_ns is None else self.last_ns
        gaps, max_gap_ns = self._gaps, self._max_gap_ns
        if self._regular and (self._declared or self.count > MEANINGFUL):
            limit_ns = self._limit_ns or GAP * median(self._learnt)
            if not self._limit_ns:
                gaps = sum(span > limit_ns for span in self._learnt)
            gaps += end_ns - last_ns > limit_ns
            max_gap_ns = max(max_gap_ns, end_ns - last_ns)
        span_ns = last_ns - self._first_ns
        return Cadence(
            self.count, (self.count - 1) * 1e9 / span_ns if span_ns > 0 else 0.0,
            max_gap_ns / 1e9, gaps, self._max_age_ns / 1e9, self.dropped, self.disordered)

    def _interval(self, span_ns: int) -> None:
        if span_ns > self._max_gap_ns:
            self._max_gap_ns = span_ns
        if self._limit_ns:
            self._gaps += span_ns > self._limit_ns
            return
        if not self._regular:
            return
        self._learnt.append(span_ns)
        if len(self._learnt) == FIRST:
            self._limit_ns = GAP * median(self._learnt)
            self._gaps = sum(span > self._limit_ns for span in self._learnt)


def to_json(report: Mapping[str, Cadence]) -> str:
    """Return the cadence of every stream as JSON, for the episode's meta."""
    return json.dumps({name: asdict(cadence) for name, cadence in report.items()},
                      sort_keys=True)


def from_json(text: str) -> dict[str, Cadence]:
    """Return the report of an episode's meta."""
    return {name: Cadence(**fields) for name, fields in json.loads(text).items()}


def to_line(report: Mapping[str, Cadence], regular: Container[str]) -> str:
    """Return the report for the log: each regular stream's rate, and what was lost of any."""
    parts = [f'{name} {cadence.rate_hz:.4g} Hz{_blemishes(cadence)}'
             for name, cadence in report.items() if name in regular or _blemishes(cadence)]
    return ', '.join(parts) or 'nothing was heard'


def _blemishes(cadence: Cadence) -> str:
    told = []
    if cadence.gaps:
        told.append(f'{cadence.gaps} gaps up to {cadence.max_gap_s:.2g} s')
    if cadence.dropped:
        told.append(f'{cadence.dropped} dropped')
    if cadence.disordered:
        told.append(f'{cadence.disordered} out of order')
    return f' ({", ".join(told)})' if told else ''
