"""CALVIN's data sets as Episodes, one language segment at a time.

What is not in the data is not made up, but three streams are derived: joint velocities are
differences of neighbouring joint positions, `progress` rises evenly over an annotated segment
(the annotation ends where the task is done), and stamps are the frame number / 30 Hz. A whole
segment is in memory while it is read, never more; lazily without its pictures.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import index
from pathlib import Path

import numpy as np
from vla_core.episode import (
    ACTION,
    Episode,
    IMAGE_PREFIX,
    JOINT_POSITION,
    JOINT_VELOCITY,
    PROGRESS,
    SIM_PREFIX,
    Stream,
    SubtaskSpan,
    TACTILE_PREFIX,
    TOOL_POSE,
)
from vla_core.errors import InvalidDataError
from vla_core.lazy import Values
from vla_recorder.calvin.layout import (
    BLOCKS,
    FPS,
    frame_keys,
    frame_path,
    LANGUAGE,
    read_frame,
    RECORDINGS,
    SCENES,
    VALIDATION_SCENE,
    VECTORS,
)
from vla_recorder.calvin.npy import as_list, load_array, load_dict
from vla_recorder.calvin.vectors import action_decode, Placement, robot_decode, scene_decode

ROBOT = 'panda'
DEPTH_PREFIX = 'observation/depth/'  # + camera: (N, H, W) float32 [m]
TACTILE_DEPTH_PREFIX = 'observation/tactile_depth/'  # + finger: (N, H, W) float32 [m]
TOOL_TARGET = f'{SIM_PREFIX}tool_target'

# Where the channels of an image array go: stream -> first channel and how many; one channel
# drops the axis, as a depth image has none.
IMAGES: Mapping[str, Mapping[str, slice | int]] = {
    'rgb_static': {IMAGE_PREFIX + 'static': slice(0, 3)},
    'rgb_gripper': {IMAGE_PREFIX + 'wrist': slice(0, 3)},
    'rgb_tactile': {TACTILE_PREFIX + 'left': slice(0, 3), TACTILE_PREFIX + 'right': slice(3, 6)},
    'depth_static': {DEPTH_PREFIX + 'static': slice(None)},
    'depth_gripper': {DEPTH_PREFIX + 'wrist': slice(None)},
    'depth_tactile': {TACTILE_DEPTH_PREFIX + 'left': 0, TACTILE_DEPTH_PREFIX + 'right': 1},
}


@dataclass(frozen=True)
class Segment:
    """A run of frames, both ends inclusive; without an annotation its texts are empty."""

    first: int
    last: int
    task: str = ''
    instruction: str = ''

    def __len__(self) -> int:
        return max(0, self.last - self.first + 1)


class CalvinSplit:
    """One split of a data set: a folder `training` or `validation`.

    Reading the files of the split, at first use, raises InvalidDataError; so does reading a
    segment that is broken, and the others can still be read.
    """

    def __init__(self, folder: Path, placement: Placement | None = None) -> None:
        self._folder = Path(folder)
        self._placement = placement or Placement()

    @cached_property
    def recordings(self) -> tuple[Segment, ...]:
        """The unbroken recordings of free play that the segments are cut out of."""
        ids = load_array(self._folder / RECORDINGS, columns=2)
        return tuple(Segment(first, last) for first, last in ids.tolist())

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The annotated segments, in the order of the annotation file; frames are not read.

        CALVIN's annotator writes one past its window as the end, its loaders take the end as
        a frame; that frame exists and shows the task done, so it is part of the segment.
        """
        path = self._folder / LANGUAGE
        data = load_dict(path)
        try:
            language, info = data['language'], data['info']
            columns = [as_list(part) for part in (
                info['indx'], language['task'], language['ann'])]
            return tuple(
                Segment(index(first), index(last), _text(task), _text(sentence))
                for (first, last), task, sentence in zip(*columns, strict=True))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidDataError(
                f'{path}: got annotations without {error}, allowed language: ann, task and '
                'info: indx, of one length') from error

    @cached_property
    def scenes(self) -> Mapping[str, tuple[int, int]]:
        """Which frames are of which scene; empty where the split does not say."""
        path = self._folder / SCENES
        if not path.exists():
            return {}
        try:
            return {_text(name): _pair(ends) for name, ends in load_dict(path).items()}
        except (TypeError, ValueError) as error:
            raise InvalidDataError(
                f'{path}: got {error}, allowed scene -> first and last frame') from error

    def cut(self, recording: Segment, frames: int = 64) -> tuple[Segment, ...]:
        """Return a recording in pieces of `frames` frames or fewer, small enough to read."""
        starts = range(recording.first, recording.last + 1, frames)
        return tuple(Segment(k, min(k + frames - 1, recording.last)) for k in starts)

    def read(
        self, segment: Segment, streams: Collection[str] | None = None, lazy: bool = False
    ) -> Episode:
        """Return a segment with all its streams or only the named ones (the rest stays packed).

        Lazily all pictures stay in their files. Annotated segments count as successes: CALVIN's
        own predicates found them. Raises InvalidDataError naming the file that is missing,
        broken or of another shape.
        """
        self._check_range(segment)
        scene = self._scene(segment)
        arrays = self._arrays(segment, () if lazy else streams)
        values = self._decoded(arrays, scene)
        if lazy:
            values |= self._pictures(segment)
        if segment.task:
            values[PROGRESS] = np.arange(1, len(segment) + 1, dtype=np.float32) / len(segment)
        stamps = np.arange(segment.first, segment.last + 1) * 1_000_000_000 // FPS
        episode_id = f'calvin-{segment.first:07d}-{segment.last:07d}'
        if streams is not None:
            values = _chosen(values, streams)
        return Episode(
            episode_id=episode_id, robot=ROBOT, task=segment.task,
            instruction=segment.instruction, success=True if segment.task else None,
            streams={name: Stream(stamps, value) for name, value in values.items()},
            subtasks=_subtasks(segment, stamps), meta={'source': 'calvin', 'scene': scene})

    def _check_range(self, segment: Segment) -> None:
        inside = any(recording.first <= segment.first <= segment.last <= recording.last
                     for recording in self.recordings)
        if not inside:
            ends = [recording.last for recording in self.recordings] or [-1]
            raise InvalidDataError(
                f'{self._folder / LANGUAGE}: got frames {segment.first} to {segment.last} of '
                f'{segment.task or "a recording"!r}, allowed within one of the '
                f'{len(self.recordings)} recordings of {RECORDINGS}, up to {max(ends)}')

    def _scene(self, segment: Segment) -> str:
        inside = [scene for scene, (first, last) in self.scenes.items()
                  if first <= segment.first <= last]
        scene = inside[0] if inside else VALIDATION_SCENE
        if scene not in BLOCKS:
            raise InvalidDataError(
                f'{self._folder / SCENES}: got scene {scene!r}, allowed {", ".join(BLOCKS)}')
        return scene

    def _arrays(
        self, segment: Segment, streams: Collection[str] | None
    ) -> dict[str, np.ndarray]:
        """Return key -> (N, ...) of the frames, only the pictures that are wanted."""
        keys = [key for key in frame_keys(frame_path(self._folder, segment.first))
                if key in VECTORS or streams is None or not set(IMAGES[key]).isdisjoint(streams)]
        arrays: dict[str, np.ndarray] = {}
        for row, number in enumerate(range(segment.first, segment.last + 1)):
            path = frame_path(self._folder, number)
            for key, value in read_frame(path, keys).items():
                place = arrays.setdefault(key, np.empty((len(segment), *value.shape), value.dtype))
                if place.shape[1:] != value.shape:
                    raise InvalidDataError(
                        f'{path}: got {key!r} {value.shape}, allowed {place.shape[1:]} as '
                        f'in frame {segment.first}')
                place[row] = value
        return arrays

    def _pictures(self, segment: Segment) -> dict[str, 'FramePictures']:
        path = frame_path(self._folder, segment.first)
        first = read_frame(path, [key for key in frame_keys(path) if key in IMAGES])
        return {
            name: FramePictures(self._folder, segment, key, part, shown.shape, shown.dtype)
            for key, picture in first.items() for name, part in IMAGES[key].items()
            for shown in [_channels(picture, part)]}

    def _decoded(self, arrays: Mapping[str, np.ndarray], scene: str) -> dict[str, np.ndarray]:
        place = self._placement
        vectors = {key: arrays[key].astype(np.float64) for key in VECTORS if key in arrays}
        values = robot_decode(place, vectors['robot_obs'])
        values |= scene_decode(place, vectors['scene_obs'], scene)
        if 'tool_target' in vectors:
            values[TOOL_TARGET] = np.array(
                [place.to_base(pose) for pose in vectors['tool_target']])
        values[ACTION] = action_decode(
            place, vectors['actions'], values[TOOL_POSE], values.get(TOOL_TARGET))
        values[JOINT_VELOCITY] = _velocity(values[JOINT_POSITION])
        for key in IMAGES.keys() & arrays.keys():
            values |= {stream: _channels(arrays[key], part)
                       for stream, part in IMAGES[key].items()}
        return values


@dataclass(frozen=True, eq=False)
class FramePictures:
    """One picture stream of a segment, read frame by frame when rows are asked for."""

    folder: Path
    segment: Segment
    key: str  # of IMAGES
    part: slice | int  # of its channels
    picture: tuple[int, ...]  # shape of one
    dtype: np.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape with the number of frames first."""
        return (len(self), *self.picture)

    def __len__(self) -> int:
        return len(self.segment)

    def __getitem__(self, rows: slice) -> np.ndarray:
        numbers = range(self.segment.first, self.segment.last + 1)[rows]
        pictures = np.empty((len(numbers), *self.picture), self.dtype)
        for row, number in enumerate(numbers):
            path = frame_path(self.folder, number)
            found = _channels(read_frame(path, [self.key])[self.key], self.part)
            if found.shape != self.picture:
                raise InvalidDataError(
                    f'{path}: got {self.key!r} {found.shape}, allowed {self.picture} as '
                    f'in frame {self.segment.first}')
            pictures[row] = found
        return pictures


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f'{type(value).__name__} where text belongs')
    return value


def _pair(ends: object) -> tuple[int, int]:
    first, last = as_list(ends)
    return index(first), index(last)


def _channels(images: np.ndarray, part: slice | int) -> np.ndarray:
    return images if part == slice(None) else np.ascontiguousarray(images[..., part])


def _velocity(joints: np.ndarray) -> np.ndarray:
    """Return (N, J) [rad/s]: the turn since the frame before; the first as the second."""
    if len(joints) < 2:  # unknown
        return np.full_like(joints, np.nan)
    turned = np.diff(joints, axis=0) * FPS
    return np.concatenate([turned[:1], turned])


def _chosen(values: Mapping[str, Values], names: Collection[str]) -> dict[str, Values]:
    for name in names:
        if name not in values:
            raise InvalidDataError(
                f'CALVIN segment: got no stream {name!r}, allowed {", ".join(sorted(values))}')
    return {name: values[name] for name in names}


def _subtasks(segment: Segment, stamps: np.ndarray) -> tuple[SubtaskSpan, ...]:
    if not segment.instruction:
        return ()
    return (SubtaskSpan(int(stamps[0]), int(stamps[-1]), segment.instruction),)
