"""Episodes of somebody else's bag, read through a map of its topics.

Any rosbag2 folder or storage file (sqlite3 or MCAP, compressed or cut), with the types it
brings with it. Streams keep their own stamps: those of the headers where messages have one,
else the time of recording, which the episode's meta then says. How they are brought to common
instants is declared in the map and travels in the meta (`vla_recorder.table`), so every
format aligns them alike. Numbers are in memory, about 8 bytes each; pictures stay in the bag.
"""

from dataclasses import dataclass
from pathlib import Path
import re

import numpy as np
from vla_core.episode import ACTION, Episode, IMAGE_PREFIX, Stream, SubtaskSpan
from vla_core.errors import InvalidDataError
from vla_recorder.bag.folder import Bag
from vla_recorder.bag.images import BagImages
from vla_recorder.bag.rows import form_of, Numbers
from vla_recorder.bag.topic_map_file import FieldMap, load_topic_map, TopicMap
from vla_recorder.bag.topic_map_scan import Column, rows_between, Scan, Told
from vla_recorder.table import declaration


@dataclass(frozen=True)
class _Span:
    start_ns: int
    end_ns: int  # not in it any more
    label: str = ''


def open_bag(path: Path, map_path: Path) -> 'MappedBag':
    """Open a bag; raise InvalidDataError that names the map, or the bag and its topic."""
    return MappedBag(Path(path), load_topic_map(map_path))


class MappedBag:
    """The episodes of a bag as its map parts them.

    `problems` has a line for each topic and part of the files that could not be used; all
    the rest is read.
    """

    def __init__(self, path: Path, topic_map: TopicMap) -> None:
        self._map = topic_map
        self._bag = Bag(path)
        try:
            self._scan = Scan(self._bag, topic_map)
            self._numbers = {
                name: column.rows.stream() for name, column in self._scan.columns.items()
                if isinstance(column.rows, Numbers)}
            self._stamps = {
                name: np.array(column.rows.stamps, dtype=np.int64)
                for name, column in self._scan.columns.items()}
            self._spans = self._parts()
        except BaseException:
            self._bag.close()
            raise

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be used, a line each."""
        return (*self._bag.problems, *self._scan.problems)

    @property
    def fps(self) -> int | None:
        """Frames a second as the map declares them."""
        return self._map.fps

    def __len__(self) -> int:
        return len(self._spans)

    def read(self, index: int) -> Episode:
        """Return an episode; its pictures are decoded when they are asked for."""
        if not 0 <= index < len(self):
            raise InvalidDataError(
                f'{self._bag.path}: got episode {index}, allowed 0 to {len(self) - 1}')
        span = self._spans[index]
        name = re.sub(r'[^A-Za-z0-9_-]', '_', self._bag.path.resolve().stem)
        suffix = f'-{index:04d}' if len(self) > 1 else ''
        streams = {name: self._cut(name, column, span)
                   for name, column in self._scan.columns.items()}
        return Episode(
            episode_id=f'bag-{name[:80]}{suffix}', robot=self._map.robot, task=self._map.task,
            instruction=self._instruction(span),
            streams={name: stream for name, stream in streams.items() if len(stream)},
            success=self._map.success, subtasks=self._subtasks(span), meta=self._meta(span))

    def close(self) -> None:
        """Close the bag; pictures that were not read yet are gone."""
        self._bag.close()

    def _parts(self) -> list[_Span]:
        stamps = self._stamps[self._instants()]
        first = min(int(s[0]) for s in self._stamps.values())
        end = max(int(s[-1]) for s in self._stamps.values()) + 1
        if self._map.gap_s is not None:
            cuts = np.flatnonzero(np.diff(stamps) > self._map.gap_s * 1e9) + 1
            return [_Span(int(part[0]), int(part[-1]) + 1) for part in np.split(stamps, cuts)]
        if self._map.episodes is None:
            return [_Span(first, end)]
        told = self._scan.told.get(self._map.episodes)
        spans = [] if told is None else [
            span for span in _runs(told, end) if _is_running(span.label)
            and np.searchsorted(stamps, span.start_ns) < np.searchsorted(stamps, span.end_ns)]
        if not spans:
            raise InvalidDataError(
                f'{self._scan.where(self._map.episodes.topic)}: got no episode in '
                f'{self._map.episodes.field!r}, allowed a time with a value and frames')
        return spans

    def _instants(self) -> str:
        """Return the stream that tells the frames; raise InvalidDataError without one."""
        found = self._stamps
        cameras = sorted(name for name in found if name.startswith(IMAGE_PREFIX))
        wanted = [self._map.instants] if self._map.instants else [ACTION, *cameras, *found]
        for name in wanted:
            if name in found:
                return name
        lines = self.problems or (f'{self._bag.path}: got no stream of the map',)
        raise InvalidDataError(next((line for line in lines if wanted[:1] and wanted[0] in line),
                                    lines[0]))

    def _cut(self, name: str, column: Column, span: _Span) -> Stream:
        margin = 0 if name == self._instants() else int(column.entry.rule.max_age_s * 1e9)
        stamps = self._stamps[name]
        rows = rows_between(stamps, span.start_ns, span.end_ns, margin)
        if isinstance(column.rows, Numbers):
            return Stream(stamps[rows], self._numbers[name].values[rows])
        places = column.rows.places[rows]
        if not places:
            return Stream(stamps[:0], np.empty((0, 0, 0, 3), np.uint8))
        topic = column.entry.topic
        return Stream(stamps[rows], BagImages(
            self._bag, self._scan.store, self._scan.type_of(topic), self._scan.where(topic),
            places, form_of(column.entry.take)))

    def _instruction(self, span: _Span) -> str:
        """Return the first text said in the episode, else the last one before."""
        wanted = self._map.instruction
        if not isinstance(wanted, FieldMap):
            return wanted
        told = self._scan.told.get(wanted)
        if told is None or not told.values:
            return ''
        first = int(np.searchsorted(told.stamps, span.start_ns))
        inside = first < len(told.values) and told.stamps[first] < span.end_ns
        return str(told.values[first if inside else max(first - 1, 0)])

    def _subtasks(self, span: _Span) -> tuple[SubtaskSpan, ...]:
        told = self._scan.told.get(self._map.subtasks) if self._map.subtasks else None
        runs = _runs(told, span.end_ns) if told else []
        return tuple(
            SubtaskSpan(max(run.start_ns, span.start_ns), min(run.end_ns, span.end_ns), run.label)
            for run in runs
            if run.label and run.start_ns < span.end_ns and run.end_ns > span.start_ns)

    def _meta(self, span: _Span) -> dict[str, str | int | float | bool]:
        meta = {'source': self._bag.path.name}
        if span.label:
            meta['label'] = span.label
        for name, column in self._scan.columns.items():
            if column.by_log:
                meta[f'stamps/{name}'] = 'log time'
            if column.left_out:
                meta[f'left_out/{name}'] = column.left_out
        rules = {name: column.entry.rule for name, column in self._scan.columns.items()}
        return meta | declaration(rules, self._map.instants, self._map.fps)


def _runs(told: Told, end_ns: int) -> list[_Span]:
    """Return the times in which a field kept one value."""
    ends = [*told.stamps[1:], max(end_ns, told.stamps[-1])] if told.values else []
    return [_Span(start, end, value if isinstance(value, str) else f'{value:g}')
            for start, end, value in zip(told.stamps, ends, told.values)]


def _is_running(label: str) -> bool:
    """Say whether a value stands for an episode: not empty, false, zero or below."""
    if label.lower() in ('', 'false', 'none', 'idle'):
        return False
    try:
        return float(label) > 0
    except ValueError:
        return True
