"""The light in the gel: three coloured lamps around it and the camera that looks at its back.

Taxim maps the surface's gradient to colour by polynomials that are calibrated on a real sensor
(Si & Yuan 2022, III-B). We have none to calibrate on, so the same map is analytic here:
Lambert and Blinn-Phong for a red, a green and a blue lamp, 120 degrees apart. Like Taxim's it
is a function of the gradient alone, added to the picture of the untouched gel.
"""

import numpy as np
from vla_sim.gel.config import GelConfig, pixel_grid

_LAMPS_DEG = (150.0, 30.0, 270.0)  # red left, green right (each other's mirror), blue above
_ELEVATION_DEG = 35.0  # above the gel's plane
_COLOURS = ((0.86, 0.12, 0.10), (0.12, 0.86, 0.10), (0.10, 0.12, 0.92))  # a lamp's r, g, b
_TINT = (112.0, 112.0, 126.0)  # the untouched gel's middle
_DIFFUSE, _SPECULAR = 165.0, 45.0
_GLEAM = 4  # the specular exponent is 2**_GLEAM


class Optics:
    """Colours a surface; the generator draws the camera's fixed pattern."""

    def __init__(self, config: GelConfig, rng: np.random.Generator) -> None:
        self._pixel_m = np.float32(config.pixel_m)
        self._noise = config.noise_levels
        angles = np.radians(_LAMPS_DEG)
        low, high = np.cos(np.radians(_ELEVATION_DEG)), np.sin(np.radians(_ELEVATION_DEG))
        lamps = np.stack([low * np.cos(angles), low * np.sin(angles), np.full(3, high)], axis=1)
        halves = lamps + np.array([0.0, 0.0, 1.0])  # the camera looks along the normal
        self._lamps = lamps.astype(np.float32)
        self._halves = (halves / np.linalg.norm(halves, axis=1)[:, None]).astype(np.float32)
        self._falloff = _falloff(config, lamps)
        level = np.ones((config.height_px, config.width_px), dtype=np.float32)
        self._flat = self._lit(np.zeros_like(level), np.zeros_like(level), level)
        self.background = self._background(rng)  # (H, W, 3) float32 levels of 255
        self.background.flags.writeable = False

    def shade(self, surface: np.ndarray) -> np.ndarray:
        """Return (H, W, 3) float32 levels of 255 for a surface of (H, W) depths [m]."""
        slope_x, slope_y = self._slopes(surface)
        upright = 1.0 / np.sqrt(slope_x * slope_x + slope_y * slope_y + np.float32(1.0))
        lit = self._lit(-slope_x * upright, -slope_y * upright, upright)
        image = self.background.copy()
        for lamp, colour in enumerate(_COLOURS):
            gain = (lit[lamp] - self._flat[lamp]) * self._falloff[lamp]
            for channel in range(3):
                image[..., channel] += gain * np.float32(colour[channel])
        return image

    def _slopes(self, surface: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the surface's gradient along x and y; its border counts as level."""
        slope_x, slope_y = np.zeros_like(surface), np.zeros_like(surface)
        step = np.float32(0.5) / self._pixel_m
        slope_x[:, 1:-1] = (surface[:, 2:] - surface[:, :-2]) * step
        slope_y[1:-1] = (surface[2:] - surface[:-2]) * step
        return slope_x, slope_y

    def _lit(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> list[np.ndarray]:
        """Return each lamp's light (H, W) sent to the camera by normals x, y, z."""
        light = []
        for lamp, half in zip(self._lamps, self._halves, strict=True):
            diffuse = np.maximum(x * lamp[0] + y * lamp[1] + z * lamp[2], 0.0)
            gleam = np.maximum(x * half[0] + y * half[1] + z * half[2], 0.0)
            for _ in range(_GLEAM):
                gleam *= gleam
            light.append(np.float32(_DIFFUSE) * diffuse + np.float32(_SPECULAR) * gleam)
        return light

    def _background(self, rng: np.random.Generator) -> np.ndarray:
        image = np.empty((*self._falloff[0].shape, 3), dtype=np.float32)
        for channel, tint in enumerate(_TINT):
            image[..., channel] = tint * (0.45 + 0.55 * self._falloff[channel])
        return image + rng.normal(0.0, self._noise, image.shape).astype(np.float32)


def _falloff(config: GelConfig, lamps: np.ndarray) -> list[np.ndarray]:
    """Return how bright (H, W) each lamp is over the gel: 1 in the middle, more beside it."""
    x, y = pixel_grid(config)
    reach = config.width_px * config.pixel_m
    return [
        np.clip(1.0 + 0.55 * (lamp[0] * x + lamp[1] * y) / reach, 0.3, 1.7).astype(np.float32)
        for lamp in lamps]
