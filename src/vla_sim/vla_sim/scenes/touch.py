"""The touch scene: an opaque box with two look-alike blocks, and a peg whose hole is covered.

What hides is only to be seen (no collision): hands and pegs pass through the box's curtain and
the plate's cloth. Cameras see neither the blocks nor the hole. All positions are in the base
frame of the robot, which stands on the table top (z = 0) [m].
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from vla_sim.cameras import StaticView
from vla_sim.engine import pybullet
from vla_sim.gel.relief import Ridges
from vla_sim.gel.skin import Skin
from vla_sim.scenes import shapes
from vla_sim.scenes.scene import Expert, Layout, Task
from vla_sim.scenes.shapes import Box
from vla_sim.variation import Variation

BLOCKS = ('soft_block', 'ridged_block')
BLOCK_SIZE = 0.040
SLOT = 0.045  # of a block's place from the box's middle, along x; the first is nearer the robot
RIM = 0.055  # height of the box's walls
PEG_SIZE = 0.016
PEG_LENGTH = 0.070
PEG_GRIP = 0.015  # the tool holds a peg so far above its middle
PLATE_HEIGHT = 0.030
HOLE_SIZE = 0.020
HOLE_RANGE = 0.010  # of the hole from the plate's middle, along x and y

_LENGTH, _WIDTH, _WALL = 0.082, 0.078, 0.003  # half inside of the box, half of a wall
_RIDGE = 0.012  # height of what keeps a block in its place
_PLATE = 0.050  # half side
_BLOCK_KG, _PEG_KG = 0.06, 0.04
_SOFT_N_M, _SOFT_NS_M = 6000.0, 60.0  # of one contact point of the soft block
_LID_N_M, _LID_NS_M = 500.0, 10.0  # the plate is rubber: a peg presses on it lightly
_SOLVER_ROUNDS = 120
_SKINS = {
    'soft_block': Skin(stiffness=4.0e7, edge_radius=0.004),
    'ridged_block': Skin(edge_radius=0.001, relief=Ridges(period_m=0.003, height_m=0.0008)),
}
_FREE = tuple((0.73, y, 0.0) for y in (-0.30, -0.15, 0.0, 0.15, 0.30))
_TABLE = (0.55, 0.60, 0.58, 1.0)
_CARD = (0.66, 0.50, 0.33, 1.0)
_CURTAIN = (0.22, 0.20, 0.24, 1.0)
_BLOCK = (0.90, 0.62, 0.16, 1.0)
_PEG = (0.85, 0.20, 0.16, 1.0)
_CLOTH = (0.20, 0.33, 0.55, 1.0)


@dataclass(frozen=True, kw_only=True)
class TouchLayout(Layout):
    """Where everything is at the start of an episode."""

    box: np.ndarray  # (2,) float64 its middle [m]
    first: str  # the block in the slot nearer the robot
    jitter: np.ndarray  # (2, 3) float64 x y [m], yaw [rad] of each block in its slot
    plate: np.ndarray  # (2,) float64 its middle [m]
    hole: np.ndarray  # (2,) float64 from the plate's middle [m]
    peg: np.ndarray  # (2,) float64 where it lies unless it is held [m]

    def block(self, name: str) -> np.ndarray:
        """Return (4,) x y z [m], yaw [rad] of a block."""
        slot = 0 if name == self.first else 1
        x, y, yaw = self.jitter[slot]
        return np.array([
            self.box[0] + (SLOT if slot else -SLOT) + x, self.box[1] + y, BLOCK_SIZE / 2, yaw])


@dataclass(frozen=True)
class TouchScene:
    """The box to the left, the plate to the right, a peg in the hand or in front."""

    tasks: Mapping[str, Task]
    experts: Mapping[str, Expert]
    name: str = 'touch'
    view: StaticView = field(default_factory=StaticView)
    touch: bool = True

    def sample(self, rng: np.random.Generator, *, outside: bool = False) -> TouchLayout:
        """Draw a layout; `outside` moves box and plate beyond where training has them."""
        box, plate = (_FAR_BOX, _FAR_PLATE) if outside else (_BOX, _PLATE_PLACE)
        return TouchLayout(
            box=rng.uniform(*box),
            first=str(rng.choice(BLOCKS)),
            jitter=rng.uniform((-0.002, -0.004, -0.08), (0.002, 0.004, 0.08), size=(2, 3)),
            plate=rng.uniform(*plate),
            hole=rng.uniform(-HOLE_RANGE, HOLE_RANGE, size=2),
            peg=rng.uniform((0.34, -0.36), (0.38, -0.33)),
            tool=rng.uniform((0.40, -0.20, 0.17), (0.54, 0.10, 0.27)),
        )

    def build(self, client: int, layout: TouchLayout, variation: Variation) -> 'TouchStage':
        """Add the table, the box with its blocks, the plate and the peg."""
        return TouchStage(client, layout, variation)


_BOX = ((0.44, 0.10), (0.50, 0.16))  # [m] corners of where its middle may be
_FAR_BOX = ((0.51, 0.17), (0.54, 0.20))
_PLATE_PLACE = ((0.44, -0.20), (0.52, -0.12))
_FAR_PLATE = ((0.53, -0.25), (0.56, -0.21))


class TouchStage:
    """The furniture of one episode."""

    def __init__(self, client: int, layout: TouchLayout, variation: Variation) -> None:
        self._client, self._variation = client, variation
        # With the engine's 50 the UR5e's light fingers sink 1.5 mm into what they hold.
        pybullet.setPhysicsEngineParameter(
            numSolverIterations=_SOLVER_ROUNDS, physicsClientId=client)
        self.table = self._table()
        self.box, self._curtain = self._box(layout.box)
        self.plate, self._cloth = self._plate(layout.plate, layout.hole)
        # Always in the same order: which block is first must not show in what is drawn.
        self.bodies = {name: self._block(name, layout.block(name)) for name in BLOCKS}
        self.bodies['peg'] = self._peg(layout)
        self.skins = {self.bodies[name]: skin for name, skin in _SKINS.items()}
        self.surfaces = {
            (self.table, -1): 'table', (self.box, -1): 'box', (self.plate, -1): 'plate'}
        self.lamps: dict[str, int] = {}
        self.painted = {'table': (self.table, -1), 'box': (self.box, -1),
                        'curtain': (self._curtain, -1), 'plate': (self._cloth, -1)}
        self.places = _FREE
        self._fixed = {
            'box': np.array([*layout.box, 0.0, 0.0, 0.0, 0.0, 1.0]),
            'plate': np.array([*layout.plate, PLATE_HEIGHT, 0.0, 0.0, 0.0, 1.0]),
            'hole': np.array([*(layout.plate + layout.hole), PLATE_HEIGHT, 0.0, 0.0, 0.0, 1.0])}

    def after_step(self) -> None:
        """Do nothing: no lamps here."""

    def objects(self) -> dict[str, np.ndarray]:
        """Return the (7,) pose of blocks and peg, and of the tops of plate and hole."""
        moving = {name: shapes.pose_of(self._client, body) for name, body in self.bodies.items()}
        return {**moving, **{name: pose.copy() for name, pose in self._fixed.items()}}

    def joints(self) -> dict[str, float]:
        """Return none: nothing here is articulated."""
        return {}

    def grip_width(self, name: str) -> float:
        """Return the width of a block or of the peg [m]."""
        return PEG_SIZE if name == 'peg' else BLOCK_SIZE

    def _table(self) -> int:
        colour = self._variation.tint('table', _TABLE)
        return shapes.body(
            self._client, 0.0, [Box((0.45, 0.45, 0.02), (0.45, 0.0, -0.02), colour)])

    def _box(self, middle: np.ndarray) -> tuple[int, int]:
        """Add walls, what keeps the blocks apart, and the curtain."""
        card = self._variation.tint('box', _CARD)
        walls = [
            Box((_LENGTH + 2 * _WALL, _WALL, RIM / 2),
                (0.0, side * (_WIDTH + _WALL), RIM / 2), card) for side in (-1, 1)]
        walls += [
            Box((_WALL, _WIDTH, RIM / 2), (side * (_LENGTH + _WALL), 0.0, RIM / 2), card)
            for side in (-1, 1)]
        walls.append(Box((0.008, _WIDTH, _RIDGE / 2), (0.0, 0.0, _RIDGE / 2), card))
        over = Box((_LENGTH + 3 * _WALL, _WIDTH + 3 * _WALL, 0.002), (0.0, 0.0, RIM + 0.002),
                   self._variation.tint('curtain', _CURTAIN))
        at = (*middle, 0.0)
        return (shapes.body(self._client, 0.0, walls, at),
                shapes.body(self._client, 0.0, [over], at, solid=False))

    def _plate(self, middle: np.ndarray, hole: np.ndarray) -> tuple[int, int]:
        """Add a plate with a square hole, and the cloth around it."""
        cloth = self._variation.tint('plate', _CLOTH)
        west, east = hole[0] - HOLE_SIZE / 2 + _PLATE, _PLATE - hole[0] - HOLE_SIZE / 2
        south, north = hole[1] - HOLE_SIZE / 2 + _PLATE, _PLATE - hole[1] - HOLE_SIZE / 2
        half, gap = PLATE_HEIGHT / 2, HOLE_SIZE / 2
        parts = [
            Box((west / 2, _PLATE, half), (west / 2 - _PLATE, 0.0, half), cloth),
            Box((east / 2, _PLATE, half), (_PLATE - east / 2, 0.0, half), cloth),
            Box((gap, south / 2, half), (hole[0], south / 2 - _PLATE, half), cloth),
            Box((gap, north / 2, half), (hole[0], _PLATE - north / 2, half), cloth)]
        at = (*middle, 0.0)
        plate = shapes.body(self._client, 0.0, parts, at)
        pybullet.changeDynamics(
            plate, -1, lateralFriction=0.2, contactStiffness=_LID_N_M, contactDamping=_LID_NS_M,
            physicsClientId=self._client)
        over = Box((_PLATE + 0.002, _PLATE + 0.002, half + 0.001), (0.0, 0.0, half + 0.001), cloth)
        return plate, shapes.body(self._client, 0.0, [over], at, solid=False)

    def _block(self, name: str, pose: np.ndarray) -> int:
        """Add a block at (4,) x y z [m], yaw [rad]."""
        colour = self._variation.tint('block', _BLOCK)
        body = shapes.body(
            self._client, _BLOCK_KG * self._variation.mass,
            [Box((BLOCK_SIZE / 2,) * 3, (0.0, 0.0, 0.0), colour)], pose[:3], pose[3])
        self._rub(body)
        if name == 'soft_block':
            pybullet.changeDynamics(
                body, -1, contactStiffness=_SOFT_N_M, contactDamping=_SOFT_NS_M,
                physicsClientId=self._client)
        return body

    def _peg(self, layout: TouchLayout) -> int:
        """Add the peg, upright at the tool if it is held, else lying along y."""
        half = (PEG_SIZE / 2, PEG_SIZE / 2, PEG_LENGTH / 2)
        body = shapes.body(
            self._client, _PEG_KG * self._variation.mass,
            [Box(half, (0.0, 0.0, 0.0), self._variation.tint('peg', _PEG))],
            layout.tool - (0.0, 0.0, PEG_GRIP), layout.yaw)
        if layout.held != 'peg':
            pybullet.resetBasePositionAndOrientation(
                body, (*layout.peg, PEG_SIZE / 2), (np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)),
                physicsClientId=self._client)
        self._rub(body)
        return body

    def _rub(self, body: int) -> None:
        pybullet.changeDynamics(
            body, -1, lateralFriction=1.0 * self._variation.friction, spinningFriction=0.002,
            rollingFriction=0.0001, physicsClientId=self._client)
