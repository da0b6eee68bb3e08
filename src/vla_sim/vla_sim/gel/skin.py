"""What a body's faces are like to the touch, which rigid-body physics does not know."""

from dataclasses import dataclass

from vla_sim.gel.relief import Ridges


@dataclass(frozen=True)
class Skin:
    """Softness, roundness and texture of every box of a body."""

    stiffness: float = float('inf')  # [N/m^3] (Winkler)
    edge_radius: float = 0.0005  # [m]
    relief: Ridges | None = None


BARE = Skin()  # of everything a scene says nothing about
