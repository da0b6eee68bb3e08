"""The gel's size, stiffness and optics: the one home of its defaults."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class GelConfig:
    """One fingertip sensor; 96 x 72 px as the cameras are, drawn in 1.2 ms of one core."""

    width_px: int = 96  # across the finger
    height_px: int = 72  # along the finger, the last row nearest its end
    width_m: float = 0.020  # of the gel across the finger; as GelSight Mini's
    stiffness: float = 2.0e8  # [N/m^3] 0.6 MPa (silicone, held at its back) over 3 mm: Winkler
    depth_max_m: float = 0.0015  # half of the gel: it bottoms out there
    smoothing_m: tuple[float, ...] = (0.0014, 0.0007, 0.0004)  # sigmas, coarse to fine
    shear_compliance: float = 1.0e-4  # [m/N] of the gel's surface: 3 mm thick, 0.1 MPa in shear
    marker_pitch_m: float = 0.0024
    marker_radius_m: float = 0.00028
    noise_levels: float = 1.0  # standard deviation of the camera's fixed pattern, of 255

    @property
    def pixel_m(self) -> float:
        """Return the side of a pixel, which is square [m]."""
        return self.width_m / self.width_px


def pixel_grid(config: GelConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return x (1, W) and y (H, 1) float32 [m] of the pixels' middles in the pad's frame."""
    x = (np.arange(config.width_px) - (config.width_px - 1) / 2) * config.pixel_m
    y = (np.arange(config.height_px) - (config.height_px - 1) / 2) * config.pixel_m
    return x[None].astype(np.float32), y[:, None].astype(np.float32)
