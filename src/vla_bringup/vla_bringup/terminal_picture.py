"""Camera pictures in a terminal, also over SSH: two pixels a character cell."""

from collections.abc import Iterator, Mapping

import cv2
import numpy as np
from rich.color import Color
from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.style import Style

_UPPER_HALF = '▀'
_GAP = 2  # columns between two pictures


class Pictures:
    """The newest picture of each camera side by side; a rich renderable."""

    def __init__(self, columns: int) -> None:
        """Make each picture so many columns wide."""
        self._columns = columns
        self._rows: dict[str, list[list[Segment]]] = {}

    def show(self, camera: str, image: np.ndarray) -> None:
        """Take a picture (H, W, 3) uint8 RGB."""
        height, width = image.shape[:2]
        if not (height and width):
            return
        lines = max(1, round(self._columns * height / width / 2))
        small = cv2.resize(
            np.ascontiguousarray(image), (self._columns, 2 * lines), interpolation=cv2.INTER_AREA)
        self._rows[camera] = [_line(small[2 * k], small[2 * k + 1]) for k in range(lines)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        del console, options
        pictures: Mapping[str, list[list[Segment]]] = dict(self._rows)
        count = max((len(rows) for rows in pictures.values()), default=0)
        for line in range(count):
            for number, rows in enumerate(pictures.values()):
                if number:
                    yield Segment(' ' * _GAP)
                yield from rows[line] if line < len(rows) else [Segment(' ' * self._columns)]
            yield Segment.line()


def _line(upper: np.ndarray, lower: np.ndarray) -> list[Segment]:
    """Return one line of cells out of two rows of pixels (W, 3) uint8."""
    return [
        Segment(_UPPER_HALF, Style(color=Color.from_rgb(*over), bgcolor=Color.from_rgb(*under)))
        for over, under in zip(upper.tolist(), lower.tolist())]
