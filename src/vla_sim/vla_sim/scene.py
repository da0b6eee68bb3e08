"""The table's furniture: where it stands, how it is built from boxes, and how a seed places it.

All positions are in the base frame of the robot, which stands on the table top (z = 0) [m].
Boxes only: PyBullet's TinyRenderer pays for every triangle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from vla_sim.engine import pybullet

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

_WOOD = (0.62, 0.46, 0.30, 1.0)
_DARK_WOOD = (0.40, 0.27, 0.16, 1.0)
_STEEL = (0.85, 0.85, 0.87, 1.0)
_BOWL = (0.93, 0.90, 0.80, 1.0)
_BUTTON = (0.95, 0.75, 0.05, 1.0)
_TABLE = (0.55, 0.60, 0.58, 1.0)


@dataclass(frozen=True)
class Layout:
    """Where everything is at the start of an episode."""

    blocks: Mapping[str, np.ndarray]  # name -> (4,) float64 x y z [m], yaw [rad]
    bowl: np.ndarray  # (2,) float64 [m]
    cabinet: np.ndarray  # (2,) float64 middle of its front face [m]
    button: np.ndarray  # (2,) float64 [m]
    drawer: float = 0.0  # opening [m]
    tool: np.ndarray = field(default_factory=lambda: np.array([0.45, 0.0, 0.30]))  # (3,) [m]


def sample_layout(rng: np.random.Generator) -> Layout:
    """Draw a layout: three blocks apart from each other, bowl right, cabinet and button left."""
    names = list(BLOCK_COLOURS)
    spots = _spread(rng, len(names), low=(0.36, -0.17), high=(0.57, 0.08), apart=0.10)
    return Layout(
        blocks={
            name: np.array([*spot, BLOCK_SIZE / 2, rng.uniform(-0.35, 0.35)])
            for name, spot in zip(names, spots, strict=True)
        },
        bowl=rng.uniform((0.40, -0.34), (0.58, -0.29)),
        cabinet=rng.uniform((0.61, 0.28), (0.65, 0.31)),
        button=rng.uniform((0.33, 0.25), (0.38, 0.31)),
        drawer=float(rng.choice([0.0, rng.uniform(0.11, DRAWER_TRAVEL)])),
        tool=rng.uniform((0.36, -0.28, 0.16), (0.56, 0.25, 0.34)),
    )


def _spread(
    rng: np.random.Generator, count: int, low: tuple, high: tuple, apart: float
) -> np.ndarray:
    while True:
        spots = rng.uniform(low, high, size=(count, 2))
        gaps = np.linalg.norm(spots[:, None] - spots[None], axis=-1) + np.eye(count)
        if gaps.min() > apart:
            return spots


def build_table(client: int) -> int:
    """Add the table top, whose surface is z = 0."""
    return _body(client, 0.0, [((0.45, 0.45, 0.02), (0.45, 0.0, -0.02), _TABLE)])


def build_block(client: int, name: str, pose: np.ndarray) -> int:
    """Add a cube at (4,) x y z [m], yaw [rad]."""
    half = (BLOCK_SIZE / 2,) * 3
    body = _body(
        client, 0.06, [(half, (0.0, 0.0, 0.0), BLOCK_COLOURS[name])], pose[:3],
        pybullet.getQuaternionFromEuler((0.0, 0.0, float(pose[3]))))
    pybullet.changeDynamics(
        body, -1, lateralFriction=1.0, spinningFriction=0.002, rollingFriction=0.0001,
        physicsClientId=client)
    return body


def build_bowl(client: int, position: np.ndarray) -> int:
    """Add an eight-sided bowl, heavy enough to stay when touched."""
    parts = [((BOWL_RADIUS * 0.85, BOWL_RADIUS * 0.85, 0.004), (0.0, 0.0, 0.004), _BOWL)]
    width = BOWL_RADIUS * np.tan(np.pi / 8)
    for side in range(8):
        angle = side * np.pi / 4
        centre = (BOWL_RADIUS * np.cos(angle), BOWL_RADIUS * np.sin(angle), BOWL_HEIGHT / 2)
        parts.append(((0.005, width, BOWL_HEIGHT / 2), centre, _BOWL, angle))
    return _body(client, 1.0, parts, (*position, 0.0))


def build_cabinet(client: int, front: np.ndarray) -> int:
    """Add the cabinet with its drawer; joint 0 slides the drawer by 0..DRAWER_TRAVEL [m]."""
    depth, width, wall = 0.11, 0.085, 0.006
    half = CABINET_HEIGHT / 2
    shell = [
        ((depth, width, wall), (depth, 0.0, CABINET_HEIGHT - wall), _WOOD),
        ((depth, wall, half), (depth, width, half), _WOOD),
        ((depth, wall, half), (depth, -width, half), _WOOD),
    ]
    drawer = [
        ((0.09, 0.07, 0.005), (0.09, 0.0, 0.012), _DARK_WOOD),
        ((0.006, 0.075, 0.040), (0.0, 0.0, 0.046), _DARK_WOOD),
        ((HANDLE_REACH / 2, 0.008, 0.012), (-HANDLE_REACH / 2, 0.0, 0.07), _STEEL),
        ((0.012, 0.011, 0.038), (-HANDLE_REACH, 0.0, 0.102), _STEEL),
    ]
    return _jointed(client, (*front, 0.0), shell, drawer, axis=(-1.0, 0.0, 0.0), mass=0.4)


def build_button(client: int, position: np.ndarray) -> int:
    """Add the button; joint 0 is pressed by 0..BUTTON_TRAVEL [m] downwards."""
    base = [((0.045, 0.045, 0.012), (0.0, 0.0, 0.012), _DARK_WOOD)]
    cap = [((0.026, 0.026, 0.012), (0.0, 0.0, BUTTON_TOP - 0.012), _BUTTON)]
    return _jointed(client, (*position, 0.0), base, cap, axis=(0.0, 0.0, -1.0), mass=0.05)


def _shapes(client: int, parts: list) -> tuple[int, int]:
    halves = [part[0] for part in parts]
    centres = [part[1] for part in parts]
    turns = [
        pybullet.getQuaternionFromEuler((0.0, 0.0, part[3] if len(part) > 3 else 0.0))
        for part in parts]
    kinds = [pybullet.GEOM_BOX] * len(parts)
    visual = pybullet.createVisualShapeArray(
        kinds, halfExtents=halves, visualFramePositions=centres, visualFrameOrientations=turns,
        rgbaColors=[part[2] for part in parts], physicsClientId=client)
    collision = pybullet.createCollisionShapeArray(
        kinds, halfExtents=halves, collisionFramePositions=centres,
        collisionFrameOrientations=turns, physicsClientId=client)
    return visual, collision


def _body(
    client: int, mass: float, parts: list, position: Sequence[float] = (0, 0, 0),
    turn: Sequence[float] = (0, 0, 0, 1),
) -> int:
    visual, collision = _shapes(client, parts)
    return pybullet.createMultiBody(
        mass, collision, visual, position, turn, physicsClientId=client)


def _jointed(
    client: int, position: tuple, base: list, link: list, axis: tuple, mass: float
) -> int:
    visual, collision = _shapes(client, base)
    link_visual, link_collision = _shapes(client, link)
    return pybullet.createMultiBody(
        0.0, collision, visual, position, (0, 0, 0, 1),
        linkMasses=[mass], linkCollisionShapeIndices=[link_collision],
        linkVisualShapeIndices=[link_visual], linkPositions=[(0, 0, 0)],
        linkOrientations=[(0, 0, 0, 1)], linkInertialFramePositions=[(0, 0, 0.03)],
        linkInertialFrameOrientations=[(0, 0, 0, 1)], linkParentIndices=[0],
        linkJointTypes=[pybullet.JOINT_PRISMATIC], linkJointAxis=[axis], physicsClientId=client)
