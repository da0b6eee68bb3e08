"""Numbers of a message by the path of its field.

A path is names joined by dots; `[2]` picks one element of a list and `[child_frame_id=tool]`
the element with such a field: `transforms[child_frame_id=tool].transform`. What it leads to is
flattened in the order of its fields, so `pose` is x, y, z and a quaternion x, y, z, w.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
import re
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys.store import Typestore
from vla_core.errors import InvalidDataError

_STEP = re.compile(r'\.?([A-Za-z_]\w*)(?:\[([^\]]*)\])?')
_STAMPS = ('std_msgs/msg/Header', 'builtin_interfaces/msg/Time')


@dataclass(frozen=True)
class Take:
    """How a stream is taken out of the messages of a topic."""

    stream: str
    paths: tuple[str, ...]  # of fields whose numbers make up a value, one after another
    dtype: str = '<f8'
    shape: tuple[int, ...] | None = None  # of a value; None: (numbers,), or () of a single one
    names: tuple[str, ...] = ()  # elements by name, in this order; empty: all
    names_path: str = 'name'
    indices: tuple[int, ...] = ()  # elements by position, in this order; empty: all
    scale: tuple[float, ...] = ()  # of each number, or one for all; empty: as they are
    offset: tuple[float, ...] = ()  # added after the scale
    carrier: str = ''  # dtype in which the message carries the bits of `dtype`; empty: a number


class NothingThere(Exception):  # noqa: N818 - no error: the message only does not have it
    """This message does not speak of what is asked for."""


def parse_path(path: str) -> tuple[tuple[str, str | None], ...]:
    """Return the steps (name, selector) of a path; raise InvalidDataError."""
    steps, at = [], 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None or (at == 0) == path.startswith('.', at):
            raise InvalidDataError(
                f'field: got {path!r}, allowed names joined by dots, each with [..] or without')
        steps.append((found[1], found[2]))
        at = found.end()
    return tuple(steps)


def check_path(store: Typestore, type_name: str, path: str) -> None:
    """Raise InvalidDataError unless messages of the type have the field."""
    for name, selector in parse_path(path):
        known = dict(store.fielddefs[type_name][1]) if type_name in store.fielddefs else {}
        if name not in known:
            raise InvalidDataError(
                f'got field {name!r} in {path!r}, allowed {", ".join(known) or "nothing more"} '
                f'of {type_name or "a plain value"}')
        node, detail = known[name]
        is_list = node in (Nodetype.ARRAY, Nodetype.SEQUENCE)
        if selector is not None and not is_list:
            raise InvalidDataError(f'got [{selector}] in {path!r}, but {name!r} is no list')
        if is_list and selector is not None:
            node, detail = detail[0]
        type_name = detail if node == Nodetype.NAME else ''


def follow(message: Any, steps: tuple[tuple[str, str | None], ...]) -> Any:
    """Return what the steps lead to; raise NothingThere where a list does not have it."""
    for name, selector in steps:
        message = getattr(message, name)
        if selector is not None:
            message = _element(message, selector)
    return message


def _element(items: Any, selector: str) -> Any:
    key, equals, wanted = selector.partition('=')
    if not equals:
        if not selector.isdigit() or int(selector) >= len(items):
            raise NothingThere
        return items[int(selector)]
    for item in items:
        if str(getattr(item, key, None)) == wanted:
            return item
    raise NothingThere


def numbers(value: Any) -> np.ndarray:
    """Return all numbers (N,) in a field; arrays keep their dtype."""
    if isinstance(value, np.ndarray):
        return value.reshape(-1)
    if isinstance(value, bool | int | float | np.generic):
        return np.array([value])
    if isinstance(value, list):
        parts = [numbers(item) for item in value if not isinstance(item, str)]
    elif is_dataclass(value):
        inner = (getattr(value, field.name) for field in fields(value))
        parts = [numbers(item) for item in inner
                 if not isinstance(item, str) and getattr(item, '__msgtype__', '') not in _STAMPS]
    else:
        raise InvalidDataError(f'got {type(value).__name__}, allowed numbers')
    return np.concatenate(parts) if parts else np.empty(0)


def taker(take: Take) -> Callable[[Any], np.ndarray]:
    """Return a function from a message to a value of the stream.

    It raises NothingThere for a message without it, and InvalidDataError for one that does
    not fit.
    """
    paths = [parse_path(path) for path in take.paths]
    names_path = parse_path(take.names_path)
    dtype = np.dtype(take.dtype)
    if dtype.kind not in 'biuf':
        raise InvalidDataError(f'dtype: got {take.dtype!r}, allowed numbers')
    scale, offset = np.array(take.scale), np.array(take.offset)

    def value_of(message: Any) -> np.ndarray:
        parts = [numbers(follow(message, steps)) for steps in paths]
        row = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if take.names:
            row = row[_positions(take.names, follow(message, names_path), len(row))]
        if take.indices:
            if max(take.indices) >= len(row):
                raise InvalidDataError(
                    f'got {len(row)} numbers, allowed {max(take.indices) + 1} or more')
            row = row[list(take.indices)]
        if scale.size or offset.size:
            row = row * (scale if scale.size else 1.0) + (offset if offset.size else 0.0)
        if take.carrier:
            row = row.astype(take.carrier, copy=False).view(dtype.newbyteorder('='))
        return _shaped(row, dtype, take.shape)

    return value_of


def _positions(wanted: tuple[str, ...], names: list[str], count: int) -> list[int]:
    where = {name: k for k, name in enumerate(names)}
    present = [name for name in wanted if name in where]
    if not present:
        raise NothingThere  # a message of other joints on the same topic
    missing = [name for name in wanted if where.get(name, count) >= count]
    if missing:
        raise InvalidDataError(f'got no {missing[0]!r}, allowed {", ".join(names[:count])}')
    return [where[name] for name in wanted]


def _shaped(row: np.ndarray, dtype: np.dtype, shape: tuple[int, ...] | None) -> np.ndarray:
    row = row if row.dtype == dtype else row.astype(dtype)
    if shape is None:
        return row.reshape(() if len(row) == 1 else (-1,))
    if len(row) != int(np.prod(shape, dtype=int)):
        raise InvalidDataError(f'got {len(row)} numbers, allowed shape {shape}')
    return row.reshape(shape)
