"""How an episode differs from the plain one: light, colours, camera, masses, clutter, latency.

A `Variation` holds values already drawn; the neutral one changes nothing, to the bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vla_core.errors import UnknownNameError

PERTURBATIONS = ('poses', 'light', 'camera', 'distractors', 'paraphrase', 'delay')


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
    place: int  # which of the scene's free places it stands on
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


def check_perturbations(names: tuple[str, ...]) -> None:
    """Raise UnknownNameError for a name outside PERTURBATIONS."""
    for name in names:
        if name not in PERTURBATIONS:
            raise UnknownNameError('perturbation', name, PERTURBATIONS)
