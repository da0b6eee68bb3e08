"""Stamps of an episode's streams: rates, gaps, jitter, and streams of another clock."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from vla_core.episode import Episode, Stream
from vla_recorder.check.findings import Finding, Level

GAP = 2.5  # times the stream's own median period
JITTER = 0.35  # of the median period
APART_S = 1.0  # a stream may begin later or end earlier than the others
FEW = 3  # rows
_POINTS = 400  # of the time line


@dataclass(frozen=True)
class Rhythm:
    """How a stream's samples follow each other."""

    samples: int
    rate_hz: float  # 1 / median period; 0 below two samples
    jitter_s: float  # half the range of the middle 90 % of the periods
    longest_s: float  # longest period
    gaps: tuple[tuple[float, float], ...]  # begin and end [s] from the episode's start
    begin_s: float  # from the episode's start
    end_s: float

    def to_dict(self) -> dict:
        """Return the JSON form."""
        return asdict(self)


def rhythm(stream: Stream, start_ns: int) -> Rhythm:
    """Measure a stream; `start_ns` is where its episode begins."""
    if not len(stream):
        return Rhythm(0, 0.0, 0.0, 0.0, (), 0.0, 0.0)
    times = (stream.stamps_ns - start_ns) / 1e9
    if len(times) < 2:
        return Rhythm(len(times), 0.0, 0.0, 0.0, (), float(times[0]), float(times[-1]))
    periods = np.diff(times)
    median = float(np.median(periods))
    low, high = np.quantile(periods, [0.05, 0.95])
    wide = np.flatnonzero(periods > GAP * median)
    gaps = tuple((float(times[k]), float(times[k + 1])) for k in wide[:_POINTS])
    return Rhythm(
        len(times), 1.0 / median, float(high - low) / 2, float(periods.max()), gaps,
        float(times[0]), float(times[-1]))


def rhythms(episode: Episode) -> dict[str, Rhythm]:
    """Measure every stream of an episode."""
    return {name: rhythm(stream, episode.start_ns)
            for name, stream in sorted(episode.streams.items())}


def stamp_findings(episode: Episode, measured: dict[str, Rhythm]) -> Iterator[Finding]:
    """Yield what is wrong with the stamps; streams of the same stamps are named together."""
    name = episode.episode_id
    if not episode.streams:
        yield Finding(Level.ERROR, name, '', 'has no streams', '0', '1 or more')
    for streams, beat in _alike(measured):
        if beat.samples == 0:
            yield Finding(Level.WARNING, name, streams, 'is empty', '0 rows', '1 or more')
        elif beat.gaps:
            yield Finding(
                Level.WARNING, name, streams, 'has gaps',
                f'{len(beat.gaps)}, the longest {beat.longest_s:.3f} s',
                f'{GAP / beat.rate_hz:.3f} s, {GAP} times its own median')
        elif beat.samples > FEW and beat.jitter_s * beat.rate_hz > JITTER:
            yield Finding(
                Level.WARNING, name, streams, 'comes unevenly',
                f'+-{beat.jitter_s * 1e3:.1f} ms at {beat.rate_hz:.1f} Hz',
                f'+-{JITTER / beat.rate_hz * 1e3:.1f} ms')
    yield from _apart(name, measured)
    longest = max((beat.samples for beat in measured.values()), default=0)
    if measured and longest <= FEW:
        yield Finding(Level.WARNING, name, '', 'is very short', f'{longest} rows',
                      f'more than {FEW}')


def _alike(measured: dict[str, Rhythm]) -> Iterator[tuple[str, Rhythm]]:
    """Yield each rhythm once, with the names of the streams that share it."""
    groups: dict[Rhythm, list[str]] = {}
    for name, beat in measured.items():
        groups.setdefault(beat, []).append(name)
    for beat, names in groups.items():
        more = f' and {len(names) - 2} more' if len(names) > 2 else ''
        yield ', '.join(names[:2]) + more, beat


def _apart(episode: str, measured: dict[str, Rhythm]) -> Iterator[Finding]:
    """Say which streams begin late, end early or do not meet the others at all."""
    full = {name: beat for name, beat in measured.items() if beat.samples > 1}
    if len(full) < 2:
        return
    begin = float(np.median([beat.begin_s for beat in full.values()]))
    end = float(np.median([beat.end_s for beat in full.values()]))
    for name, beat in full.items():
        if beat.begin_s > end or beat.end_s < begin:
            yield Finding(
                Level.ERROR, episode, name, 'has stamps of another clock',
                f'{beat.begin_s:.1f} to {beat.end_s:.1f} s',
                f'an overlap with {begin:.1f} to {end:.1f} s')
        elif beat.begin_s > begin + APART_S or beat.end_s < end - APART_S:
            yield Finding(
                Level.WARNING, episode, name, 'covers only a part of the episode',
                f'{beat.begin_s:.1f} to {beat.end_s:.1f} s',
                f'{begin:.1f} to {end:.1f} s within {APART_S} s')
