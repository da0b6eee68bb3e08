"""The bowl scene: three cubes, a bowl, a cabinet with a drawer, and a button.

All positions are in the base frame of the robot, which stands on the table top (z = 0) [m].
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from vla_sim.cameras import StaticView
from vla_sim.engine import pybullet
from vla_sim.gel.skin import Skin
from vla_sim.scenes import shapes
from vla_sim.scenes.scene import Expert, Layout, Task
from vla_sim.scenes.shapes import Box
from vla_sim.variation import Variation

BLOCK_SIZE = 0.045
BLOCK_COLOURS = {
    'red_block': (0.82, 0.12, 0.10, 1.0),
    'blue_block': (0.10, 0.25, 0.85, 1.0),
    'pink_block': (0.98, 0.50, 0.76, 1.0),
}
BOWL_RADIUS = 0.068  # to the inside of the wall
BOWL_HEIGHT = 0.045
DRAWER_TRAVEL = 0.14
CABINET_HEIGHT = 0.10
HANDLE_HEIGHT = 0.115  # where a gripper takes it
HANDLE_REACH = 0.045  # from the cabinet's front face to the handle
BUTTON_TRAVEL = 0.018
BUTTON_TOP = 0.048  # of the unpressed button

_BLOCK_MASS = 0.06  # [kg]
_WOOD = (0.62, 0.46, 0.30, 1.0)
_DARK_WOOD = (0.40, 0.27, 0.16, 1.0)
_STEEL = (0.85, 0.85, 0.87, 1.0)
_BOWL = (0.93, 0.90, 0.80, 1.0)
_BUTTON = (0.95, 0.75, 0.05, 1.0)
_TABLE = (0.55, 0.60, 0.58, 1.0)


@dataclass(frozen=True, kw_only=True)
class BowlLayout(Layout):
    """Where everything is at the start of an episode."""

    blocks: Mapping[str, np.ndarray]  # name -> (4,) float64 x y z [m], yaw [rad]
    bowl: np.ndarray  # (2,) float64 [m]
    cabinet: np.ndarray  # (2,) float64 middle of its front face [m]
    button: np.ndarray  # (2,) float64 [m]
    drawer: float = 0.0  # opening [m]


@dataclass(frozen=True)
class BowlScene:
    """Blocks in the middle, bowl right, cabinet and button left."""

    tasks: Mapping[str, Task]
    experts: Mapping[str, Expert]
    name: str = 'bowl'
    view: StaticView = field(default_factory=StaticView)
    touch: bool = False

    def sample(self, rng: np.random.Generator, *, outside: bool = False) -> BowlLayout:
        """Draw a layout: three blocks apart from each other.

        `outside` takes a wider block region, all blocks in its new part,
        and stronger turns.
        """
        names = list(BLOCK_COLOURS)
        spots = _spread(rng, len(names), *_REGION)
        turns = rng.uniform(-0.35, 0.35, len(names))
        if outside:  # from its own stream: what else is drawn stays as it was
            own = rng.spawn(1)[0]
            spots, turns = _outside(own, len(names)), own.uniform(0.4, 0.78, len(names))
        return BowlLayout(
            blocks={
                name: np.array([*spot, BLOCK_SIZE / 2, turn])
                for name, spot, turn in zip(names, spots, turns, strict=True)
            },
            bowl=rng.uniform((0.40, -0.34), (0.58, -0.29)),
            cabinet=rng.uniform((0.61, 0.28), (0.65, 0.31)),
            button=rng.uniform((0.33, 0.25), (0.38, 0.31)),
            drawer=float(rng.choice([0.0, rng.uniform(0.11, DRAWER_TRAVEL)])),
            tool=rng.uniform((0.36, -0.28, 0.16), (0.56, 0.25, 0.34)),
        )

    def build(self, client: int, layout: BowlLayout, variation: Variation) -> 'BowlStage':
        """Add the table, the blocks and the furniture."""
        return BowlStage(client, layout, variation)


class BowlStage:
    """The furniture of one episode."""

    def __init__(self, client: int, layout: BowlLayout, variation: Variation) -> None:
        self._client, self._tint = client, variation.tint
        self.table = self._table()
        self.bodies = {
            name: self._block(name, pose, variation) for name, pose in layout.blocks.items()}
        self.bowl = self._build_bowl(layout.bowl)
        self.cabinet = self._cabinet(layout.cabinet, layout.drawer)
        self.button = self._button(layout.button)
        self.surfaces = {
            (self.table, -1): 'table', (self.bowl, -1): 'bowl', (self.cabinet, -1): 'cabinet',
            (self.cabinet, 0): 'drawer', (self.button, -1): 'button', (self.button, 0): 'button'}
        self.lamps: dict[str, int] = {}
        self.skins: dict[int, Skin] = {}  # bare and rigid, all of it
        self.painted = {'table': (self.table, -1), 'cabinet': (self.cabinet, -1)}
        self.places = _FREE

    def after_step(self) -> None:
        """Stop drawer and button at their ends."""
        shapes.stopped(self._client, self.cabinet, DRAWER_TRAVEL)
        shapes.stopped(self._client, self.button, BUTTON_TRAVEL)

    def objects(self) -> dict[str, np.ndarray]:
        """Return the (7,) pose of everything that can be named in a sentence."""
        client = self._client
        poses = {name: shapes.pose_of(client, body) for name, body in self.bodies.items()}
        poses['bowl'] = shapes.pose_of(client, self.bowl)
        poses['button'] = self._offset(self.button, (0.0, 0.0, BUTTON_TOP))
        poses['drawer_handle'] = self._offset(
            self.cabinet, (-HANDLE_REACH - self._drawer(), 0.0, HANDLE_HEIGHT))
        return poses

    def joints(self) -> dict[str, float]:
        """Return the drawer's opening [m] and how far the button is pressed, 0..1."""
        pressed = shapes.slid(self._client, self.button) / BUTTON_TRAVEL
        return {'drawer': self._drawer(), 'button': float(np.clip(pressed, 0.0, 1.0))}

    def grip_width(self, name: str) -> float:
        """Return the width of a cube [m]."""
        del name
        return BLOCK_SIZE

    def _drawer(self) -> float:
        return shapes.slid(self._client, self.cabinet)

    def _offset(self, body: int, offset: tuple) -> np.ndarray:
        pose = shapes.pose_of(self._client, body)
        pose[:3] += offset  # fixtures are never turned
        return pose

    def _table(self) -> int:
        """Add the table top, whose surface is z = 0."""
        colour = self._tint('table', _TABLE)
        return shapes.body(
            self._client, 0.0, [Box((0.45, 0.45, 0.02), (0.45, 0.0, -0.02), colour)])

    def _block(self, name: str, pose: np.ndarray, variation: Variation) -> int:
        """Add a cube at (4,) x y z [m], yaw [rad]."""
        colour = self._tint(name, BLOCK_COLOURS[name])
        body = shapes.body(
            self._client, _BLOCK_MASS * variation.mass,
            [Box((BLOCK_SIZE / 2,) * 3, (0.0, 0.0, 0.0), colour)], pose[:3], pose[3])
        pybullet.changeDynamics(
            body, -1, lateralFriction=1.0 * variation.friction, spinningFriction=0.002,
            rollingFriction=0.0001, physicsClientId=self._client)
        return body

    def _build_bowl(self, position: np.ndarray) -> int:
        """Add an eight-sided bowl, heavy enough to stay when touched."""
        colour = self._tint('bowl', _BOWL)
        half = BOWL_RADIUS * 0.85
        parts = [Box((half, half, 0.004), (0.0, 0.0, 0.004), colour)]
        width = BOWL_RADIUS * np.tan(np.pi / 8)
        for side in range(8):
            angle = side * np.pi / 4
            centre = (BOWL_RADIUS * np.cos(angle), BOWL_RADIUS * np.sin(angle), BOWL_HEIGHT / 2)
            parts.append(Box((0.005, width, BOWL_HEIGHT / 2), centre, colour, angle))
        return shapes.body(self._client, 1.0, parts, (*position, 0.0))

    def _cabinet(self, front: np.ndarray, opening: float) -> int:
        """Add the cabinet with its drawer; joint 0 slides the drawer by 0..DRAWER_TRAVEL [m]."""
        depth, width, wall = 0.11, 0.085, 0.006
        half, wood = CABINET_HEIGHT / 2, self._tint('cabinet', _WOOD)
        dark, steel = self._tint('drawer', _DARK_WOOD), self._tint('handle', _STEEL)
        shell = [
            Box((depth, width, wall), (depth, 0.0, CABINET_HEIGHT - wall), wood),
            Box((depth, wall, half), (depth, width, half), wood),
            Box((depth, wall, half), (depth, -width, half), wood),
        ]
        drawer = [
            Box((0.09, 0.07, 0.005), (0.09, 0.0, 0.012), dark),
            Box((0.006, 0.075, 0.040), (0.0, 0.0, 0.046), dark),
            Box((HANDLE_REACH / 2, 0.008, 0.012), (-HANDLE_REACH / 2, 0.0, 0.07), steel),
            Box((0.012, 0.011, 0.038), (-HANDLE_REACH, 0.0, 0.102), steel),
        ]
        return shapes.sliding(
            self._client, (*front, 0.0), shell, drawer, (-1.0, 0.0, 0.0), 0.4,
            friction_n=2.0, at=opening)

    def _button(self, position: np.ndarray) -> int:
        """Add the button; joint 0 is pressed by 0..BUTTON_TRAVEL [m] downwards."""
        base = [Box((0.045, 0.045, 0.012), (0.0, 0.0, 0.012), self._tint('case', _DARK_WOOD))]
        cap = [Box((0.026, 0.026, 0.012), (0.0, 0.0, BUTTON_TOP - 0.012),
                   self._tint('button', _BUTTON))]
        return shapes.sliding(
            self._client, (*position, 0.0), base, cap, (0.0, 0.0, -1.0), 0.05,
            spring_n=4.0)


_FREE = tuple((x, y, 0.0) for x, y in (
    (0.72, -0.30), (0.72, -0.16), (0.74, -0.02), (0.72, 0.12), (0.25, -0.24)))
_REGION = ((0.36, -0.17), (0.57, 0.08))  # [m] corners of where blocks stand
_WIDER = ((0.33, -0.18), (0.60, 0.11))  # short of the bowl


def _spread(
    rng: np.random.Generator, count: int, low: tuple, high: tuple, apart: float = 0.10
) -> np.ndarray:
    while True:
        spots = rng.uniform(low, high, size=(count, 2))
        gaps = np.linalg.norm(spots[:, None] - spots[None], axis=-1) + np.eye(count)
        if gaps.min() > apart:
            return spots


def _outside(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return spots of which every one lies beyond the region of training."""
    while True:
        spots = _spread(rng, count, *_WIDER)
        inside = ((spots > _REGION[0]) & (spots < _REGION[1])).all(axis=1)
        if not inside.any():
            return spots
