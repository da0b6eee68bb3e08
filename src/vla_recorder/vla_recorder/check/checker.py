"""Check a data set: every episode by itself, then the episodes against each other.

Works on any `EpisodeReader`. Pictures are read in blocks and what is kept of an episode is
small, so memory does not grow with the episodes' length.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
import hashlib

import numpy as np
from vla_core.episode import ACTION, Episode, EpisodeReader, JOINT_POSITION, TOOL_POSE
from vla_core.errors import InvalidDataError
from vla_recorder.check.findings import Finding, Level
from vla_recorder.check.images import image_findings
from vla_recorder.check.kinematics import joint_findings
from vla_recorder.check.motion import judge_motion, Motion
from vla_recorder.check.stamps import Rhythm, rhythms, stamp_findings
from vla_recorder.check.streams import known_rows, whole_stream
from vla_recorder.check.values import value_findings

RANGED = (ACTION, JOINT_POSITION)
Detector = Callable[[Episode], Iterable[Finding]]
DETECTORS: tuple[Detector, ...] = (value_findings, joint_findings, image_findings)


@dataclass(frozen=True)
class Checked:
    """What is kept of a checked episode."""

    index: int
    episode_id: str  # or a number with # where it cannot be read
    findings: tuple[Finding, ...]
    readable: bool = True
    robot: str = ''
    task: str = ''
    success: bool | None = None
    seconds: float = 0.0
    frames: int = 0  # rows of the action, or of the longest stream
    streams: Mapping[str, Rhythm] | None = None
    shapes: Mapping[str, tuple] | None = None  # stream -> dtype, then the shape of a row
    ranges: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None  # low and high, (D,) each
    motion: Motion | None = None
    digest: str = ''  # of stamps and numbers, pictures left out


def check_reader(reader: EpisodeReader) -> Iterator[Checked]:
    """Check all episodes of a data set, one after the other."""
    for index in range(len(reader)):
        yield check_index(reader, index)


def check_index(reader: EpisodeReader, index: int) -> Checked:
    """Check one episode; one that cannot be read is a finding that names its file."""
    try:
        episode = reader.read(index)
    except InvalidDataError as error:
        return Checked(index, f'#{index}', (_unreadable(f'#{index}', error),), readable=False)
    return check_episode(episode, index)


def check_episode(episode: Episode, index: int = 0) -> Checked:
    """Check one episode."""
    measured, motion = rhythms(episode), judge_motion(episode)
    findings = [*stamp_findings(episode, measured), *motion.findings]
    readable = True
    for detect in DETECTORS:
        try:
            findings += detect(episode)
        except InvalidDataError as error:  # lazy pictures are read only now
            findings.append(_unreadable(episode.episode_id, error))
            readable = False
    longest = max((len(stream) for stream in episode.streams.values()), default=0)
    return Checked(
        index, episode.episode_id, tuple(findings), readable, episode.robot, episode.task,
        episode.success, (episode.end_ns - episode.start_ns) / 1e9,
        len(episode.streams[ACTION]) if ACTION in episode.streams else longest, measured,
        {n: (str(s.values.dtype), *s.values.shape[1:]) for n, s in episode.streams.items()},
        _ranges(episode), motion, _digest(episode))


def _unreadable(episode: str, error: InvalidDataError) -> Finding:
    return Finding(Level.ERROR, episode, '', 'cannot be read', str(error), 'a whole episode')


def _ranges(episode: Episode) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    known = {name: whole_stream(episode, name) for name in RANGED}
    return {name: (stream.values.min(axis=0), stream.values.max(axis=0))
            for name, stream in known.items() if stream is not None}


def _digest(episode: Episode) -> str:
    digest, moved = hashlib.sha256(), False
    for name in (ACTION, JOINT_POSITION, TOOL_POSE):
        stream = known_rows(episode, name)
        if stream is not None:
            digest.update(name.encode() + np.ascontiguousarray(stream.values).tobytes())
            moved = moved or bool(np.ptp(stream.values, axis=0).any())
    return digest.hexdigest() if moved else ''
