"""The dots printed on the gel: they move with its surface, so a camera sees sideways force.

Taxim superposes finite-element responses for them; here the surface moves with the shear of what
presses, weighed by depth, and away from where the gel is pushed aside: a first-order
stand-in that gives directions and relative sizes, not calibrated lengths.
"""

import numpy as np
from vla_sim.gel.config import GelConfig

_INK = 0.72  # how dark a dot is
_SPREAD = 0.12  # of the slope that pushes a dot aside, times its depth


class Markers:
    """A grid of dots."""

    def __init__(self, config: GelConfig) -> None:
        pitch = config.marker_pitch_m / config.pixel_m
        self._radius = config.marker_radius_m / config.pixel_m
        self._pixel_m = config.pixel_m
        self._size = (config.height_px, config.width_px)
        self._reach = int(np.ceil(self._radius + 0.5))  # [px] of a dot's picture
        rows, columns = (_centred(size, pitch, self._reach) for size in self._size)
        self.home = np.stack(
            [grid.ravel() for grid in np.meshgrid(columns, rows)], axis=1)  # (M, 2) x y [px]
        offset = np.arange(-self._reach, self._reach + 1)
        self._dx, self._dy = (grid.ravel() for grid in np.meshgrid(offset, offset))

    def moved(self, surface: np.ndarray, shear: np.ndarray) -> np.ndarray:
        """Return (M, 2) x y [px] under (H, W) depths [m] and (H, W, 2) sideways shifts [m]."""
        column, row = np.rint(self.home).astype(int).T
        reach = self._reach  # all dots are farther than it from the border
        left, right, above, below = column - reach, column + reach, row - reach, row + reach
        fall = np.stack([
            surface[row, left] - surface[row, right],
            surface[above, column] - surface[below, column]], axis=1)
        shift = shear[row, column] + _SPREAD * fall
        return self.home + shift / self._pixel_m

    def draw(self, image: np.ndarray, places: np.ndarray) -> None:
        """Darken (H, W, 3) `image` in place by a dot at each of the (M, 2) x y [px]."""
        middle = np.rint(places).astype(int)
        column = middle[:, :1] + self._dx
        row = middle[:, 1:] + self._dy
        away = np.hypot(column - places[:, :1], row - places[:, 1:])
        ink = _INK * np.clip(self._radius + 0.5 - away, 0.0, 1.0)
        seen = (0 <= column) & (column < self._size[1]) & (0 <= row) & (row < self._size[0])
        seen &= ink > 0.0
        image[row[seen], column[seen]] *= (1.0 - ink[seen])[:, None].astype(np.float32)


def _centred(size: int, pitch: float, margin: int) -> np.ndarray:
    """Return positions a pitch apart, symmetric within `size` [px] and clear of its border."""
    count = int((size - 2 * margin - 1) / pitch) + 1
    return (size - 1) / 2 + (np.arange(count) - (count - 1) / 2) * pitch
