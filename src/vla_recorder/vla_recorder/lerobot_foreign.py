"""What the features of a data set that LeRobot wrote are called in an Episode."""

import re

from vla_core.episode import ACTION, DEPTH_PREFIX, IMAGE_PREFIX
from vla_core.errors import InvalidDataError

STATE = 'observation/state/state'
_PLACES = frozenset({'timestamp', 'frame_index', 'episode_index', 'index', 'task_index'})
_NUMBERS = re.compile(r'bool|u?int(8|16|32|64)|float(16|32|64)')


def stream_of(key: str, feature: dict) -> str | None:
    """Return the stream of a feature; None for those that are text or number the frames."""
    dtype = feature['dtype']
    picture = dtype in ('video', 'image')
    if key in _PLACES or not picture and not _NUMBERS.fullmatch(dtype):
        return None
    name = re.sub(r'[^A-Za-z0-9._/-]', '_', key.replace('.', '/'))
    if not picture:
        return {'observation/state': STATE, 'action': ACTION}.get(name, name)
    camera = name.removeprefix('observation/images/').removeprefix('observation/')
    if _is_depth(feature):
        if dtype == 'video':
            raise InvalidDataError(
                f'feature {key!r}: got depth as a video of rounded distances, '
                'allowed depth as images')
        return DEPTH_PREFIX + camera.removesuffix('_depth')
    return IMAGE_PREFIX + camera


def picture_shape(feature: dict) -> tuple[int, int, int]:
    """Return (height, width, channels) of a picture; `names` tells their order."""
    shape, names = feature['shape'], feature.get('names')
    if len(shape) == 2:
        return (*shape, 1)
    if isinstance(names, list) and names[:1] in (['channels'], ['channel']):
        return shape[1], shape[2], shape[0]
    return tuple(shape)


def _is_depth(feature: dict) -> bool:
    info = feature.get('info') or feature.get('video_info') or {}
    return bool(isinstance(info, dict) and (
        info.get('is_depth_map') or info.get('video.is_depth_map')))
