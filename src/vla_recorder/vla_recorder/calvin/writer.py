"""Episodes in the layout of CALVIN's data sets.

Every episode is one recording and one annotated segment of it. Frames are written and synced
before the index that counts them, `ep_start_end_ids.npy`, so what a killed writer left behind
is not counted and the next episode replaces it. Pictures keep their size; CALVIN's own are 200
and 84 px and its loaders resize. The sentences have no embedding: CALVIN's
`relabel_with_new_lang_model.py` adds those of a language model. `.hydra/merged_config.yaml`
configures calvin_env and is not data, so it is not written. Streams that have no place in the
layout, such as joint velocities and proposed actions, are left out. The command that the gripper
had before the first frame is read off how far open it stands.
"""

from collections.abc import Mapping
from functools import reduce
from pathlib import Path

import numpy as np
from vla_core.episode import Episode, GRIPPER, JOINT_POSITION, TOOL_POSE
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.lazy import Values
from vla_recorder.calvin.layout import (
    BLOCKS,
    frame_path,
    LANGUAGE,
    LENGTHS,
    read_frame,
    RECORDINGS,
    SCENES,
)
from vla_recorder.calvin.npy import dump_dict
from vla_recorder.calvin.reader import CalvinSplit, IMAGES, ROBOT, Segment
from vla_recorder.calvin.rows import Rows, to_rows
from vla_recorder.calvin.statistics import (
    Moments,
    read_statistics,
    STATISTICS,
    statistics_to_yaml,
    VECTORS,
)
from vla_recorder.calvin.vectors import (
    action_encode,
    grip_encode,
    Placement,
    pose_encode,
    relative,
    robot_encode,
    scene_encode,
)
from vla_recorder.store import publish, sync, temporary_file


class CalvinWriter:
    """Appends episodes to a split; one is durable when `write` returns.

    `scene` is the one of CALVIN's scenes that the data is filed under; it decides the order of
    the blocks. One writer at a time has the folder.
    """

    def __init__(self, folder: Path, scene: str, placement: Placement | None = None) -> None:
        if scene not in BLOCKS:
            raise UnknownNameError('CALVIN scene', scene, BLOCKS)
        self._folder, self._scene = Path(folder), scene
        self._placement = placement or Placement()
        (self._folder / LANGUAGE).parent.mkdir(parents=True, exist_ok=True)
        self._segments = self._counted()
        self._moments = self._measured()

    def write(self, episode: Episode) -> None:
        """Append `episode` at 30 Hz; after an error the data set is as it was before.

        Raises InvalidDataError for a robot other than the Panda, an episode without a task, or
        one that lacks what every frame of CALVIN's holds.
        """
        if episode.robot != ROBOT or not episode.task:
            raise InvalidDataError(
                f'{self._folder}: got an episode of robot {episode.robot!r} and task '
                f'{episode.task!r}, allowed {ROBOT!r} and a task')
        rows = to_rows(episode)
        frames, pictures = self._encoded(rows), _pictures(rows.streams)
        first = self._segments[-1].last + 1 if self._segments else 0
        count = len(frames['actions'])
        for row in range(count):
            path = frame_path(self._folder, first + row)
            np.savez_compressed(
                path, **{key: values[row] for key, values in frames.items()},
                **{key: _picture(parts, row) for key, parts in pictures.items()})
            sync(path)
        segment = Segment(first, first + count - 1, episode.task, episode.instruction)
        moments = {name: Moments.of(frames[name]) for name in VECTORS}
        moments |= {name: past.merged(moments[name]) for name, past in self._moments.items()}
        self._index([*self._segments, segment], moments)
        self._segments.append(segment)
        self._moments = moments

    def close(self) -> None:
        """Do nothing: every episode is on the disk when `write` returns."""

    def _counted(self) -> list[Segment]:
        """Return the segments that the index counts."""
        split = CalvinSplit(self._folder)
        if not (self._folder / RECORDINGS).exists():
            return []
        if split.scenes.keys() != {self._scene}:
            raise InvalidDataError(
                f'{self._folder}: got a data set of {", ".join(split.scenes) or "no scene"}, '
                f'allowed {self._scene}')
        segments = split.segments[:len(split.recordings)]
        ends = [(segment.first, segment.last) for segment in segments]
        if ends != [(part.first, part.last) for part in split.recordings]:
            raise InvalidDataError(
                f'{self._folder}: got recordings that are no annotated segments, allowed a data '
                'set that this writer began')
        return list(segments)

    def _measured(self) -> dict[str, Moments]:
        if not self._segments:
            return {}
        moments = read_statistics(self._folder / STATISTICS)
        counted = sum(map(len, self._segments))
        if all(part.count == counted for part in moments.values()):
            return moments
        parts = [{name: Moments.of(rows) for name, rows in self._vectors(segment).items()}
                 for segment in self._segments]  # a killed writer had got as far as the file
        return {name: reduce(Moments.merged, (part[name] for part in parts)) for name in VECTORS}

    def _vectors(self, segment: Segment) -> dict[str, np.ndarray]:
        numbers = range(segment.first, segment.last + 1)
        frames = [read_frame(frame_path(self._folder, k), VECTORS) for k in numbers]
        return {name: np.array([frame[name] for frame in frames]) for name in VECTORS}

    def _encoded(self, rows: Rows) -> dict[str, np.ndarray]:
        """Return key -> (M, ...) of the frames' files, pictures left out."""
        place, streams = self._placement, rows.streams
        actions = action_encode(place, rows.targets, rows.goals)
        commands = np.append(grip_encode(streams[GRIPPER][:1]), actions[:-1, 6])
        robot_obs = robot_encode(
            place, streams[TOOL_POSE], streams[GRIPPER], streams[JOINT_POSITION], commands)
        before = np.array([place.to_world(pose) for pose in rows.before])
        origins = np.array([pose_encode(pose) for pose in before])
        frames = {
            'actions': actions, 'rel_actions': relative(actions, origins),
            'robot_obs': robot_obs, 'scene_obs': scene_encode(place, streams, self._scene)}
        if rows.recorded:
            frames['tool_target'] = before
        return frames

    def _index(self, segments: list[Segment], moments: Mapping[str, Moments]) -> None:
        """Write the files that say which frames there are, the one that counts last."""
        ends = [(segment.first, segment.last) for segment in segments]
        self._publish(LANGUAGE, dump_dict({
            'language': {'ann': [s.instruction for s in segments],
                         'task': [s.task for s in segments], 'emb': []},
            'info': {'episodes': [], 'indx': ends}}))
        self._publish(SCENES, dump_dict({self._scene: [ends[0][0], ends[-1][1]]}))
        self._publish(STATISTICS, statistics_to_yaml(moments))
        self._publish(LENGTHS, np.array([len(segment) for segment in segments]))
        self._publish(RECORDINGS, np.array(ends))

    def _publish(self, name: str, content: bytes | np.ndarray) -> None:
        path = self._folder / name
        with temporary_file(path.parent) as temporary, open(temporary, 'wb') as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                np.save(file, content, allow_pickle=False)
            file.flush()
            publish(temporary, path)


def _pictures(streams: Mapping[str, Values]) -> dict[str, list[Values]]:
    """Return key -> the streams (M, ...) that lie beside one another in its pictures."""
    found = {}
    for key, parts in IMAGES.items():
        values = [streams[name] for name in parts if name in streams]
        if 0 < len(values) < len(parts):
            raise InvalidDataError(
                f'episode: got only some of {", ".join(parts)}, allowed all or none')
        if values:
            found[key] = values
    return found


def _picture(parts: list[Values], row: int) -> np.ndarray:
    """Return one frame's picture; depth in m, which is float32 in CALVIN's data."""
    shown = [part[row:row + 1][0] for part in parts]
    shown = [(part / 1000.0).astype(np.float32) if part.dtype == np.uint16 else part
             for part in shown]
    if len(shown) == 1:
        return shown[0]
    return np.concatenate([p if p.ndim == 3 else p[..., None] for p in shown], axis=-1)
