"""Bodies made of boxes: PyBullet's TinyRenderer pays for every triangle."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from vla_sim.engine import pybullet

# A box to wear pictures: its six faces show a whole one each, those of GEOM_BOX only a corner.
_CUBE = str(Path(__file__).parent.parent / 'assets' / 'box.obj')

@dataclass(frozen=True)
class Box:
    """One box of a body, in the body's frame [m]."""

    half: tuple[float, float, float]
    centre: tuple[float, float, float]
    colour: tuple[float, ...]  # r g b a, 0..1
    yaw: float = 0.0  # [rad]


def body(
    client: int, mass: float, boxes: Sequence[Box], position: Sequence[float] = (0, 0, 0),
    yaw: float = 0.0, *, solid: bool = True,
) -> int:
    """Add a body of boxes at a position [m], turned about z; `solid` off: only to be seen."""
    visual, collision = _shapes(client, boxes, solid)
    return pybullet.createMultiBody(
        mass, collision, visual, position,
        pybullet.getQuaternionFromEuler((0.0, 0.0, float(yaw))), physicsClientId=client)


def sliding(
    client: int, position: Sequence[float], base: Sequence[Box], link: Sequence[Box],
    axis: tuple[float, float, float], mass: float, *,
    friction_n: float = 0.0, spring_n: float = 0.0, at: float = 0.0, friction: float = 0.5,
) -> int:
    """Add a fixed body whose link 0 slides along `axis`, now `at` there [m]; see `stopped`.

    `friction_n` holds it where it is left, `spring_n` drives it back to 0 [N]; `friction` is the
    coefficient of its surface.
    """
    visual, collision = _shapes(client, base)
    link_visual, link_collision = _shapes(client, link)
    made = pybullet.createMultiBody(
        0.0, collision, visual, position, (0, 0, 0, 1),
        linkMasses=[mass], linkCollisionShapeIndices=[link_collision],
        linkVisualShapeIndices=[link_visual], linkPositions=[(0, 0, 0)],
        linkOrientations=[(0, 0, 0, 1)], linkInertialFramePositions=[(0, 0, 0.03)],
        linkInertialFrameOrientations=[(0, 0, 0, 1)], linkParentIndices=[0],
        linkJointTypes=[pybullet.JOINT_PRISMATIC], linkJointAxis=[axis], physicsClientId=client)
    pybullet.changeDynamics(made, 0, linearDamping=0.0, physicsClientId=client)
    pybullet.changeDynamics(made, 0, lateralFriction=friction, physicsClientId=client)
    if spring_n:
        pybullet.setJointMotorControl2(
            made, 0, pybullet.POSITION_CONTROL, targetPosition=0.0, force=spring_n,
            physicsClientId=client)
    else:
        pybullet.setJointMotorControl2(
            made, 0, pybullet.VELOCITY_CONTROL, targetVelocity=0.0, force=friction_n,
            physicsClientId=client)
    pybullet.resetJointState(made, 0, at, 0.0, physicsClientId=client)
    pybullet.setCollisionFilterPair(made, made, -1, 0, 0, physicsClientId=client)
    return made


def stopped(client: int, made: int, travel: float) -> float:
    """Hold link 0 of a `sliding` body to 0..travel [m] and return how far it is out.

    For a stage to call after every physics step: PyBullet heeds joint limits of loaded files
    only, not of bodies that were put together here.
    """
    out = slid(client, made)
    if 0.0 <= out <= travel:
        return out
    end = min(max(out, 0.0), travel)
    pybullet.resetJointState(made, 0, end, 0.0, physicsClientId=client)
    return end


def slid(client: int, made: int) -> float:
    """Return how far link 0 of a `sliding` body is out [m]."""
    return pybullet.getJointState(made, 0, physicsClientId=client)[0]


def pose_of(client: int, made: int) -> np.ndarray:
    """Return the (7,) pose of a body's frame."""
    position, turn = pybullet.getBasePositionAndOrientation(made, physicsClientId=client)
    return np.array([*position, *turn])


def _shapes(client: int, boxes: Sequence[Box], solid: bool = True) -> tuple[int, int]:
    halves = [box.half for box in boxes]
    centres = [box.centre for box in boxes]
    turns = [pybullet.getQuaternionFromEuler((0.0, 0.0, box.yaw)) for box in boxes]
    count = len(boxes)
    visual = pybullet.createVisualShapeArray(
        [pybullet.GEOM_MESH] * count, fileNames=[_CUBE] * count,
        meshScales=[[2.0 * side for side in half] for half in halves],
        visualFramePositions=centres, visualFrameOrientations=turns,
        rgbaColors=[box.colour for box in boxes], physicsClientId=client)
    if not solid:
        return visual, -1
    collision = pybullet.createCollisionShapeArray(
        [pybullet.GEOM_BOX] * count, halfExtents=halves, collisionFramePositions=centres,
        collisionFrameOrientations=turns, physicsClientId=client)
    return visual, collision
