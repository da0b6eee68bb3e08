"""Turn the bulb on and off with the lever, the LED with the button."""

from dataclasses import dataclass, replace

import numpy as np
from vla_core.types import SimState
from vla_sim.scenes.scene import Task
from vla_sim.scenes.table_layout import TableLayout

_INPUT = {'lightbulb': ('bulb', 'switch'), 'led': ('led', 'led')}  # lamp: joint, layout field


@dataclass(frozen=True)
class TurnLight:
    """The lamp, in the other state before, burns or is dark."""

    lamp: str  # 'lightbulb' or 'led'
    on: bool

    @property
    def name(self) -> str:
        """Return the task's name."""
        return f'turn_{"on" if self.on else "off"}_{self.lamp}'

    def prepare(self, layout: TableLayout, rng: np.random.Generator) -> TableLayout:
        """Start with the lamp in the other state."""
        return replace(layout, **{_INPUT[self.lamp][1]: not self.on})

    def feasible(self, state: SimState) -> bool:
        """Require the lamp in the other state and an empty hand."""
        return bool(state.joints[_INPUT[self.lamp][0]]) != self.on and not state.contacts

    def succeeded(self, start: SimState, now: SimState) -> bool:
        """Require the change."""
        joint = _INPUT[self.lamp][0]
        return bool(start.joints[joint]) != self.on and bool(now.joints[joint]) == self.on


TASKS: tuple[Task, ...] = tuple(
    TurnLight(lamp, on) for lamp in ('lightbulb', 'led') for on in (True, False))
