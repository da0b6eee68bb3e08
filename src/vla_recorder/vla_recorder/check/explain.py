"""Which reading of an action explains the motion best: its frame, axes, scale and lag.

The contract is `ee_delta` in base axes. Other readings are tried beside it: tool axes, axes
swapped or with the sign changed, axes turned by any rotation (Kabsch 1976). One is believed
only when it explains clearly more than the contract's.
"""

from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from vla_recorder.check.moments import FRAMES, LAGS, Moments

IDENTITY = np.eye(3)
LEAST_ROWS = 12  # that a lag must leave, and this share of all rows
LEAST_SHARE = 0.6
LATEST = 8.0  # rows a motion may come after an action that means something else
SLACK = 0.03  # correlation by which a simpler reading may be worse than another


@dataclass(frozen=True)
class Doubt:
    """What another reading must show before it is believed."""

    margin: float  # correlation it gains: tool axes, swapped axes, other signs
    turn_margin: float  # correlation a turned frame gains
    least_turn: float  # [rad]


EPISODE = Doubt(0.12, 0.10, np.radians(35.0))
EPISODE_TURNS = Doubt(0.25, 0.25, np.radians(35.0))  # for rotation: most of it is noise
ALL = Doubt(0.08, 0.02, np.radians(15.0))  # of ENOUGH rows or more
ENOUGH = 300


@dataclass(frozen=True)
class Explanation:
    """The reading that was found: motion = scale * axes @ action, `lag` rows later."""

    frame: str  # of FRAMES
    axes: np.ndarray  # (3, 3) orthogonal
    correlation: float  # 0..1
    scale: float
    lag: float  # rows, between the whole ones
    plain: float  # correlation of the contract's reading at its own best lag

    @property
    def is_plain(self) -> bool:
        """Whether frame and axes are the contract's."""
        return self.frame == 'base' and np.array_equal(self.axes, IDENTITY)


def signed_permutations() -> np.ndarray:
    """Return the 48 ways (48, 3, 3) to swap axes and change their signs, none of both first."""
    found = [IDENTITY[list(order)] * np.array(signs)[:, None]
             for order in permutations(range(3)) for signs in product((1.0, -1.0), repeat=3)]
    return np.array(found)


_SIGNED = signed_permutations()


def explain(sums: Moments, doubt: Doubt = EPISODE) -> Explanation | None:
    """Return the best reading, or None where nothing moved or nothing was asked."""
    norms = _norms(sums)
    if not np.isfinite(norms).any():
        return None
    identity = np.trace(sums.cross, axis1=2, axis2=3) / norms  # (2, L)
    plain = float(identity[0].max())
    signed = np.einsum('pij,lij->pl', _SIGNED, sums.cross[0]) / norms  # (48, L)
    choice = int(signed[:, LAGS >= 0].max(1).argmax())
    turned = _turned(sums, norms, plain)
    least = np.inf if angle(turned.axes) < doubt.least_turn else plain + doubt.turn_margin
    others = (
        (_at('tool', IDENTITY, identity[1], sums, plain), plain + doubt.margin),
        (_at('base', _SIGNED[choice], signed[choice], sums, plain), plain + doubt.margin),
        (turned, least))
    # Who corrects a disturbance acts against the motion before: that is no other reading.
    believed = [reading for reading, needed in others
                if reading.correlation > needed and 0.0 <= reading.lag <= LATEST]
    if not believed:
        return _at('base', IDENTITY, identity[0], sums, plain)
    most = max(reading.correlation for reading in believed)
    return next(reading for reading in believed if reading.correlation > most - SLACK)


def plain_curve(sums: Moments) -> np.ndarray:
    """Return the correlation (L,) of the contract's reading at each of LAGS."""
    return np.trace(sums.cross[0], axis1=1, axis2=2) / _norms(sums)


def angle(axes: np.ndarray) -> float:
    """Return the angle [rad] of a rotation (3, 3)."""
    return float(np.arccos(np.clip((np.trace(axes) - 1.0) / 2.0, -1.0, 1.0)))


def _norms(sums: Moments) -> np.ndarray:
    """Return what makes correlations of the sums (L,); infinite where a lag leaves too little."""
    norms = np.sqrt(sums.moved * sums.asked.sum(1))
    left = sums.rows - np.abs(LAGS)
    usable = (norms > 0.0) & (left >= LEAST_ROWS) & (left >= LEAST_SHARE * sums.rows)
    return np.where(usable, norms, np.inf)


def _turned(sums: Moments, norms: np.ndarray, plain: float) -> Explanation:
    """Return the reading by the rotation that explains most."""
    u, spread, v = np.linalg.svd(sums.cross[0])
    handed = np.linalg.det(u @ v)
    place = int(((spread[:, 0] + spread[:, 1] + handed * spread[:, 2]) / norms).argmax())
    axes = u[place] @ np.diag([1.0, 1.0, np.sign(handed[place])]) @ v[place]
    curve = np.einsum('ij,lij->l', axes, sums.cross[0]) / norms
    return _at('base', axes, curve, sums, plain)


def _at(
    frame: str, axes: np.ndarray, curve: np.ndarray, sums: Moments, plain: float,
) -> Explanation:
    """Return a reading whose correlation (L,) over the lags is `curve`."""
    place = int(curve.argmax())
    shared = float((axes * sums.cross[FRAMES.index(frame), place]).sum())
    scale = shared / max(float(sums.asked[place].sum()), np.finfo(float).tiny)
    return Explanation(
        frame, axes, float(curve[place]), scale, LAGS[place] + _peak(curve, place), float(plain))


def _peak(curve: np.ndarray, place: int) -> float:
    """Return where between -0.5 and 0.5 the parabola through three points has its top."""
    if not 0 < place < len(curve) - 1:
        return 0.0
    before, top, after = curve[place - 1:place + 2]
    bend = before - 2.0 * top + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0.0 else 0.0
