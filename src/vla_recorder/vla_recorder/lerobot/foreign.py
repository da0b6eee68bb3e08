"""What the features of a data set that LeRobot wrote are called in an Episode."""

import re

from vla_core.episode import ACTION, DEPTH_PREFIX, IMAGE_PREFIX
from vla_core.errors import InvalidDataError
from vla_recorder.lerobot.depth import DepthScale

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
        return DEPTH_PREFIX + camera.removesuffix('_depth')
    return IMAGE_PREFIX + camera


def depth_scale(feature: dict) -> DepthScale | None:
    """Return how a video keeps depth; None for a picture in colour."""
    if not _is_depth(feature):
        return None
    info = feature['info']
    try:
        return DepthScale(
            *(float(info[f'video.{name}']) for name in ('depth_min', 'depth_max', 'shift')),
            bool(info['video.use_log']), info.get('depth_unit') == 'mm')
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidDataError(
            f'got a video of depth with info {info!r:.200} ({error}), '
            'allowed video.depth_min, depth_max, shift and use_log') from error


def picture_shape(feature: dict) -> tuple[int, int, int]:
    """Return (height, width, channels) of a picture; `names` tells their order."""
    shape, names = feature['shape'], feature.get('names')
    if len(shape) == 2:
        return (*shape, 1)
    if isinstance(names, list) and names[:1] in (['channels'], ['channel']):
        return shape[1], shape[2], shape[0]
    return tuple(shape)


def _is_depth(feature: dict) -> bool:
    info = feature.get('info')
    return isinstance(info, dict) and bool(
        info.get('is_depth_map') or info.get('video.is_depth_map'))
