"""The gel sensor of one fingertip: from what presses on the pad to a GelSight-like picture.

After Taxim (Si & Yuan 2022, arXiv:2109.04027): the height map under the contact, its pyramid of
Gaussians, colour as a function of the surface's gradient on top of the untouched picture. Ours
are the law from force to depth (surface.py), analytic light instead of a calibrated table
(optics.py) and first-order markers (markers.py). Shadows are left out.
"""

import numpy as np
from vla_sim.gel.config import GelConfig, pixel_grid
from vla_sim.gel.markers import Markers
from vla_sim.gel.optics import Optics
from vla_sim.gel.shape import nearest
from vla_sim.gel.surface import indentation, relax
from vla_sim.gel.touch import Press


class GelSensor:
    """Renders presses; holds no state between them, so equal presses give equal bits."""

    def __init__(self, config: GelConfig, rng: np.random.Generator) -> None:
        """Build the gel; `rng` draws the camera's fixed-pattern noise once."""
        self._config = config
        self._x, self._y = pixel_grid(config)
        self._optics, self._markers = Optics(config, rng), Markers(config)
        flat = self._optics.background.copy()
        self._markers.draw(flat, self._markers.home)
        self._untouched = _to_bytes(flat)

    def render(self, press: Press) -> np.ndarray:
        """Return the (H, W, 3) uint8 RGB picture; the untouched one without any force."""
        if not any(touch.force > 0.0 for touch in press.touches):
            return self._untouched.copy()
        surface, shear = self.deform(press)
        image = self._optics.shade(surface)
        self._markers.draw(image, self._markers.moved(surface, shear))
        return _to_bytes(image)

    def deform(self, press: Press) -> tuple[np.ndarray, np.ndarray]:
        """Return the surface's depth (H, W) [m] and its sideways shift (H, W, 2) [m]."""
        config = self._config
        shape = (config.height_px, config.width_px)
        depth, shift = np.zeros(shape, dtype=np.float32), np.zeros(2, dtype=np.float32)
        for touch in press.touches:
            if touch.force <= 0.0:
                continue
            distance = nearest(touch.shapes, press.pad, self._x, self._y)
            sunk = indentation(config, distance, touch.force, touch.stiffness)
            np.maximum(depth, sunk, out=depth)
            shift += np.float32(config.shear_compliance) * np.float32(touch.shear)
        surface = relax(config, depth)
        weight = surface / max(float(surface.max()), 1e-9)  # it moves where it is held
        return surface, weight[..., None] * shift


def _to_bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(image + np.float32(0.5), 0.0, 255.0).astype(np.uint8)
