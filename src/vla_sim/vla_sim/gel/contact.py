"""One contact point that PyBullet solved, as vectors on the robot's link."""

from dataclasses import dataclass

import numpy as np
from vla_sim.engine import pybullet


@dataclass(frozen=True)
class Contact:
    """A force from something else on a link."""

    body: int  # what touches
    link: int  # its link, -1 the base
    position: np.ndarray  # (3,) float64 [m] in the base frame, on the robot's side
    force: float  # normal [N]
    normal: np.ndarray  # (3,) float64 from what touches to the link
    friction: np.ndarray  # (3,) float64 [N] on the link, sideways

    @property
    def vector(self) -> np.ndarray:
        """Return the whole force on the link (3,) [N]."""
        return self.force * self.normal + self.friction


def contacts_of(client: int, robot: int, link: int) -> list[Contact]:
    """Return the points at which something presses on a link of body `robot`."""
    return [
        Contact(
            body=point[2], link=point[4], position=np.array(point[5]), force=point[9],
            normal=np.array(point[7]),
            friction=point[10] * np.array(point[11]) + point[12] * np.array(point[13]))
        for point in pybullet.getContactPoints(
            bodyA=robot, linkIndexA=link, physicsClientId=client)
        if point[9] > 0.0]
