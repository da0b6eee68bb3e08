"""The gel's surface under load: how deep things sink in, and how the gel slopes around them.

Rigid-body physics gives forces, not depths. The gel is a Winkler foundation (springs side by
side, Johnson, Contact Mechanics, 4.3): a thing sinks in until the springs under its geometry
carry its force. A soft thing is a second spring in series, which takes its share of the depth.
Around the contact the surface follows Taxim's pyramid of Gaussians (Si & Yuan 2022,
arXiv:2109.04027, III-A): blur with kernels from coarse to fine, and put the contact's own shape
back after each, so that the slope is wide at its foot and sharp at the contact.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from vla_sim.gel.config import GelConfig

_SETTLED = 12  # rounds in which the set of loaded springs is found; it shrinks monotonously


def indentation(
    config: GelConfig, distance: np.ndarray, force: float, stiffness: float
) -> np.ndarray:
    """Return how deep (H, W) float32 [m] the gel is pressed by geometry at (H, W) `distance`.

    `force` [N] is spread over the springs; `stiffness` [N/m^3] is the thing's, perhaps inf.
    """
    first = distance.min()
    if np.isinf(first):
        return np.zeros_like(distance)  # it presses beside the gel
    gap = distance - first
    share = 1.0 if np.isinf(stiffness) else stiffness / (stiffness + config.stiffness)
    approach = _approach(gap, force / (share * config.stiffness * config.pixel_m**2))
    approach = min(approach, config.depth_max_m / share)
    return np.float32(share) * np.maximum(np.float32(approach) - gap, 0.0)


def _approach(gap: np.ndarray, load: float) -> float:
    """Return d with sum(max(0, d - gap)) == load [m]: all springs at first, then the loaded."""
    loaded = gap[np.isfinite(gap)]
    for _ in range(_SETTLED):
        approach = (load + float(loaded.sum(dtype=np.float64))) / loaded.size
        still = loaded[loaded < approach]
        if still.size == loaded.size:
            break
        loaded = still
    return approach


def relax(config: GelConfig, depth: np.ndarray) -> np.ndarray:
    """Return the whole surface (H, W) float32 [m], the gel sloping down around the contact."""
    contact = depth > 0.0
    surface = depth
    for sigma in config.smoothing_m:
        surface = np.where(contact, depth, _blur(surface, sigma / config.pixel_m))
    return _blur(surface, config.smoothing_m[-1] / config.pixel_m)


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Return the image smoothed by a Gaussian of `sigma` [px], its border going on outside."""
    weights = _gaussian(sigma)
    return _along_rows(_along_rows(image, weights).T, weights).T


def _along_rows(image: np.ndarray, weights: Sequence[np.float32]) -> np.ndarray:
    # Sums in pairs from the middle out: a mirrored image gives the mirrored result to the bit.
    reach, height = len(weights) - 1, image.shape[0]
    padded = np.empty((height + 2 * reach, image.shape[1]), dtype=np.float32)
    padded[:reach], padded[reach:-reach], padded[-reach:] = image[0], image, image[-1]
    result = weights[0] * image
    for i in range(1, reach + 1):
        pair = padded[reach - i:reach - i + height] + padded[reach + i:reach + i + height]
        pair *= weights[i]
        result += pair
    return result


@cache
def _gaussian(sigma: float) -> tuple[np.float32, ...]:
    """Return the weights from the middle to 2.5 sigma, their two-sided sum being one."""
    offsets = np.arange(int(np.ceil(2.5 * sigma)) + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    weights /= 2.0 * weights.sum() - weights[0]
    return tuple(weights.astype(np.float32))
