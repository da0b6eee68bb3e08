"""One pass over somebody else's bag: what a topic map asks for, and a line for what is amiss."""

from array import array
from collections.abc import Callable
import struct
from typing import Any

import numpy as np
from rosbags.typesys.store import Typestore
from vla_core.errors import InvalidDataError
from vla_recorder.bag.fields import check_path, follow, NothingThere, numbers, parse_path
from vla_recorder.bag.folder import Bag
from vla_recorder.bag.images import COMPRESSED, IMAGE
from vla_recorder.bag.rows import Numbers, Pictures
from vla_recorder.bag.source import Message, one_line
from vla_recorder.bag.topic_map_file import FieldMap, StreamMap, TopicMap
from vla_recorder.bag.types import decode, types_of

CLOCKS_NS = 60 * 10**9  # header stamps this far from the log time are of another clock
_HEADER = 'std_msgs/msg/Header'
_ODD = (ValueError, AttributeError, IndexError, TypeError,
        OverflowError)


class Column:
    """One stream while the bag is read; what does not fit is left out, counted and told."""

    def __init__(self, entry: StreamMap) -> None:
        self.entry = entry
        self.rows = Numbers(entry.take) if entry.take.paths else Pictures(entry.take)
        self.steps = parse_path(entry.take.paths[0]) if entry.take.paths else ()
        self.left_out = 0
        self.why = ''  # the first message was left out
        self.by_log = 0  # samples stamped by the time they were recorded
        self.apart_ns = 0  # first header stamp minus its log time

    def leave_out(self, why: str) -> None:
        """Count a message that does not fit."""
        self.left_out += 1
        self.why = self.why or why

    def stamp(self, log_ns: int, header_ns: int | None) -> int | None:
        """Return the stamp of a message; None where it is not newer than the one before."""
        stamp = header_ns if header_ns else log_ns
        stamps = self.rows.stamps
        if stamps and stamp <= stamps[-1]:
            again = 'again' if stamp == stamps[-1] else f'after {stamps[-1]}'
            self.leave_out(f'got stamp {stamp} {again} ns, allowed strictly increasing')
            return None
        self.by_log += not header_ns
        if header_ns and not stamps:
            self.apart_ns = header_ns - log_ns
        return stamp


class Told:
    """Values of a text or number field, when it changed."""

    def __init__(self, field: FieldMap) -> None:
        self.field = field
        self.steps = parse_path(field.field)
        self.stamps = array('q')
        self.values: list[str | float] = []

    def add(self, stamp_ns: int, message: Any) -> None:
        """Take the value out of a message if it is another one than before."""
        value = follow(message, self.steps)
        if not isinstance(value, str):
            value = float(numbers(value)[0])
        if not self.values or value != self.values[-1]:
            self.stamps.append(max(stamp_ns, self.stamps[-1] if self.stamps else stamp_ns))
            self.values.append(value)


class Scan:
    """All streams and fields of a map, as found in a bag."""

    def __init__(self, bag: Bag, topic_map: TopicMap) -> None:
        """Read the bag once; raise InvalidDataError where its clocks cannot be compared."""
        self._bag, self._map = bag, topic_map
        self.problems: list[str] = []
        self.columns = {entry.take.stream: Column(entry) for entry in topic_map.streams}
        fields = (topic_map.instruction, topic_map.episodes, topic_map.subtasks)
        self.told = {field: Told(field) for field in fields if isinstance(field, FieldMap)}
        self.store = self._types()
        self._leave_unknown_fields()
        self._read()
        self._report()

    def type_of(self, topic: str) -> str:
        """Return the name of a topic's type."""
        return self._bag.topics[topic].type_name

    def where(self, topic: str) -> str:
        """Return how a line about a topic begins."""
        return f'{self._bag.path}: topic {topic}'

    def _types(self) -> Typestore:
        wanted = {c.entry.topic for c in self.columns.values()} | {f.topic for f in self.told}
        present = wanted & self._bag.topics.keys()
        for topic in sorted(wanted - present):
            known = ', '.join(sorted(self._bag.topics)) or 'none'
            self._drop(topic, f'got no such topic, allowed {known}')
        store, bad = types_of(self._bag.topics[name] for name in sorted(present))
        for topic, why in bad.items():
            self._drop(topic, why)
        return store

    def _leave_unknown_fields(self) -> None:
        for name, column in list(self.columns.items()):
            topic, take = column.entry.topic, column.entry.take
            kind = self.type_of(topic)
            names = (take.names_path,) if take.names else ()
            try:
                if not take.paths and kind not in (IMAGE, COMPRESSED):
                    raise InvalidDataError(f'got {kind}, allowed {IMAGE} or {COMPRESSED}')
                for path in (*take.paths, *names):
                    check_path(self.store, kind, path)
            except InvalidDataError as error:
                del self.columns[name]
                self.problems.append(f'{self.where(topic)}: {error}; {name} is left out')
        for field in list(self.told):
            try:
                check_path(self.store, self.type_of(field.topic), field.field)
            except InvalidDataError as error:
                self._drop(field.topic, str(error))

    def _read(self) -> None:
        columns: dict[str, list[Column]] = {}
        for column in self.columns.values():
            columns.setdefault(column.entry.topic, []).append(column)
        told: dict[str, list[Told]] = {}
        for field, values in self.told.items():
            told.setdefault(field.topic, []).append(values)
        topics = columns.keys() | told.keys()
        stamps = {name: self._stamp_reader(name) for name in topics}
        pictures = {name for name in columns if name not in told
                    and all(isinstance(c.rows, Pictures) for c in columns[name])}
        for message in self._bag.messages(topics, pictures):
            name = message.topic
            self._take(message, columns.get(name, ()), told.get(name, ()), stamps[name],
                       name in pictures)

    def _take(self, message: Message, columns: list[Column], told: list[Told],
              stamp_of: Callable[[Message, Any, tuple], int | None], brief: bool) -> None:
        try:
            decoded = None if brief else decode(
                self.store, message.data, self.type_of(message.topic))
            for values in told:
                values.add(stamp_of(message, decoded, values.steps) or message.log_ns, decoded)
        except _ODD as error:
            for column in columns:
                column.leave_out(one_line(error))
            return
        for column in columns:
            try:
                stamp = column.stamp(message.log_ns, stamp_of(message, decoded, column.steps))
                if stamp is None:
                    continue
                place = message.place if isinstance(column.rows, Pictures) else decoded
                column.rows.add(stamp, place)
            except NothingThere:
                continue
            except _ODD as error:
                column.leave_out(one_line(error))

    def _stamp_reader(self, topic: str) -> Callable[[Message, Any, tuple], int | None]:
        """Return what finds the header stamp [ns] of a message, None where there is none."""
        if not self._map.header_stamps:
            return lambda message, decoded, steps: None
        fields = self.store.fielddefs[self.type_of(topic)][1]
        if fields and fields[0][1][1] == _HEADER:
            return lambda message, decoded, steps: _stamp_at_front(message)
        return lambda message, decoded, steps: _stamp_on_the_way(decoded, steps)

    def _report(self) -> None:
        for name, column in list(self.columns.items()):
            topic = column.entry.topic
            if column.left_out:
                self.problems.append(
                    f'{self.where(topic)}: {column.left_out} messages left out of {name}; '
                    f'the first: {column.why}')
            if not column.rows.stamps:
                self.problems.append(f'{self.where(topic)}: got no sample of {name}; left out')
                del self.columns[name]
        far = [c for c in self.columns.values() if abs(c.apart_ns) > CLOCKS_NS]
        log = [c for c in self.columns.values() if c.by_log]
        if far and log:
            raise InvalidDataError(
                f'{self.where(log[0].entry.topic)}: it has log time only, and header stamps of '
                f'{far[0].entry.topic} are {far[0].apart_ns / 1e9:.0f} s apart from log time; '
                'allowed one clock, e.g. `stamps: log` in the map')

    def _drop(self, topic: str, why: str) -> None:
        """Leave out all that comes from a topic."""
        gone = [name for name, c in self.columns.items() if c.entry.topic == topic]
        what = ', '.join(gone)
        self.problems.append(f'{self.where(topic)}: {why}{f"; {what} left out" if gone else ""}')
        for name in gone:
            del self.columns[name]
        for field in [f for f in self.told if f.topic == topic]:
            del self.told[field]


def _stamp_at_front(message: Message) -> int:
    order = '<' if message.data[1] else '>'
    seconds, nanoseconds = struct.unpack_from(f'{order}iI', message.data, 4)
    return seconds * 10**9 + nanoseconds


def _stamp_on_the_way(decoded: Any, steps: tuple[tuple[str, str | None], ...]) -> int | None:
    """Return the stamp of the innermost message with a header on the way to a field."""
    found = None
    for count in range(len(steps) + 1):
        header = getattr(follow(decoded, steps[:count]), 'header', None)
        if header is not None:
            found = header.stamp.sec * 10**9 + header.stamp.nanosec
    return found


def rows_between(stamps: np.ndarray, start_ns: int, end_ns: int, margin_ns: int) -> slice:
    """Return the rows from start to end, and one before and after that is near enough."""
    first, stop = np.searchsorted(stamps, [start_ns, end_ns])
    if first > 0 and stamps[first - 1] >= start_ns - margin_ns:
        first -= 1
    if stop < len(stamps) and stamps[stop] <= end_ns + margin_ns:
        stop += 1
    return slice(int(first), int(stop))
