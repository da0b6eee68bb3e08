"""An episode of an RLDS folder that others wrote, such as those of Open X-Embodiment.

| feature of a step | stream |
|---|---|
| `observation/NAME`, a colour image | `observation/images/NAME` |
| `observation/NAME`, an image of one channel in uint16 or float32 | `observation/depth/NAME` |
| `observation/NAME`, a number or a vector of them | `observation/state/NAME` |
| `observation/NAME`, other images and tensors | `observation/NAME` |
| `action`, `action/NAME` | the same |
| other numbers: `reward`, `discount`, `is_terminal`, ... | the same |

Nothing tells when a step was: step k counts as k / fps seconds. `is_first` and `is_last` say no
more than where the episode ends. Text that changes within an episode makes its subtasks. Left
out: features of unknown or changing shape that are no images, and other texts of the steps.
"""

from itertools import groupby
from math import prod
import re

import numpy as np
from vla_core.episode import DEPTH_PREFIX, Episode, IMAGE_PREFIX, Stream, SubtaskSpan
from vla_core.lazy import Values
from vla_recorder.rlds.decode import Example
from vla_recorder.rlds.example import read
from vla_recorder.rlds.features import Feature, STEPS
from vla_recorder.rlds.rows import decode_image

ROBOT = 'unknown'
FPS = 10.0  # where nobody says better
_BOUNDS = ('steps/is_first', 'steps/is_last')
_OBSERVATION = 'steps/observation/'
_INSTRUCTIONS = ('steps/language_instruction', 'steps/observation/natural_language_instruction',
                 'steps/observation/language_instruction', 'episode_metadata/language_instruction')
_KNOWN = ('float16', 'float32', 'float64', 'bool', 'int8', 'int16', 'int32', 'int64',
          'uint8', 'uint16', 'uint32', 'uint64')


def decode_foreign(example: Example, episode_id: str, split: str, fps: float) -> Episode:
    """Return the episode; raise ValueError where its features disagree."""
    steps = _count(example)
    stamps = np.rint(np.arange(steps) * (1e9 / fps)).astype(np.int64)
    streams = {}
    for path, feature in _columns(example).items():
        values = _values(example, path, feature, steps)
        name = _stream_name(path, feature, values.shape[1:])
        if name in streams:
            raise ValueError(f'{path}: got a second stream {name}, allowed names that differ')
        streams[name] = Stream(stamps, values)
    lines = next(filter(None, map(example.texts, _INSTRUCTIONS)), [''])
    return Episode(
        episode_id=episode_id, robot=ROBOT, task='', instruction=lines[0], streams=streams,
        subtasks=_subtasks(lines, stamps), meta={**_metadata(example), 'split': split,
                                                 'stamps': f'made up: step / {fps:g} Hz'})


def _columns(example: Example) -> dict[str, Feature]:
    """Return the features that become streams."""
    return {
        path: feature for path, feature in example.features.items()
        if path.startswith(STEPS) and path not in _BOUNDS and path in example.found
        and feature.kind in ('image', 'tensor') and feature.dtype in _KNOWN
        and (feature.kind == 'image' or None not in feature.shape)}


def _count(example: Example) -> int:
    """Return the number of steps, as the first feature that tells says."""
    for path in (*_BOUNDS, *example.features):
        feature, found = example.features.get(path), example.found.get(path)
        if not path.startswith(STEPS) or feature is None or found is None:
            continue
        size = prod(length or 0 for length in feature.shape)
        if found.places and (feature.dtype != 'string' or size == 1):
            return len(found.places)
        if found.numbers and size:
            return found.values().size // size
    raise ValueError('got no steps, allowed 1 or more')


def _values(example: Example, path: str, feature: Feature, steps: int) -> Values:
    shape = feature.shape
    if feature.kind == 'image':
        if None in shape or len(shape) != 3:
            shape = decode_image(feature, read(example.file, example.found[path].places[0])).shape
        if feature.dtype in ('uint16', 'float32') and shape[2:] == (1,):
            shape = shape[:2]
    return example.rows(path, feature, steps, tuple(shape))


def _stream_name(path: str, feature: Feature, row: tuple[int, ...]) -> str:
    name = re.sub(r'[^A-Za-z0-9._/-]|\.\.+', '_', path.removeprefix(STEPS))
    if not path.startswith(_OBSERVATION):
        return name
    short = name.removeprefix('observation/')
    if feature.kind == 'image':
        colour = feature.dtype == 'uint8' and row[2:] == (3,)
        depth = feature.dtype in ('uint16', 'float32') and len(row) == 2
        return IMAGE_PREFIX + short if colour else DEPTH_PREFIX + short if depth else name
    return f'observation/state/{short}' if len(row) < 2 else name


def _subtasks(lines: list[str], stamps: np.ndarray) -> tuple[SubtaskSpan, ...]:
    """Return a span for each text, if there are several, one a step."""
    if len(lines) != len(stamps) or len(set(lines)) == 1:
        return ()
    spans, start = [], 0
    for text, run in groupby(lines):
        end = start + len(list(run))
        spans.append(SubtaskSpan(
            int(stamps[start]), int(stamps[min(end, len(stamps) - 1)]), text))
        start = end
    return tuple(spans)


def _metadata(example: Example) -> dict[str, str | int | float | bool]:
    """Return the texts and single numbers of episode_metadata."""
    meta: dict[str, str | int | float | bool] = {}
    for path, feature in example.features.items():
        name = path.removeprefix('episode_metadata/')
        if name == path or path not in example.found:
            continue
        values: list = []
        if feature.kind == 'text' or feature.dtype == 'string':
            values = example.texts(path)
        elif feature.dtype in _KNOWN and feature.shape == () and feature.encoding == 'none':
            values = example.numbers(path).astype(feature.dtype).tolist()
        if len(values) == 1:
            meta[name] = values[0]
    return meta
