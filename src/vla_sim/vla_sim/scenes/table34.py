"""CALVIN's table on our own boxes: drawer, sliding door, lever and bulb, button and LED, blocks.

Tasks and exam follow CALVIN (Mees et al. 2022, arXiv:2112.03227); shapes and places are ours.
All positions are in the base frame of the robot [m]: x away from it over the table, y left,
z up. Seen by the robot, right is -y. The table top is at TOP above the robot's base. The desk
has a drawer below its front edge that opens towards the robot, and a cabinet at its back whose
door, a hood over one half, slides left and right.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from vla_sim.cameras import StaticView
from vla_sim.scenes.scene import Expert, Task
from vla_sim.scenes.table_layout import draw_places, TableDesign, TableLayout
from vla_sim.scenes.table_measures import DOOR_TRAVEL, DRAWER_TRAVEL
from vla_sim.scenes.table_stage import TableStage
from vla_sim.variation import Variation

_VIEW = StaticView(eye=(0.91, -0.72, 0.98), target=(0.54, 0.0, 0.09), fov_deg=46.0)


@dataclass(frozen=True)
class Table34:
    """One of the scenes table_a .. table_d."""

    design: TableDesign
    tasks: Mapping[str, Task]
    experts: Mapping[str, Expert]
    touch: bool = False
    tool_range: tuple = ((0.46, -0.12, 0.27), (0.58, 0.12, 0.36))  # corners of its start [m]
    view: StaticView = field(default_factory=lambda: _VIEW)

    @property
    def name(self) -> str:
        """Return the scene's name."""
        return self.design.name

    def sample(self, rng: np.random.Generator, *, outside: bool = False) -> TableLayout:
        """Draw a start as CALVIN does: one or two blocks on the table, the rest in the cabinet."""
        layout = TableLayout(
            design=self.design, places={}, blocks={}, outside=outside,
            door=float(rng.choice([0.0, DOOR_TRAVEL])),
            drawer=float(rng.choice([0.0, DRAWER_TRAVEL - 0.005])),
            switch=bool(rng.random() < 0.5), led=bool(rng.random() < 0.5),
            tool=rng.uniform(*self.tool_range),
            yaw=float(rng.uniform(-0.3, 0.3)))
        return layout.arranged(draw_places(rng), rng)

    def build(self, client: int, layout: TableLayout, variation: Variation) -> TableStage:
        """Add the desk, its fixtures and the blocks."""
        return TableStage(client, layout, variation)
