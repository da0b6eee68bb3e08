"""`meta/info.json` of a LeRobotDataset v3.0 that anybody may have written: check it, use it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
import re
import string

from vla_core.episode import check_name
from vla_core.errors import InvalidDataError
from vla_recorder.lerobot.layout import INFO, read_json

_VERSION = re.compile(r'v3\.\d+')
_SPEC = re.compile(r'(0?\d?d)?')  # of a number in a path: '', 'd', '03d'
_KEY = re.compile(r'[^/\\\0]+')
_PLACE = frozenset({'chunk_index', 'file_index'})


@dataclass(frozen=True)
class Info:
    """What a reader must know of a data set."""

    root: Path
    fps: float
    robot: str
    episodes: int
    features: Mapping[str, dict]
    data_template: str
    video_template: str | None

    def data_path(self, line: Mapping) -> Path:
        """Return the data file of an episode by its line in meta/episodes."""
        return self.root / _filled(self.data_template, line, 'data')

    def video_path(self, line: Mapping, key: str) -> Path:
        """Return the video of an episode and camera key."""
        if self.video_template is None:
            raise InvalidDataError(f'{self.root / INFO}: got no video_path for {key!r}')
        return self.root / _filled(self.video_template, line, f'videos/{key}', video_key=key)


def read_info(root: Path) -> Info:
    """Return the checked info of the data set in `root`; InvalidDataError names the file."""
    path = root / INFO
    raw = read_json(path)
    version = raw.get('codebase_version')
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise InvalidDataError(f"{path}: got codebase_version {version!r}, allowed 'v3.0'")
    fps, episodes = raw.get('fps'), raw.get('total_episodes')
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < 1e6:
        raise InvalidDataError(f'{path}: got fps {fps!r}, allowed frames a second')
    if isinstance(episodes, bool) or not isinstance(episodes, int) or episodes < 0:
        raise InvalidDataError(f'{path}: got total_episodes {episodes!r}, allowed a count')
    robot, video = raw.get('robot_type'), raw.get('video_path')
    return Info(
        root=root, fps=fps, episodes=episodes,
        robot=re.sub(r'[^A-Za-z0-9._-]+', '_', str(robot or '')).strip('._-')[:128] or 'unknown',
        features=_checked_features(path, raw.get('features')),
        data_template=_checked_template(path, 'data_path', raw.get('data_path'), _PLACE),
        video_template=None if video is None else _checked_template(
            path, 'video_path', video, _PLACE | {'video_key'}))


def _checked_template(path: Path, name: str, template: object, fields: frozenset[str]) -> str:
    """Return a template that fills in nothing but `fields` and stays inside the data set."""
    wrong = InvalidDataError(
        f'{path}: got {name} {template!r:.200}, allowed a path inside the data set '
        f'of {", ".join(sorted(fields))}')
    if not isinstance(template, str) or '\\' in template or '\0' in template:
        raise wrong
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        raise wrong from None
    for _, field, spec, conversion in parts:
        if field is not None and (
                field not in fields or conversion or not _SPEC.fullmatch(spec or '')
                or field == 'video_key' and spec):
            raise wrong
    text = ''.join(literal + ('x' if field else '') for literal, field, _, _ in parts)
    if text.startswith('/') or not text or '..' in text.split('/'):
        raise wrong
    return template


def _checked_features(path: Path, features: object) -> Mapping[str, dict]:
    if not isinstance(features, dict) or not features:
        raise InvalidDataError(f'{path}: got no features, allowed a description of each column')
    for key, feature in features.items():
        if not _KEY.fullmatch(key) or key in ('.', '..'):
            raise InvalidDataError(
                f'{path}: got feature {key!r:.200}, allowed a name without "/"')
        shape = feature.get('shape') if isinstance(feature, dict) else None
        sizes = shape if isinstance(shape, list) else [None]
        if not (all(isinstance(n, int) and 0 < n <= 1 << 24 for n in sizes)
                and isinstance(feature.get('dtype'), str)):
            raise InvalidDataError(
                f'{path}: got feature {key!r} {feature!r:.200}, allowed a dtype and a shape')
        _check_notes(path, key, feature)
        picture = feature['dtype'] in ('video', 'image')
        if picture and (len(sizes) not in (2, 3) or max(sizes) > 1 << 14):
            raise InvalidDataError(
                f'{path}: got {feature["dtype"]} {key!r} of shape {shape}, allowed [H, W, C]')
    return features


def _check_notes(path: Path, key: str, feature: Mapping) -> None:
    """Check what may be noted of a feature: its stream in an Episode, and LeRobot's info."""
    shape = feature.get('stream_shape', [1])
    if not isinstance(feature.get('info') or {}, dict) or shape != [1]:
        raise InvalidDataError(
            f'{path}: got feature {key!r} {feature!r:.200}, allowed info by name')
    if 'stream' in feature:
        try:
            check_name('stream', feature['stream'])
        except InvalidDataError as error:
            raise InvalidDataError(f'{path}: feature {key!r}: {error}') from error


def _filled(template: str, line: Mapping, group: str, **more: str) -> str:
    place = {name: line.get(f'{group}/{name}') for name in sorted(_PLACE)}
    for name, value in place.items():
        if not isinstance(value, int) or value < 0:
            raise InvalidDataError(
                f'meta/episodes: got {group}/{name} {value!r} of episode '
                f'{line.get("episode_index")}, allowed a count')
    return template.format(**place, **more)
