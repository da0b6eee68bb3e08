"""Open and close the drawer."""

from dataclasses import dataclass, replace

import numpy as np
from vla_core.types import SimState
from vla_sim.scenes.bowl import BowlLayout, DRAWER_TRAVEL

OPEN = 0.10  # [m]
CLOSED = 0.015  # [m]


@dataclass(frozen=True)
class OpenDrawer:
    """The drawer, closed before, is open by OPEN or more."""

    name: str = 'open_drawer'

    def prepare(self, layout: BowlLayout, rng: np.random.Generator) -> BowlLayout:
        """Start with the drawer closed."""
        return replace(layout, drawer=0.0)

    def feasible(self, state: SimState) -> bool:
        """Require a drawer that is not open yet."""
        return state.joints['drawer'] < 0.04

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require the opening."""
        return now.joints['drawer'] > OPEN


@dataclass(frozen=True)
class CloseDrawer:
    """The drawer, open before, is shut."""

    name: str = 'close_drawer'

    def prepare(self, layout: BowlLayout, rng: np.random.Generator) -> BowlLayout:
        """Start with the drawer open."""
        return replace(layout, drawer=float(rng.uniform(0.11, DRAWER_TRAVEL)))

    def feasible(self, state: SimState) -> bool:
        """Require an open drawer."""
        return state.joints['drawer'] > 0.08

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require the drawer to be shut."""
        return now.joints['drawer'] < CLOSED
