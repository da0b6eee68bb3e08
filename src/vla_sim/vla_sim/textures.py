"""Procedural pictures for furniture: a picture is a function of its seed alone.

A picture multiplies the colour of what wears it, so a table keeps its own hue.
"""

from collections.abc import Mapping
from pathlib import Path
import tempfile

import numpy as np
from vla_sim.engine import pybullet

SIZE = 64  # pixels a side: about what the 96 px cameras can show
KINDS = ('plain', 'wood', 'checker', 'noise')
_DARKEST = 0.5  # share of the colour that the darkest pixel keeps
_STREAM = 318


def picture(seed: int) -> np.ndarray:
    """Return the (SIZE, SIZE, 3) uint8 RGB picture of a seed: one of KINDS, lightly tinted."""
    rng = np.random.default_rng([_STREAM, seed])
    kind = KINDS[rng.integers(len(KINDS))]
    shade = _SHADES[kind](rng)
    depth = rng.uniform(0.4, 1.0) * (1.0 - _DARKEST)
    light, dark = rng.uniform(0.92, 1.0, 3), rng.uniform(0.85, 1.0, 3) * (1.0 - depth)
    return np.round(255.0 * (dark + shade[..., None] * (light - dark))).astype(np.uint8)


def paint(
    client: int, painted: Mapping[str, tuple[int, int]], textures: Mapping[str, int]
) -> None:
    """Put the pictures of seeds (surface -> seed) on the (body, link) of their surfaces.

    Surfaces that are not `painted` here are passed over: every scene has others.
    """
    with tempfile.TemporaryDirectory() as folder:
        # PyBullet would show the first file it ever read under a name again and again.
        pybullet.setPhysicsEngineParameter(enableFileCaching=0, physicsClientId=client)
        for name in sorted(painted.keys() & textures.keys()):
            path = Path(folder) / f'{name}.tga'
            path.write_bytes(_targa(picture(textures[name])))
            texture = pybullet.loadTexture(str(path), physicsClientId=client)
            pybullet.changeVisualShape(
                *painted[name], textureUniqueId=texture, physicsClientId=client)
        pybullet.setPhysicsEngineParameter(enableFileCaching=1, physicsClientId=client)


def _plain(rng: np.random.Generator) -> np.ndarray:
    del rng
    return np.ones((SIZE, SIZE))


def _wood(rng: np.random.Generator) -> np.ndarray:
    """Return grain along one axis, bent by slow waves."""
    along, across = np.meshgrid(np.linspace(0, 1, SIZE), np.linspace(0, 1, SIZE))
    bend = sum(rng.uniform(0.01, 0.03) * np.sin(2 * np.pi * (k * along + rng.random()))
               for k in (1, 2, 3))
    rings = rng.uniform(4.0, 9.0) * (across + bend)
    grain = 0.5 + 0.5 * np.sin(2 * np.pi * (rings + 0.3 * np.sin(2 * np.pi * rings / 3)))
    return grain if rng.random() < 0.5 else grain.T


def _checker(rng: np.random.Generator) -> np.ndarray:
    """Return a board of two shades, its fields of any aspect."""
    rows, columns = rng.integers(3, 11, 2)
    y, x = np.mgrid[:SIZE, :SIZE]
    return ((y * rows // SIZE + x * columns // SIZE) % 2).astype(np.float64)


def _noise(rng: np.random.Generator) -> np.ndarray:
    """Return value noise of three octaves, scaled to 0..1."""
    total = sum(0.5**octave * _smooth(rng, 4 * 2**octave) for octave in range(3))
    return (total - total.min()) / (total.max() - total.min())


def _smooth(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Return random values on a lattice of `cells`, joined by straight lines."""
    lattice = rng.random((cells + 1, cells + 1))
    at = np.linspace(0, cells, SIZE, endpoint=False)
    low, share = at.astype(int), at % 1
    rows = lattice[low] * (1 - share[:, None]) + lattice[low + 1] * share[:, None]
    return rows[:, low] * (1 - share) + rows[:, low + 1] * share


_SHADES = {'plain': _plain, 'wood': _wood, 'checker': _checker, 'noise': _noise}


def _targa(pixels: np.ndarray) -> bytes:
    """Return (H, W, 3) uint8 RGB as an uncompressed Targa file, rows from the top."""
    height, width = pixels.shape[:2]
    size = width.to_bytes(2, 'little') + height.to_bytes(2, 'little')
    return bytes([0, 0, 2, *[0] * 9]) + size + bytes([24, 0x20]) + pixels[..., ::-1].tobytes()
