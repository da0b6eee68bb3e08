"""What a run looked like: one video of all episodes and one sheet of stills."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

_SCALE = 4  # a 96 px image becomes 384 px
_STILLS = 8  # an episode's row on the contact sheet
_ROWS = 30  # episodes on a sheet; more would not be looked at
_BAR_PX = 26  # caption above each picture
_INK, _PAPER, _GOOD, _BAD = (235, 235, 235), (28, 28, 32), (96, 200, 120), (230, 96, 90)


class RunVideo:
    """Writes camera frames to an mp4 with a caption, and keeps stills of every episode."""

    def __init__(self, path: Path, fps: int) -> None:
        self._path, self._fps = path, fps
        self._container: av.container.OutputContainer | None = None
        self._stream: av.video.stream.VideoStream | None = None
        self._frames: list[np.ndarray] = []
        self._rows: list[np.ndarray] = []
        self._caption = ''
        self._count = 0

    def begin(self, caption: str) -> None:
        """Begin an episode; what was seen of one that was not ended is dropped."""
        self._caption, self._frames = caption, []

    def add(self, image: np.ndarray) -> None:
        """Append one (H, W, 3) uint8 RGB frame."""
        self._frames.append(image)
        self._encode(_captioned(image, self._caption, _INK))

    def end(self, success: bool, text: str) -> None:
        """End an episode: hold its last picture for a second with the verdict."""
        if not self._frames:
            return
        colour = _GOOD if success else _BAD
        verdict = _captioned(self._frames[-1], f'{self._caption}: {text}', colour)
        for _ in range(self._fps):
            self._encode(verdict)
        if len(self._rows) < _ROWS:
            self._rows.append(_row(self._frames, f'{self._caption}: {text}', colour))
        self._frames = []

    def close(self, sheet: Path) -> None:
        """Finish the video and write the contact sheet (PNG)."""
        if self._container is not None:
            for packet in self._stream.encode():
                self._container.mux(packet)
            self._container.close()
            self._container = None
        if self._rows:
            width = max(row.shape[1] for row in self._rows)
            rows = [_padded(row, width) for row in self._rows]
            cv2.imwrite(str(sheet), cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))

    def _encode(self, picture: np.ndarray) -> None:
        if self._container is None:
            self._open(picture)
        frame = av.VideoFrame.from_ndarray(picture, format='rgb24')
        frame.pts, frame.time_base = self._count, Fraction(1, self._fps)
        self._count += 1
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def _open(self, picture: np.ndarray) -> None:
        # Fragments keep what was written playable when the run is killed.
        self._container = av.open(
            str(self._path), 'w', format='mp4',
            options={'movflags': 'frag_keyframe+empty_moov'})
        self._stream = self._container.add_stream('libx264', rate=self._fps)
        self._stream.height, self._stream.width = picture.shape[:2]
        self._stream.pix_fmt = 'yuv420p'
        self._stream.options = {'preset': 'veryfast', 'crf': '23', 'threads': '1'}


def _captioned(image: np.ndarray, text: str, colour: tuple[int, int, int]) -> np.ndarray:
    big = cv2.resize(image, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_CUBIC)
    return np.concatenate([_bar(big.shape[1], text, colour), big])


def _row(frames: list[np.ndarray], text: str, colour: tuple[int, int, int]) -> np.ndarray:
    chosen = np.linspace(0, len(frames) - 1, _STILLS).round().astype(int)
    stills = [cv2.resize(frames[i], (144, 144), interpolation=cv2.INTER_CUBIC) for i in chosen]
    pictures = np.concatenate(stills, axis=1)
    return np.concatenate([_bar(pictures.shape[1], text, colour), pictures])


def _bar(width: int, text: str, colour: tuple[int, int, int]) -> np.ndarray:
    bar = np.full((_BAR_PX, width, 3), _PAPER, dtype=np.uint8)
    cv2.putText(
        bar, text[: width // 7], (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
    return bar


def _padded(row: np.ndarray, width: int) -> np.ndarray:
    blank = np.full((row.shape[0], width - row.shape[1], 3), _PAPER, dtype=np.uint8)
    return np.concatenate([row, blank], axis=1)
