"""Types of ROS messages without ROS: the standard ones, and those a bag brings with it."""

from collections.abc import Collection, Iterable
from functools import cache, lru_cache
import re
import struct
import sys
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.serde import SerdeError
from rosbags.typesys import get_types_from_idl, get_types_from_msg, get_typestore, Stores
from rosbags.typesys.base import TypesysError
from rosbags.typesys.store import Typestore
from vla_core.errors import InvalidDataError
from vla_recorder.bag.source import one_line, Topic

_IDL_NAMES = {'double': 'float64', 'float': 'float32', 'boolean': 'bool', 'octet': 'byte'}
_SEQUENCE = re.compile(r'sequence<(.+?)(?:, (\d+))?>')
_ARRAY = re.compile(r'(.+)\[(\d+)\]')


@cache
def standard_types() -> Typestore:
    """Return the types of ROS 2 Jazzy."""
    return get_typestore(Stores.ROS2_JAZZY)


def types_of(topics: Iterable[Topic]) -> tuple[Typestore, dict[str, str]]:
    """Return the types that a bag's topics need, and why a topic's type cannot be used.

    The bag's own definitions come first: they are what its messages were written with.
    """
    topics = list(topics)
    store, bad = _store_of(tuple(dict.fromkeys(
        (topic.type_name, topic.definition, topic.encoding) for topic in topics)))
    problems = {topic.name: f'got type {topic.type_name!r} ({bad[topic.type_name]}), '
                'allowed a known one' for topic in topics if topic.type_name in bad}
    return store, problems


@lru_cache(maxsize=16)  # the episodes of a data set have the same types
def _store_of(types: tuple[tuple[str, str, str], ...]) -> tuple[Typestore, dict[str, str]]:
    store, bad = get_typestore(Stores.EMPTY), {}
    for name, definition, encoding in types:
        if name in store.types:
            continue
        try:
            if definition and 'idl' in encoding:
                store.register(get_types_from_idl(definition))
            elif definition:
                store.register(get_types_from_msg(definition, name))
            else:
                _register_standard(store, name)
            store.get_msgdef(name)
        except (TypesysError, KeyError, SyntaxError) as error:
            bad[name] = one_line(error)
    return store, bad


def decode(store: Typestore, data: bytes | memoryview, type_name: str) -> Any:
    """Return the message in CDR `data`; raise InvalidDataError for another one.

    Bytes behind the message are passed over: `rclpy.serialization` leaves some there.
    """
    if len(data) < 4 or bytes(data[:2]) not in (b'\0\0', b'\0\1'):
        raise InvalidDataError(f'got {bytes(data[:4])!r}, allowed CDR')
    kind = store.get_msgdef(type_name)
    parse = kind.deserialize_cdr_le if data[1] else kind.deserialize_cdr_be
    try:
        return parse(data[4:], 0, kind.cls, store)[0]
    except (SerdeError, struct.error, UnicodeDecodeError, ValueError, IndexError) as error:
        raise InvalidDataError(
            f'got {len(data)} bytes that are no {type_name} ({one_line(error)})') from error


def _register_standard(store: Typestore, type_name: str) -> None:
    known = standard_types()
    needed, waiting = set(), [type_name]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [part for _, kind in known.fielddefs[name][1] for part in _nested(kind)]
    store.register({name: known.fielddefs[name] for name in needed if name not in store.types})


def _nested(kind: tuple) -> list[str]:
    node, detail = kind
    if node == Nodetype.NAME:
        return [detail]
    return _nested(detail[0]) if node in (Nodetype.ARRAY, Nodetype.SEQUENCE) else []


@cache
def standard_definition(type_name: str) -> str:
    """Return the text of a standard type with all it is made of; raise InvalidDataError."""
    try:
        return standard_types().generate_msgdef(type_name, ros_version=2)[0]
    except TypesysError as error:
        raise InvalidDataError(
            f'message type: got {type_name!r}, allowed a type of ROS 2 Jazzy, or any other '
            'with its definition') from error


def standard_hash(type_name: str) -> str:
    """Return the RIHS01 hash of a standard type; empty for another."""
    known = standard_types()
    return known.hash_rihs01(type_name) if type_name in known.fielddefs else ''


def definition_of(message_type: type, others: Collection[type] = ()) -> str:
    """Return the text of a type from its rclpy class, as `ros2 interface show` would.

    `others` are the classes of messages inside it that are neither standard nor members of
    the same module. Constants and defaults are left out: no reader of data needs them.
    """
    known = {_name(other): other for other in others}
    texts, waiting = {}, [message_type]
    while waiting:
        kind = waiting.pop()
        lines = []
        for field, text in kind.get_fields_and_field_types().items():
            base, shown = _msg_text(text)
            lines.append(f'{shown} {field}')
            if '/' in base and base not in texts and all(_name(k) != base for k in waiting):
                inner = known.get(base) or _sibling(kind, base)
                if inner is not None:
                    waiting.append(inner)
                else:
                    texts |= _standard_parts(base)
        texts[_name(kind)] = '\n'.join(lines)
    first = texts.pop(_name(message_type))
    rest = [f'{"=" * 80}\nMSG: {name}\n{text}' for name, text in texts.items()]
    return '\n'.join([first, *rest]) + '\n'


def _standard_parts(name: str) -> dict[str, str]:
    package, kind = name.split('/')
    text = standard_definition(f'{package}/msg/{kind}')
    first, *rest = re.split(r'={80}\nMSG: (.+)\n', text)
    return {name: first.strip(), **{n: t.strip() for n, t in zip(rest[::2], rest[1::2])}}


def _msg_text(text: str) -> tuple[str, str]:
    """Return the base type and the whole in .msg syntax of a field in rclpy's words."""
    if found := _SEQUENCE.fullmatch(text):
        base, shown = _msg_text(found[1])
        return base, f'{shown}[{"<=" + found[2] if found[2] else ""}]'
    if found := _ARRAY.fullmatch(text):
        base, shown = _msg_text(found[1])
        return base, f'{shown}[{found[2]}]'
    if text.startswith('string<'):
        return 'string', f'string<={text[7:-1]}'
    name = _IDL_NAMES.get(text, text)
    return name, name


def _name(kind: type) -> str:
    return f'{kind.__module__.split(".")[0]}/{kind.__name__}'


def _sibling(kind: type, name: str) -> type | None:
    package, short = name.split('/')
    if package != kind.__module__.split('.')[0]:
        return None
    return getattr(sys.modules.get(f'{package}.msg'), short, None)
