"""Sums from which one can tell how an action relates to the motion after it.

They add over episodes, so a data set of any size is judged in constant memory. Of a lag of L
rows the action of row k is held against the motion from row k + L to row k + L + 1.
"""

from dataclasses import dataclass

import numpy as np

LAGS = np.arange(-4, 13)  # rows
FRAMES = ('base', 'tool')


@dataclass(frozen=True)
class Moments:
    """Sums over the rows of one or more episodes, for translation or for rotation."""

    cross: np.ndarray  # (2, L, 3, 3) float64 motion times action; in base axes, in tool axes
    moved: np.ndarray  # (L,) float64 squared motion
    asked: np.ndarray  # (L, 3) float64 squared action by axis
    path: float  # [m] or [rad] sum of the motion's lengths
    rows: int
    step_s: float  # of a row

    def __add__(self, other: 'Moments') -> 'Moments':
        return Moments(
            self.cross + other.cross, self.moved + other.moved, self.asked + other.asked,
            self.path + other.path, self.rows + other.rows, self.step_s)


def moments(
    motion: np.ndarray, action: np.ndarray, turns: np.ndarray, step_s: float,
) -> Moments:
    """Return the sums of motion (N, 3) and action (N, 3) of the same rows.

    `turns` (N, 3, 3) bring tool axes to base axes at each row.
    """
    local = np.einsum('nij,ni->nj', turns, motion)
    cross = np.zeros((len(FRAMES), len(LAGS), 3, 3))
    moved, asked = np.zeros(len(LAGS)), np.zeros((len(LAGS), 3))
    for place, lag in enumerate(LAGS):
        late, early = _pairs(len(motion), int(lag))
        cross[0, place] = motion[late].T @ action[early]
        cross[1, place] = local[late].T @ action[early]
        moved[place] = (motion[late] ** 2).sum()
        asked[place] = (action[early] ** 2).sum(0)
    path = float(np.linalg.norm(motion, axis=1).sum())
    return Moments(cross, moved, asked, path, len(motion), step_s)


def _pairs(rows: int, lag: int) -> tuple[slice, slice]:
    """Return the rows of motion and of action that a lag holds against each other."""
    if abs(lag) >= rows:
        return slice(0, 0), slice(0, 0)
    late = slice(max(0, lag), rows + min(0, lag))
    early = slice(max(0, -lag), rows - max(0, lag))
    return late, early
