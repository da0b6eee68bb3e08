"""Put the peg into the hole under the cloth."""

from dataclasses import dataclass, replace

import numpy as np
from vla_core.geometry import quat_to_matrix
from vla_core.types import SimState
from vla_sim.scenes.touch import HOLE_SIZE, PEG_LENGTH, TouchLayout

IN = 0.018  # [m] of the peg inside the hole


@dataclass(frozen=True)
class InsertPeg:
    """The peg stands in the hole and the fingers have let it go."""

    name: str = 'insert_peg'

    def prepare(self, layout: TouchLayout, rng: np.random.Generator) -> TouchLayout:
        """Start with the peg in the hand."""
        return replace(layout, held='peg')

    def feasible(self, state: SimState) -> bool:
        """Require the peg in the hand, upright."""
        return state.contacts.get('peg', 0.0) > 0.5 and state.tool_pose[2] > 0.12

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require the peg deep in the hole, released."""
        foot, hole = peg_foot(now.objects['peg']), now.objects['hole']
        aside = np.abs(foot[:2] - hole[:2]).max()
        inside = aside < HOLE_SIZE / 2 and hole[2] - foot[2] > IN
        return bool(inside and now.contacts.get('peg', 0.0) == 0.0)


def peg_foot(pose: np.ndarray) -> np.ndarray:
    """Return (3,) the middle of the peg's lower end [m]."""
    return pose[:3] - PEG_LENGTH / 2 * quat_to_matrix(pose[3:])[:, 2]
