"""Domain randomisation for collected episodes: all its ranges in one place.

A policy that has seen every kind of table takes the next one for another kind (Tobin et al.
2017, arXiv:1703.06907). Exams perturb beyond these ranges.
"""

from dataclasses import dataclass

import numpy as np
from vla_sim.variation import FURNITURE, Light, towards, Variation, vector

SURFACES = ('table', 'cabinet', 'drawer', 'door', 'box', 'curtain', 'plate')  # of all scenes
_STREAM = 41

Range = tuple[float, float]


@dataclass(frozen=True)
class Randomisation:
    """Ranges (low, high), each drawn evenly and once an episode."""

    textured: float = 0.8  # chance that a surface wears a picture
    gain: Range = (0.8, 1.2)  # of a part's brightness
    hue: Range = (0.9, 1.1)  # of each of its colour channels, on top
    azimuth_deg: Range = (-95.0, 20.0)  # of the lamp about base z, from x
    elevation_deg: Range = (48.0, 80.0)
    lamp: Range = (0.9, 1.0)  # of each colour channel of the lamp
    ambient: Range = (0.5, 0.7)
    diffuse: Range = (0.25, 0.45)
    eye_m: Range = (-0.015, 0.015)  # of the static camera, along each axis
    target_m: Range = (-0.008, 0.008)  # of the point it looks at
    mount_m: Range = (-0.0025, 0.0025)  # of the wrist camera, in its own frame
    mount_rad: Range = (-0.026, 0.026)  # about each of its axes
    mass: Range = (0.7, 1.4)  # factor on the objects
    friction: Range = (0.85, 1.25)  # factor on the objects
    delay_steps: tuple[int, int] = (0, 1)  # policy steps, both ends included

    def draw(self, seed: int) -> Variation:
        """Return the variation of one episode, a function of `seed` alone."""
        rng = np.random.default_rng([seed, _STREAM])
        return Variation(
            light=self._light(rng),
            tints={part: vector(rng.uniform(*self.gain) * rng.uniform(*self.hue, 3))
                   for part in FURNITURE},
            textures={surface: int(rng.integers(2**31)) for surface in SURFACES
                      if rng.random() < self.textured},
            static_shift=vector(np.concatenate([
                rng.uniform(*self.eye_m, 3), rng.uniform(*self.target_m, 3)])),
            wrist_shift=vector(np.concatenate([
                rng.uniform(*self.mount_m, 3), rng.uniform(*self.mount_rad, 3)])),
            mass=float(rng.uniform(*self.mass)), friction=float(rng.uniform(*self.friction)),
            delay_steps=int(rng.integers(*self.delay_steps, endpoint=True)))

    def _light(self, rng: np.random.Generator) -> Light:
        return Light(
            direction=towards(rng.uniform(*self.azimuth_deg), rng.uniform(*self.elevation_deg)),
            colour=vector(rng.uniform(*self.lamp, 3)),
            ambient=float(rng.uniform(*self.ambient)), diffuse=float(rng.uniform(*self.diffuse)))
