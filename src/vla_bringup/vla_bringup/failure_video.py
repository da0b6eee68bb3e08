"""What a failed episode looked like: a video of all cameras and a strip of four moments."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from vla_core.types import (
    ActionChunk,
    JointCommand,
    Observation,
    SimState,
    Subtask,
    TaskOutcome,
)

FOLDER = 'videos'
_SIDE_PX = 192  # height of a camera's picture in the video, its width on the strip
_MOMENTS = 4
_GAP_PX = 4
_BAR_PX = 28
_INK, _PAPER = (235, 235, 235), (24, 26, 30)


class Film:
    """A Subscriber that keeps what the cameras saw, over all tasks of a chain."""

    def __init__(self) -> None:
        self._pictures: list[tuple[tuple[np.ndarray, ...], str]] = []
        self._caption = ''

    def on_reset(self, observation: Observation, state: SimState, instruction: str) -> None:
        """Take the instruction as the caption of what follows."""
        del observation, state
        self._caption = instruction

    def on_step(
        self, observation: Observation, state: SimState, subtask: Subtask, chunk: ActionChunk
    ) -> None:
        """Keep the pictures: the static camera's, the wrist's, then what fingertips feel."""
        del state, subtask, chunk
        seen = (picture for stream in (observation.images, observation.tactile)
                for _, picture in sorted(stream.items()))
        self._pictures.append((tuple(seen), self._caption))

    def on_command(self, command: JointCommand) -> None:
        """Ignore set-points."""

    def on_end(self, outcome: TaskOutcome) -> None:
        """Ignore the verdict."""

    def save(self, path: Path, fps: int) -> None:
        """Write `path`.mp4 and `path`.jpg; an episode without a step leaves neither."""
        if not self._pictures:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        _encode(path.with_name(f'{path.name}.mp4'), [
            _captioned(np.concatenate(_even(images), axis=1), text)
            for images, text in self._pictures], fps)
        _write_strip(path.with_name(f'{path.name}.jpg'), [im for im, _ in self._pictures])


class Gallery:
    """Keeps the pictures of the first failures of an exam, in the order of its trials.

    Which ones these are depends on the outcomes alone, not on who finished first.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder / FOLDER, limit
        self._kept: list[tuple[int, str]] = []  # (index of the trial, name), sorted

    @property
    def names(self) -> list[str]:
        """Return the names of the failures that are kept, in the order of the trials."""
        return [name for _, name in self._kept]

    def add(self, index: int, name: str) -> None:
        """Take a failure; delete the pictures of one that there is no room for."""
        self._kept = sorted([*self._kept, (index, name)])
        for _, surplus in self._kept[self._limit:]:
            for suffix in ('mp4', 'jpg'):
                (self._folder / f'{surplus}.{suffix}').unlink(missing_ok=True)
        del self._kept[self._limit:]


def _encode(path: Path, pictures: Sequence[np.ndarray], fps: int) -> None:
    """Write (H, W, 3) uint8 RGB pictures as H.264; the file appears when it is whole."""
    partial = path.with_name(f'.{path.name}')
    with av.open(str(partial), 'w', format='mp4', options={'movflags': 'faststart'}) as file:
        stream = file.add_stream('libx264', rate=fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = 'yuv420p'
        stream.options = {'preset': 'superfast', 'crf': '24', 'threads': '1'}
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format='rgb24')
            frame.pts, frame.time_base = number, Fraction(1, fps)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    partial.replace(path)


def _write_strip(path: Path, frames: Sequence[tuple[np.ndarray, ...]]) -> None:
    """Write the first, the last and two moments in between, one column each."""
    chosen = np.linspace(0, len(frames) - 1, _MOMENTS).round().astype(int)
    columns = [_stacked(frames[i]) for i in chosen]
    gap = np.full((columns[0].shape[0], _GAP_PX, 3), 255, np.uint8)
    strip = np.concatenate([part for c in columns for part in (c, gap)][:-1], axis=1)
    cv2.imwrite(str(path), cv2.cvtColor(strip, cv2.COLOR_RGB2BGR),
                [cv2.IMWRITE_JPEG_QUALITY, 85])


def _stacked(pictures: Iterable[np.ndarray]) -> np.ndarray:
    """Return the pictures at one width, one below the other."""
    gap = np.full((_GAP_PX, _SIDE_PX, 3), 255, np.uint8)
    wide = [cv2.resize(
        picture, (_SIDE_PX, round(_SIDE_PX * picture.shape[0] / picture.shape[1])),
        interpolation=cv2.INTER_CUBIC) for picture in pictures]
    return np.concatenate([part for picture in wide for part in (picture, gap)][:-1])


def _even(images: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Return the pictures at one height and an even width."""
    return [cv2.resize(
        image, (2 * round(_SIDE_PX * image.shape[1] / image.shape[0] / 2), _SIDE_PX),
        interpolation=cv2.INTER_CUBIC) for image in images]


def _captioned(picture: np.ndarray, text: str) -> np.ndarray:
    bar = np.full((_BAR_PX, picture.shape[1], 3), _PAPER, np.uint8)
    cv2.putText(bar, text[:picture.shape[1] // 7], (6, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK,
                1, cv2.LINE_AA)
    return np.concatenate([bar, picture])
