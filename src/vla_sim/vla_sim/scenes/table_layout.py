"""How CALVIN's table may be laid out: a design, and where the blocks and fixtures start."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from vla_core.errors import UnknownNameError
from vla_sim.scenes.scene import Layout
from vla_sim.scenes.table_measures import (
    BLOCKS,
    CABINET_HALF,
    DRAWER_DEPTH,
    DRAWER_FLOOR,
    DRAWER_FRONT_X,
    SHELF,
    TOP,
)

PLACES = ('table', 'slider_left', 'slider_right', 'drawer')  # and 'on:<block>'

_TABLE_X, _TABLE_Y = (0.548, 0.585), (-0.15, 0.15)  # [m] where blocks stand on the table
_WIDER_X, _BEYOND_Y = (0.54, 0.59), (0.16, 0.20)  # where only perturbed exams put them
_TURN, _OUTSIDE_TURN = 0.5, (0.55, 0.9)  # [rad] of blocks on the table
_APART = 0.15  # [m] between the middles of blocks on the table


@dataclass(frozen=True)
class TableDesign:
    """One of the four looks and arrangements; policies train on some and are tested on another."""

    name: str
    drawer_y: float  # middle of the drawer
    cabinet_y: float  # middle of the cabinet
    button: tuple[float, float]
    switch: tuple[float, float]  # of the lever at rest (off); it slides away from the robot
    palette: Mapping[str, tuple[float, ...]]  # part -> r g b a
    texture: int  # seed of the table's pattern


@dataclass(frozen=True, kw_only=True)
class TableLayout(Layout):
    """Where everything is at the start of an episode, in words and in numbers."""

    design: TableDesign
    places: Mapping[str, str]  # block -> one of PLACES, 'on:<block>' or 'held'
    blocks: Mapping[str, np.ndarray]  # block -> (4,) float64 x y z [m], yaw [rad]
    door: float = 0.0  # 0 at the right .. DOOR_TRAVEL at the left [m]
    drawer: float = 0.0  # opening [m]
    switch: bool = False  # the lever is on and the bulb burns
    led: bool = False
    outside: bool = False  # blocks stand where training never puts them

    def arranged(self, places: Mapping[str, str], rng: np.random.Generator) -> 'TableLayout':
        """Return the layout with all blocks put anew into `places`."""
        held = next((name for name, place in places.items() if place == 'held'), '')
        layout = replace(self, places=dict(places), held=held)
        blocks = _poses(replace(layout, outside=False), rng)
        if self.outside:  # from its own stream: what else is drawn stays as it was
            blocks = _poses(layout, rng.spawn(1)[0])
        return replace(layout, blocks=blocks)


def draw_places(
    rng: np.random.Generator, fixed: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return a place for each block: `fixed` ones as given, the others by CALVIN's rule.

    One or two blocks stand on the table, at most one in each half of the cabinet.
    """
    fixed = dict(fixed or {})
    free = ['table', 'table', 'slider_left', 'slider_right']
    for place in fixed.values():
        if place in free:
            free.remove(place)
    rest = [name for name in BLOCKS if name not in fixed]
    while True:
        spots = [str(spot) for spot in rng.permutation(free)[:len(rest)]]
        if 'table' in (*fixed.values(), *spots) or not rest:
            return {**fixed, **dict(zip(rest, spots, strict=True))}


def place_pose(
    layout: TableLayout, block: str, place: str, rng: np.random.Generator
) -> np.ndarray:
    """Return a pose (4,) x y z yaw for a block in one of PLACES; others are not looked at."""
    half = BLOCKS[block][2] / 2
    if place == 'table' and layout.outside:
        return np.array([
            rng.uniform(*_WIDER_X), _signed(rng, *_BEYOND_Y), TOP + half,
            _signed(rng, *_OUTSIDE_TURN)])
    if place == 'table':
        turn = rng.uniform(-_TURN, _TURN)
        return np.array([rng.uniform(*_TABLE_X), rng.uniform(*_TABLE_Y), TOP + half, turn])
    if place in ('slider_left', 'slider_right'):
        side = 1.0 if place == 'slider_left' else -1.0
        middle = layout.design.cabinet_y + side * CABINET_HALF / 2
        outwards = side * rng.uniform(0.0, 0.03)  # so that another one fits beside it
        return np.array([
            rng.uniform(0.725, 0.735), middle + outwards, SHELF + half,
            _signed(rng, 0.13, 0.20) if layout.outside else rng.uniform(-0.1, 0.1)])
    if place == 'drawer':
        x = DRAWER_FRONT_X + 0.01 + DRAWER_DEPTH / 2 - layout.drawer
        return np.array([
            x + rng.uniform(-0.010, 0.010),
            layout.design.drawer_y + rng.uniform(-0.04, 0.04),
            DRAWER_FLOOR + half,
            _signed(rng, 0.18, 0.26) if layout.outside else rng.uniform(-0.15, 0.15)])
    raise UnknownNameError('place', place, PLACES)


def _poses(layout: TableLayout, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return poses in which blocks on the table stand apart from each other."""
    while True:
        poses = {name: place_pose(layout, name, place, rng)
                 for name, place in layout.places.items() if place in PLACES}
        spots = [poses[name][:2] for name, place in layout.places.items() if place == 'table']
        gaps = [np.linalg.norm(a - b) for i, a in enumerate(spots) for b in spots[:i]]
        if min(gaps, default=1.0) > _APART:
            break
    for name, place in layout.places.items():
        if place.startswith('on:'):
            below = poses[place.removeprefix('on:')]
            poses[name] = below + np.array([0.0, 0.0, 0.05, rng.uniform(-0.1, 0.1)])
        elif place == 'held':  # across its short side, like fingers along y
            poses[name] = np.array([*layout.tool, layout.yaw])
    return poses


def _signed(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a number of that size and of either sign."""
    return float(rng.choice([-1, 1]) * rng.uniform(low, high))
