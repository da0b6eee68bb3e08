"""Moments of an episode side by side, a row for each camera."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from vla_core.episode import DEPTH_PREFIX, Episode, IMAGE_PREFIX, Stream, TACTILE_PREFIX

PICTURES = (IMAGE_PREFIX, DEPTH_PREFIX, TACTILE_PREFIX)
_TALL_PX = 132  # height of a picture
_SIDE_PX = 118  # column of names
_HEAD_PX = 40
_GAP_PX = 3
_LETTER_PX = 6.4  # width of a small letter
_INK, _SOFT, _PAPER = (32, 34, 38), (110, 114, 122), (250, 250, 249)


def contact_sheet(episode: Episode, moments: int = 8) -> np.ndarray | None:
    """Return a picture (H, W, 3) uint8 of the first, the last and moments in between.

    Above each column are its time and the words of the subtask; None without a camera.
    """
    streams = {name: stream for name, stream in sorted(episode.streams.items())
               if name.startswith(PICTURES) and len(stream) and len(stream.values.shape) > 2}
    if not streams:
        return None
    begin = min(int(stream.stamps_ns[0]) for stream in streams.values())
    end = max(int(stream.stamps_ns[-1]) for stream in streams.values())
    stamps = np.linspace(begin, end, moments).astype(np.int64)
    rows = {name: _row(stream, stamps) for name, stream in streams.items()}
    wide = max(picture.shape[1] for row in rows.values() for picture in row)
    lines = [_head(episode, stamps, wide)]
    lines += [_line(name, [_centred(picture, wide) for picture in row])
              for name, row in rows.items()]
    return np.concatenate(lines)


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB as JPEG or PNG, by the name's ending."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, 88] if path.suffix == '.jpg' else []
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)


def stacked(sheets: Sequence[np.ndarray]) -> np.ndarray:
    """Return sheets of any width one below the other."""
    wide = max(sheet.shape[1] for sheet in sheets)
    return np.concatenate([
        np.pad(sheet, ((0, 8), (0, wide - sheet.shape[1]), (0, 0)), constant_values=250)
        for sheet in sheets])


def title(text: str, wide: int) -> np.ndarray:
    """Return a strip (28, W, 3) with a line of text."""
    strip = _blank(28, wide)
    _write(strip, text, (6, 19), 0.5, _INK, wide)
    return strip


def _row(stream: Stream, stamps: np.ndarray) -> list[np.ndarray]:
    """Return the pictures nearest to the stamps, as RGB of one height; each is read alone."""
    chosen = np.clip(np.searchsorted(stream.stamps_ns, stamps), 0, len(stream) - 1)
    return [_shown(np.asarray(stream.values[int(k):int(k) + 1])[0]) for k in chosen]


def _shown(picture: np.ndarray) -> np.ndarray:
    if picture.ndim == 2:  # depth: near is bright
        depth = np.nan_to_num(picture.astype(np.float64), posinf=0.0, neginf=0.0)
        low, high = np.quantile(depth[depth > 0], [0.02, 0.98]) if (depth > 0).any() else (0, 1)
        share = np.clip((high - depth) / max(high - low, 1e-9), 0.0, 1.0) * (depth > 0)
        picture = np.repeat((255 * share).astype(np.uint8)[..., None], 3, axis=-1)
    elif picture.dtype != np.uint8:
        picture = (255 * np.clip(np.nan_to_num(picture), 0, 1)).astype(np.uint8)
    if picture.shape[-1] != 3:
        picture = np.repeat(picture[..., :1], 3, axis=-1)
    wide = max(1, round(_TALL_PX * picture.shape[1] / picture.shape[0]))
    return cv2.resize(np.ascontiguousarray(picture), (wide, _TALL_PX),
                      interpolation=cv2.INTER_AREA)


def _head(episode: Episode, stamps: np.ndarray, wide: int) -> np.ndarray:
    strip = _blank(_HEAD_PX, _SIDE_PX + len(stamps) * (wide + _GAP_PX))
    before = ''
    for column, stamp in enumerate(stamps.tolist()):
        left = _SIDE_PX + column * (wide + _GAP_PX)
        text, seconds = _subtask(episode, stamp), (stamp - episode.start_ns) / 1e9
        _write(strip, f'{seconds:.1f} s', (left + 2, 34), 0.4, _SOFT, wide)
        if text != before:  # said once, over as many columns as it holds for
            held = next((k for k, later in enumerate(stamps[column:].tolist())
                         if _subtask(episode, later) != text), len(stamps) - column)
            _write(strip, text, (left + 2, 17), 0.42, _INK, held * (wide + _GAP_PX))
        before = text
    return strip


def _line(name: str, pictures: Sequence[np.ndarray]) -> np.ndarray:
    side = _blank(_TALL_PX, _SIDE_PX)
    kind, _, camera = name.removeprefix('observation/').partition('/')
    _write(side, camera, (6, 62), 0.45, _INK, _SIDE_PX - 8)
    _write(side, '' if kind == 'images' else kind, (6, 80), 0.4, _SOFT, _SIDE_PX - 8)
    gap = _blank(_TALL_PX, _GAP_PX)
    row = np.concatenate([side, *(part for picture in pictures for part in (picture, gap))], 1)
    return np.concatenate([row, _blank(_GAP_PX, row.shape[1])])


def _subtask(episode: Episode, stamp: int) -> str:
    told = [span.text for span in episode.subtasks if span.start_ns <= stamp <= span.end_ns]
    return told[-1] if told else ''


def _centred(picture: np.ndarray, wide: int) -> np.ndarray:
    left = (wide - picture.shape[1]) // 2
    return np.pad(picture, ((0, 0), (left, wide - picture.shape[1] - left), (0, 0)),
                  constant_values=_PAPER[0])


def _blank(tall: int, wide: int) -> np.ndarray:
    return np.full((tall, wide, 3), _PAPER, dtype=np.uint8)


def _write(
    picture: np.ndarray, text: str, place: tuple[int, int], size: float,
    colour: tuple[int, int, int], wide: int,
) -> None:
    """Write ASCII text, cut where it would leave `wide` pixels."""
    fits = max(1, int(wide / (_LETTER_PX * size / 0.4)))
    plain = text.encode('ascii', 'replace').decode()
    plain = plain if len(plain) <= fits else f'{plain[:max(1, fits - 2)]}..'
    cv2.putText(picture, plain, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
