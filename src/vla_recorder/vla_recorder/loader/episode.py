"""One episode as a loader holds it: numbers in memory, pictures where they lie."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from vla_core.episode import ACTION, GRIPPER, JOINT_POSITION, Question, SubtaskSpan, TOOL_POSE
from vla_core.errors import InvalidDataError
from vla_recorder.loader.frame_cache import FrameCache
from vla_recorder.loader.video import decode_through_container, VideoIndex

# In the order of LeRobot's observation.state; the last is what a robot of others tells of itself.
STATE = (TOOL_POSE, GRIPPER, JOINT_POSITION, 'observation/state/state')


class Pictures(Protocol):
    """The pictures of one camera in one episode, somewhere on the disk."""

    height: int  # [px]
    width: int  # [px]

    def read_into(self, out: np.ndarray, row: int, cache: FrameCache) -> None:
        """Put picture `row` into `out` (H, W, 3) uint8; InvalidDataError names the file."""


@dataclass(frozen=True)
class RawPictures:
    """Uncompressed pictures one after another in a file: one read each."""

    path: str
    offset: int  # of the first [bytes]
    height: int
    width: int

    def read_into(self, out: np.ndarray, row: int, cache: FrameCache) -> None:
        """Read one picture."""
        size = self.height * self.width * 3
        cache.read_into(memoryview(out).cast('B'), self.path, self.offset + row * size)


@dataclass(frozen=True)
class VideoPictures:
    """Pictures in a video, which other episodes may share."""

    video: VideoIndex
    frames: np.ndarray  # (N,) int64 the video's frame of each row

    @property
    def height(self) -> int:
        """Height [px]."""
        return self.video.height

    @property
    def width(self) -> int:
        """Width [px]."""
        return self.video.width

    def read_into(self, out: np.ndarray, row: int, cache: FrameCache) -> None:
        """Decode one picture, starting at the key frame before it."""
        video, frame = self.video, int(self.frames[row])
        if not video.straight:
            out[:] = decode_through_container(video, frame)
            return
        first = int(video.offset[video.key[frame]])
        data = bytearray(int(video.offset[frame] + video.size[frame]) - first)
        cache.read_into(memoryview(data), video.path, first)
        decoder = cache.decoder(video.codec, video.extradata)
        out[:] = decoder.decode(video, frame, bytes(data))


@dataclass(frozen=True)
class LazyPictures:
    """Pictures of any format, through its codec."""

    path: Path  # of the data set
    index: int  # of the episode
    stream: str
    height: int
    width: int

    def read_into(self, out: np.ndarray, row: int, cache: FrameCache) -> None:
        """Let the codec read one picture."""
        out[:] = cache.table(self.path, self.index).columns[self.stream][row:row + 1][0]


@dataclass(frozen=True)
class EpisodeRows:
    """The N frames of one episode."""

    name: str  # for messages: file and episode
    stamps_ns: np.ndarray  # (N,) int64 [ns]
    state: np.ndarray  # (N, S) float32
    action: np.ndarray  # (N, A) float32
    pictures: Mapping[str, Pictures]
    instructions: tuple[str, ...]  # one; several where the task changes within the episode
    instruction: np.ndarray  # (N,) int32 which of them
    subtasks: tuple[SubtaskSpan, ...] = ()
    questions: tuple[Question, ...] = ()  # about its pictures, for co-training

    def __len__(self) -> int:
        return len(self.stamps_ns)

    def subtask_at(self, row: int) -> str:
        """Return the subtask of a row, or the instruction outside of every subtask."""
        stamp = self.stamps_ns[row]
        for span in reversed(self.subtasks):  # at a border the newer one counts
            if span.start_ns <= stamp <= span.end_ns:
                return span.text
        return self.instructions[self.instruction[row]]


def state_and_action(
    name: str, streams: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the state (N, S) and the action (N, A), float32, of streams at common stamps."""
    if ACTION not in streams:
        raise InvalidDataError(f'{name}: got no stream {ACTION!r}, allowed an episode with one')
    action = _flat(streams[ACTION])
    state = [_flat(streams[part]) for part in STATE if part in streams]
    if not state:
        raise InvalidDataError(f'{name}: got no state, allowed one of {", ".join(STATE)}')
    return np.concatenate(state, axis=1), action


def _flat(values: np.ndarray) -> np.ndarray:
    return np.asarray(values[:]).reshape(len(values), -1).astype(np.float32)
