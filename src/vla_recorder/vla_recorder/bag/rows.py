"""Streams of a bag in one pass over its file: numbers into arrays, pictures by their places."""

from array import array
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from rosbags.typesys.store import Typestore
from vla_core.episode import DEPTH_PREFIX, Stream
from vla_core.errors import InvalidDataError
from vla_core.lazy import Values
from vla_recorder.bag.fields import NothingThere, Take, taker
from vla_recorder.bag.images import as_colour, as_depth, BagImages
from vla_recorder.bag.source import Message, Place, Source
from vla_recorder.bag.types import decode, types_of


class Numbers:
    """The values of a stream of numbers as they come."""

    def __init__(self, take: Take) -> None:
        self.take = take
        self.stamps = array('q')
        self._value_of = taker(take)
        self._bytes = bytearray()
        self._shape = take.shape

    def add(self, stamp_ns: int, message: Any) -> None:
        """Take the value out of a message; raise NothingThere or InvalidDataError."""
        value = self._value_of(message)
        if self._shape is None:
            self._shape = value.shape
        if value.shape != self._shape:
            raise InvalidDataError(f'got values of shape {value.shape}, allowed {self._shape}')
        self._bytes += value.tobytes()
        self.stamps.append(stamp_ns)

    def stream(self) -> Stream:
        """Return all values."""
        shape = (len(self.stamps), *(self._shape or ()))
        values = np.frombuffer(bytes(self._bytes), np.dtype(self.take.dtype)).reshape(shape)
        return Stream(_int64(self.stamps), values)


class Pictures:
    """The places of a stream of pictures as they come."""

    def __init__(self, take: Take) -> None:
        self.take = take
        self.stamps = array('q')
        self.places: list[Place] = []

    def add(self, stamp_ns: int, place: Place) -> None:
        """Remember where a picture lies."""
        self.places.append(place)
        self.stamps.append(stamp_ns)

    def stream(self, source: Source, store: Typestore, type_name: str, where: str) -> Stream:
        """Return the pictures, still in their file."""
        return Stream(_int64(self.stamps), self._values(source, store, type_name, where))

    def _values(self, source: Source, store: Typestore, type_name: str, where: str) -> Values:
        take = self.take
        if not self.places:
            return np.empty((0, *(take.shape or ())), take.dtype)
        form = form_of(take)
        return BagImages(source, store, type_name, where, self.places, form)


def form_of(take: Take) -> Callable[[np.ndarray], np.ndarray]:
    """Return what makes a picture of a message one of the stream."""
    if take.shape is not None:  # of ours: it is what it was
        return lambda picture: picture.reshape(take.shape)
    return as_depth if take.stream.startswith(DEPTH_PREFIX) else as_colour


def read_streams(
    source: Source, takes: Mapping[str, Collection[Take]],
) -> tuple[dict[str, Stream], dict[str, int]]:
    """Return the streams of a bag of ours, and how many messages were left out of which.

    The stamps are the log times. Messages of other nodes (takes without a shape) that do not
    fit are left out; one of ours raises InvalidDataError naming the topic.
    """
    topics = {name: source.topics[name] for name in takes}
    store, problems = types_of(topics.values())
    for name, problem in problems.items():
        raise InvalidDataError(f'topic {name}: {problem}')
    numbers = {name: [Numbers(t) for t in found if t.paths] for name, found in takes.items()}
    pictures = {name: [Pictures(t) for t in found if not t.paths] for name, found in takes.items()}
    left_out: dict[str, int] = {}
    for message in source.messages(takes):
        for column in pictures[message.topic]:
            column.add(message.log_ns, message.place)
        if numbers[message.topic]:
            _add(numbers[message.topic], message, store, topics[message.topic].type_name, left_out)
    streams = {column.take.stream: column.stream()
               for columns in numbers.values() for column in columns}
    for name, columns in pictures.items():
        for column in columns:
            streams[column.take.stream] = column.stream(
                source, store, topics[name].type_name, f'topic {name}')
    return streams, left_out


def _add(columns: list[Numbers], message: Message, store: Typestore, type_name: str,
         left_out: dict[str, int]) -> None:
    decoded = None
    for column in columns:
        try:
            decoded = decoded or decode(store, message.data, type_name)
            column.add(message.log_ns, decoded)
        except NothingThere:
            continue
        except (ValueError, AttributeError, IndexError) as error:
            if column.take.shape is not None:
                raise InvalidDataError(f'topic {message.topic}: {error}') from error
            left_out[column.take.stream] = left_out.get(column.take.stream, 0) + 1


def _int64(stamps: array) -> np.ndarray:
    return np.frombuffer(stamps, dtype=np.int64).copy() if stamps else np.empty(0, np.int64)
