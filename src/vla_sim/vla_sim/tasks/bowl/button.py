"""Press the button."""

from dataclasses import dataclass

import numpy as np
from vla_core.types import SimState
from vla_sim.scenes.bowl import BowlLayout

PRESSED = 0.6  # of the travel


@dataclass(frozen=True)
class PressButton:
    """The button is down."""

    name: str = 'press_button'

    def prepare(self, layout: BowlLayout, rng: np.random.Generator) -> BowlLayout:
        """Change nothing: the button's spring keeps it up."""
        return layout

    def feasible(self, state: SimState) -> bool:
        """Require the button to be up."""
        return state.joints['button'] < 0.1

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require the button to be down."""
        return now.joints['button'] > PRESSED
