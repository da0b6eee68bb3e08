"""How an episode differs from the plain one: light, colours, camera, masses, clutter, latency.

A `Variation` holds values already drawn; the neutral one changes nothing, to the bit. What
`perturbed` draws for exams lies beyond what `vla_sim.randomisation` draws for training.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
import zlib

import numpy as np
from vla_core.errors import UnknownNameError

PERTURBATIONS = ('poses', 'light', 'camera', 'distractors', 'paraphrase', 'delay')
FURNITURE = (  # parts, of all scenes, whose colour means nothing; that of blocks and lamps does
    'table', 'desk', 'drawer', 'drawer_front', 'cabinet', 'cabinet_inside', 'door', 'handle',
    'door_handle', 'button', 'button_case', 'switch', 'switch_case', 'case', 'stand', 'bowl',
    'box', 'curtain', 'plate')
FREE_PLACES = 5  # a scene has so many, for distractors
CLUTTER_COLOURS = (  # of distractors: none that a sentence names
    (0.20, 0.60, 0.25), (0.95, 0.80, 0.15), (0.93, 0.50, 0.10), (0.15, 0.60, 0.60),
    (0.42, 0.28, 0.14), (0.14, 0.14, 0.14))


@dataclass(frozen=True)
class Light:
    """The one lamp of the software renderer."""

    direction: tuple[float, float, float] = (0.4, -0.3, 1.0)
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ambient: float = 0.6
    diffuse: float = 0.35
    specular: float = 0.05


@dataclass(frozen=True)
class Distractor:
    """A box that no task is about."""

    half: tuple[float, float, float]  # [m]
    colour: tuple[float, float, float]
    place: int  # which of the scene's free places it stands on, 0 .. FREE_PLACES - 1
    yaw: float  # [rad]


@dataclass(frozen=True)
class Variation:
    """What is different about one episode."""

    light: Light = Light()
    tints: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)  # part -> factor
    textures: Mapping[str, int] = field(default_factory=dict)  # surface -> seed of its picture
    static_shift: tuple[float, ...] = (0.0,) * 6  # eye xyz, target xyz of the static camera [m]
    wrist_shift: tuple[float, ...] = (0.0,) * 6  # xyz [m], rotation vector [rad] in its own frame
    mass: float = 1.0  # factor on the objects
    friction: float = 1.0  # factor on the objects
    distractors: tuple[Distractor, ...] = ()
    outside: bool = False  # objects start where training never put them
    held_out: bool = False  # asked with a sentence that training never used
    delay_steps: int = 0  # policy steps by which every chunk comes late

    def tint(self, part: str, colour: tuple[float, ...]) -> tuple[float, ...]:
        """Return the colour (r, g, b, a) a part has in this variation."""
        factor = self.tints.get(part)
        if factor is None:
            return colour
        return (*(float(min(1.0, c * f)) for c, f in zip(colour[:3], factor, strict=True)),
                colour[3])


PLAIN = Variation()


def perturbed(names: Iterable[str], seed: int) -> Variation:
    """Return what is different under the perturbations `names`, each drawn by its own stream.

    Raises:
        UnknownNameError: for a name outside PERTURBATIONS.

    """
    names, variation = tuple(names), PLAIN
    check_perturbations(names)
    for name in names:
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        variation = replace(variation, **_DRAWS[name](rng))
    return variation


def check_perturbations(names: Iterable[str]) -> None:
    """Raise UnknownNameError for a name outside PERTURBATIONS."""
    for name in names:
        if name not in PERTURBATIONS:
            raise UnknownNameError('perturbation', name, PERTURBATIONS)


def towards(azimuth_deg: float, elevation_deg: float) -> tuple[float, float, float]:
    """Return the unit vector towards a lamp; the azimuth is about base z, from x."""
    azimuth, elevation = np.radians([azimuth_deg, elevation_deg])
    return (float(np.cos(azimuth) * np.cos(elevation)),
            float(np.sin(azimuth) * np.cos(elevation)), float(np.sin(elevation)))


def vector(values: np.ndarray) -> tuple[float, ...]:
    """Return an array (N,) as plain numbers."""
    return tuple(float(value) for value in values)


def _draw_poses(rng: np.random.Generator) -> dict[str, Any]:
    del rng  # the scene draws them
    return {'outside': True}


def _draw_light(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a low lamp at the other side, warm or cold, dim or bright, and other furniture."""
    colour = rng.uniform(0.90, 1.0, 3)
    colour[rng.choice([0, 2])] = rng.uniform(0.74, 0.84)
    light = Light(
        direction=towards(rng.uniform(35.0, 250.0), rng.uniform(20.0, 40.0)),
        colour=vector(colour), ambient=_either(rng, (0.42, 0.48), (0.74, 0.82)),
        diffuse=_either(rng, (0.16, 0.22), (0.50, 0.60)))
    tints = {part: vector(_either(rng, (0.50, 0.64), (1.45, 1.7)) * rng.uniform(0.92, 1.08, 3))
             for part in FURNITURE}
    return {'light': light, 'tints': tints}


def _draw_camera(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a jolt of both cameras."""
    return {
        'static_shift': (*_away(rng, 0.030, 0.060), *_away(rng, 0.015, 0.030)),
        'wrist_shift': (*_away(rng, 0.005, 0.010), *_away(rng, *np.radians([3.0, 6.0])))}


def _draw_distractors(rng: np.random.Generator) -> dict[str, Any]:
    """Draw one to three boxes on different free places."""
    count = int(rng.integers(1, 4))
    places = rng.permutation(FREE_PLACES)[:count]
    return {'distractors': tuple(
        Distractor(
            half=vector(rng.uniform((0.016, 0.016, 0.014), (0.028, 0.028, 0.030))),
            colour=CLUTTER_COLOURS[rng.integers(len(CLUTTER_COLOURS))],
            place=int(place), yaw=float(rng.uniform(-np.pi, np.pi)))
        for place in places)}


def _draw_paraphrase(rng: np.random.Generator) -> dict[str, Any]:
    del rng  # the sentence is drawn by the episode's own seed
    return {'held_out': True}


def _draw_delay(rng: np.random.Generator) -> dict[str, Any]:
    return {'delay_steps': int(rng.integers(1, 4))}


_DRAWS = {
    'poses': _draw_poses, 'light': _draw_light, 'camera': _draw_camera,
    'distractors': _draw_distractors, 'paraphrase': _draw_paraphrase, 'delay': _draw_delay}


def _either(
    rng: np.random.Generator, low: tuple[float, float], high: tuple[float, float]
) -> float:
    """Return a number from one of two ranges."""
    return float(rng.uniform(*(low if rng.random() < 0.5 else high)))


def _away(rng: np.random.Generator, least: float, most: float) -> tuple[float, ...]:
    """Return a (3,) vector of any direction whose length is within two bounds."""
    direction = rng.normal(size=3)
    return vector(direction * (rng.uniform(least, most) / np.linalg.norm(direction)))
