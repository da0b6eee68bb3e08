"""What each stream of an Episode is called in RLDS, and how TFDS should keep it.

| stream | feature of a step |
|---|---|
| `observation/images/static` | `observation/image_static`: PNG, or JPEG where asked for |
| `observation/depth/static` | `observation/depth_static`: PNG of uint16 [mm] or float32 [m] |
| `observation/tactile/left` | `observation/tactile_left`: PNG |
| `observation/state/tool_pose` | `observation/tool_pose` |
| `action`, `action/proposed`, `sim/x` | `action`, `action_proposed`, `sim_x` |

Beside them a step has `reward` (1 at the end of a success), `discount`, `is_first`, `is_last`,
`is_terminal`, `language_instruction`, `stamp_ns` and, for each picture, `picture_stamp_ns`.

Floats of other widths are float32 to TFDS, as everywhere in Open X-Embodiment; `encode`
keeps their bits beside them. TFDS has an exact encoding, too, but loaders that leave decoding
for later, as all those built on dlimp do, would see it as strings.
"""

from collections.abc import Iterable
from math import prod

from vla_core.episode import DEPTH_PREFIX, IMAGE_PREFIX, TACTILE_PREFIX
from vla_core.errors import InvalidDataError
from vla_core.lazy import Values
from vla_recorder.rlds.features import Feature
from vla_recorder.table import is_picture, Table

HEADER = 'episode_metadata/vla_header'  # JSON: what Episode holds beside its streams
STAMP = 'steps/stamp_ns'
PICTURE_STAMP = 'steps/picture_stamp_ns/'  # + name of the picture
INSTRUCTION = 'steps/language_instruction'
BIG = 4096  # bytes of a row that is worth compressing
_OWN = {'steps/reward', 'steps/discount', 'steps/is_terminal'}  # a stream may take their place
_TAKEN = {STAMP, INSTRUCTION, 'steps/is_first', 'steps/is_last', 'steps/observation',
          PICTURE_STAMP.rstrip('/')}
_PICTURES = ((IMAGE_PREFIX, 'image_'), (DEPTH_PREFIX, 'depth_'), (TACTILE_PREFIX, 'tactile_'))


def paths_of(streams: Iterable[str]) -> dict[str, str]:
    """Return the path of the feature of each stream; no two are alike."""
    taken, paths = set(_TAKEN), {}
    for stream in sorted(streams):
        path = f'steps/{stream}' if f'steps/{stream}' in _OWN else _path_of(stream)
        while path in taken or (path in _OWN and path != f'steps/{stream}'):
            path += '_'
        taken.add(path)
        paths[stream] = path
    return paths


def feature_of(stream: str, values: Values, compress: bool) -> Feature:
    """Return the feature of the rows of `values` (N, ...): the same numbers, but for `rounds`.

    With `compress` colour images are JPEG. Raise InvalidDataError for numbers that TFDS does
    not know.
    """
    shape, name = tuple(values.shape[1:]), values.dtype.name
    if values.dtype.itemsize > 8:
        raise InvalidDataError(f'stream {stream}: got {name}, allowed numbers of 64 bits or fewer')
    if is_picture(stream) and prod(shape):
        if name == 'uint8' and len(shape) == 3 and shape[2] in (1, 3, 4):
            lossy = compress and stream.startswith(IMAGE_PREFIX) and shape[2] == 3
            return Feature('image', name, shape, 'jpeg' if lossy else 'png', stream)
        if name in ('uint16', 'float32') and (len(shape) == 2 or shape[2:] == (1,)):
            return Feature('image', name, (*shape[:2], 1), 'png', stream)
    if prod(shape) * values.dtype.itemsize >= BIG:
        return Feature('tensor', name, shape, 'zlib', stream)
    if not prod(shape):
        return Feature('tensor', name, shape, 'bytes', stream)
    kept = 'float32' if values.dtype.kind == 'f' else name
    return Feature('tensor', kept, shape, 'none', stream)


def rounds(feature: Feature, values: Values) -> bool:
    """Say whether a feature holds numbers of another type than the values it is made of."""
    return feature.dtype != values.dtype.name


def step_features(table: Table, compress: bool) -> dict[str, Feature]:
    """Return all features of the steps by path."""
    paths = paths_of(table.columns)
    features = {
        'steps/reward': Feature('tensor', 'float32'),
        'steps/discount': Feature('tensor', 'float32'),
        'steps/is_first': Feature('tensor', 'bool'),
        'steps/is_last': Feature('tensor', 'bool'),
        'steps/is_terminal': Feature('tensor', 'bool'),
        INSTRUCTION: Feature('text'),
        STAMP: Feature('tensor', 'int64', description='true stamp of the step [ns]'),
    }
    for stream, values in table.columns.items():
        features[paths[stream]] = feature_of(stream, values, compress)
        if is_picture(stream):
            features[picture_stamp(paths[stream])] = Feature(
                'tensor', 'int64', description='true stamp of the picture [ns]')
    return features


def picture_stamp(path: str) -> str:
    """Return the path of the stamps of the picture at `path`."""
    return PICTURE_STAMP + path.rpartition('/')[2]


def _path_of(stream: str) -> str:
    for prefix, word in _PICTURES:
        if stream.startswith(prefix):
            return f'steps/observation/{word}{stream.removeprefix(prefix).replace("/", "_")}'
    for prefix in ('observation/state/', 'observation/'):
        if stream.startswith(prefix):
            return f'steps/observation/{stream.removeprefix(prefix).replace("/", "_")}'
    return f'steps/{stream.replace("/", "_")}'
