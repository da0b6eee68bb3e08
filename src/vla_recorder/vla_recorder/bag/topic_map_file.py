"""The YAML that maps the topics of somebody else's bag to the streams of an Episode."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from vla_core.episode import ACTION, check_name
from vla_core.errors import InvalidDataError
from vla_core.spec import ALIGNMENTS, StreamSpec
from vla_recorder.bag.fields import parse_path, Take
from vla_recorder.bag.source import one_line
from vla_recorder.table import HOLD, is_picture, NEAREST
import yaml

_TOP = ('robot', 'task', 'instruction', 'success', 'instants', 'fps', 'stamps', 'episodes',
        'subtasks', 'streams')
_STREAM = ('topic', 'field', 'names', 'names_field', 'indices', 'scale', 'offset', 'dtype',
           'align', 'max_age_s')
_TEXT = ('topic', 'field')


@dataclass(frozen=True)
class StreamMap:
    """Where a stream comes from and how it is brought to the instants of a table."""

    topic: str
    take: Take
    rule: StreamSpec


@dataclass(frozen=True)
class FieldMap:
    """A field of one topic: text, or a number that says which episode is running."""

    topic: str
    field: str


@dataclass(frozen=True)
class TopicMap:
    """All that a bag does not say of itself."""

    path: Path
    streams: tuple[StreamMap, ...]
    robot: str = 'unknown'
    task: str = ''
    instruction: str | FieldMap = ''
    success: bool | None = None
    instants: str = ''  # stream whose stamps are the frames of a table; empty: action, or a camera
    fps: int | None = None
    header_stamps: bool = True  # of messages that have one; False: when they were recorded
    gap_s: float | None = None  # a pause of the instants that parts two episodes
    episodes: FieldMap | None = None  # an episode is a time in which it keeps one value
    subtasks: FieldMap | None = None


def load_topic_map(path: Path) -> TopicMap:
    """Return the map in a YAML file; raise InvalidDataError that names the file and the key."""
    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text())
        return _parse(path, data)
    except InvalidDataError as error:
        raise InvalidDataError(f'{path}: {error}') from error
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidDataError(f'{path}: not a topic map ({one_line(error)})') from error


def _parse(path: Path, data: Any) -> TopicMap:
    _check_keys('topic map', data, _TOP)
    entries = data.get('streams')
    if not isinstance(entries, dict) or not entries:
        raise InvalidDataError('streams: got none, allowed one or more')
    streams = tuple(_stream(name, entry) for name, entry in entries.items())
    instants = _text('instants', data.get('instants', ''))
    if instants and instants not in entries:
        raise InvalidDataError(f'instants: got {instants!r}, allowed {", ".join(entries)}')
    fps, stamps = data.get('fps'), data.get('stamps', 'header')
    if fps is not None and (type(fps) is not int or fps < 1):
        raise InvalidDataError(f'fps: got {fps!r}, allowed a whole number, 1 or more')
    if stamps not in ('header', 'log'):
        raise InvalidDataError(f'stamps: got {stamps!r}, allowed header, log')
    if data.get('success') not in (None, True, False):
        raise InvalidDataError(f'success: got {data["success"]!r}, allowed true, false')
    gap_s, episodes = _episodes(data.get('episodes', 'whole'))
    instruction = data.get('instruction', '')
    return TopicMap(
        path, streams, robot=check_name('robot', _text('robot', data.get('robot', 'unknown'))),
        task=_text('task', data.get('task', '')),
        instruction=(_field('instruction', instruction) if isinstance(instruction, dict)
                     else _text('instruction', instruction)),
        success=data.get('success'), instants=instants, fps=fps, header_stamps=stamps == 'header',
        gap_s=gap_s, episodes=episodes,
        subtasks=_field('subtasks', data['subtasks']) if 'subtasks' in data else None)


def _stream(name: str, entry: Any) -> StreamMap:
    what = f'streams: {name}'
    check_name('stream', name)
    _check_keys(what, entry, _STREAM)
    if not isinstance(entry.get('topic'), str):
        raise InvalidDataError(f'{what}: topic: got {entry.get("topic")!r}, allowed a name')
    default = NEAREST if is_picture(name) else HOLD
    align, age = entry.get('align', default.align), entry.get('max_age_s', default.max_age_s)
    if align not in ALIGNMENTS:
        raise InvalidDataError(f'{what}: align: got {align!r}, allowed {", ".join(ALIGNMENTS)}')
    if isinstance(age, bool) or not isinstance(age, int | float) or not age >= 0:
        raise InvalidDataError(f'{what}: max_age_s: got {age!r}, allowed 0 or more')
    return StreamMap(entry['topic'], _take(what, name, entry), StreamSpec(align, float(age)))


def _take(what: str, name: str, entry: Mapping[str, Any]) -> Take:
    if is_picture(name):
        odd = [key for key in entry if key not in ('topic', 'align', 'max_age_s')]
        if odd:
            raise InvalidDataError(f'{what}: got {odd[0]} for pictures, allowed none')
        return Take(name, ())
    if 'names' in entry and 'indices' in entry:
        raise InvalidDataError(f'{what}: got names and indices, allowed one of them')
    paths = tuple(_listed(what, 'field', entry.get('field'), str))
    if not paths:
        raise InvalidDataError(f'{what}: field: got none, allowed e.g. position')
    for path in (*paths, entry.get('names_field', 'name')):
        parse_path(path)
    indices = tuple(_listed(what, 'indices', entry.get('indices'), int))
    if any(index < 0 for index in indices):
        raise InvalidDataError(f'{what}: indices: got {min(indices)}, allowed 0 or more')
    return Take(
        name, paths, _dtype(what, entry.get('dtype', 'float32' if name == ACTION else 'float64')),
        names=tuple(_listed(what, 'names', entry.get('names'), str)),
        names_path=entry.get('names_field', 'name'), indices=indices,
        scale=tuple(map(float, _listed(what, 'scale', entry.get('scale'), (int, float)))),
        offset=tuple(map(float, _listed(what, 'offset', entry.get('offset'), (int, float)))))


def _dtype(what: str, name: Any) -> str:
    try:
        dtype = np.dtype(name)
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in 'biuf' or name is None:
        raise InvalidDataError(f'{what}: dtype: got {name!r}, allowed e.g. float32')
    return dtype.str


def _listed(what: str, key: str, value: Any, kind: type | tuple[type, ...]) -> list:
    """Return a list of one or more items; a single item may stand for itself."""
    items = [] if value is None else value if isinstance(value, list) else [value]
    odd = [item for item in items if not isinstance(item, kind) or isinstance(item, bool)]
    if odd:
        raise InvalidDataError(f'{what}: {key}: got {odd[0]!r}, allowed one or a list of them')
    return items


def _episodes(value: Any) -> tuple[float | None, FieldMap | None]:
    if value == 'whole':
        return None, None
    if isinstance(value, dict) and list(value) == ['gap_s']:
        gap = value['gap_s']
        if isinstance(gap, bool) or not isinstance(gap, int | float) or not gap > 0:
            raise InvalidDataError(f'episodes: gap_s: got {gap!r}, allowed above 0')
        return float(gap), None
    if isinstance(value, dict) and 'topic' in value:
        return None, _field('episodes', value)
    raise InvalidDataError(
        f'episodes: got {value!r}, allowed whole, {{gap_s: 2.0}} or {{topic: .., field: ..}}')


def _field(what: str, entry: Any) -> FieldMap:
    _check_keys(what, entry, _TEXT)
    topic, field = entry.get('topic'), entry.get('field', 'data')
    if not isinstance(topic, str) or not isinstance(field, str):
        raise InvalidDataError(f'{what}: got {entry!r}, allowed a topic and a field')
    parse_path(field)
    return FieldMap(topic, field)


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidDataError(f'{what}: got {value!r}, allowed text')
    return value


def _check_keys(what: str, entry: Any, allowed: tuple[str, ...]) -> None:
    if not isinstance(entry, dict):
        raise InvalidDataError(f'{what}: got {entry!r}, allowed {", ".join(allowed)}')
    odd = [key for key in entry if key not in allowed]
    if odd:
        raise InvalidDataError(f'{what}: got {odd[0]!r}, allowed {", ".join(allowed)}')
