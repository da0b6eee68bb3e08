"""Where a chain of tasks begins: the rules' table as a layout of a scene."""

import numpy as np
from vla_core.chains import Chain, TableState
from vla_sim.scenes.table34 import Table34
from vla_sim.scenes.table_layout import TableLayout
from vla_sim.scenes.table_measures import DOOR_TRAVEL, DRAWER_TRAVEL

_START_STREAM = 31


def chain_layout(chain: Chain, scene: Table34, *, outside: bool = False) -> TableLayout:
    """Return the start of a chain on one of the tables; the chain's seed places the blocks."""
    rng = np.random.default_rng([chain.seed, _START_STREAM])
    return state_layout(chain.start, scene, rng, outside=outside)


def state_layout(
    state: TableState, scene: Table34, rng: np.random.Generator, *, outside: bool = False
) -> TableLayout:
    """Return a layout in which the table is as the symbols say, nothing being held."""
    layout = TableLayout(
        design=scene.design, places={}, blocks={}, outside=outside,
        door=DOOR_TRAVEL if state.slider == 'left' else 0.0,
        drawer=DRAWER_TRAVEL - 0.005 if state.drawer == 'open' else 0.0,
        switch=state.lightbulb, led=state.led, tool=rng.uniform(*scene.tool_range),
        yaw=float(rng.uniform(-0.3, 0.3)))
    return layout.arranged(state.blocks, rng)
