"""What a camera of the table sees of which thing, and where in its picture."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from vla_sim.cameras import projection_of, segment
from vla_sim.environment import TableEnvironment

CLEAR = 0.002  # share of the picture from which on a thing can be recognised
GRIPPER, ARM, CLUTTER = 'gripper', 'arm', 'clutter'


@dataclass(frozen=True)
class Sight:
    """One camera's view at one instant."""

    camera: str
    names: tuple[str, ...]
    shown: np.ndarray  # (H, W) int16 index into `names` of what each pixel shows, -1 none
    project: np.ndarray  # (4, 4) base frame -> clip space

    def share(self, name: str) -> float:
        """Return which part of the picture shows a thing, 0..1."""
        if name not in self.names:
            return 0.0
        return float((self.shown == self.names.index(name)).mean())

    def clear(self, name: str) -> bool:
        """Say whether a thing can be recognised."""
        return self.share(name) >= CLEAR

    def hidden(self, name: str) -> bool:
        """Say whether no pixel shows a thing."""
        return self.share(name) == 0.0

    def place(self, point: np.ndarray) -> tuple[float, float] | None:
        """Return where a point (3,) [m] is in the picture, 0..1 right and 0..1 down, or None."""
        x, y, _, w = self.project @ (*point[:3], 1.0)
        if w <= 0.0:
            return None  # behind the camera
        right, down = 0.5 + 0.5 * x / w, 0.5 - 0.5 * y / w
        inside = 0.0 <= right < 1.0 and 0.0 <= down < 1.0
        return (float(right), float(down)) if inside else None

    def at(self, place: tuple[float, float]) -> str:
        """Return what the picture shows at a place; '' nothing that has a name."""
        height, width = self.shown.shape
        found = self.shown[int(place[1] * height), int(place[0] * width)]
        return self.names[found] if found >= 0 else ''


def look(environment: TableEnvironment, camera: str) -> Sight:
    """Return what a camera sees now."""
    view, fov_deg = environment.views()[camera]
    spec = environment.spec.cameras[camera]
    seen = segment(environment.world.client, spec, view, fov_deg)
    parts = _parts(environment)
    names = tuple(sorted(set(parts.values())))
    shown = np.full(seen.shape[:2], -1, np.int16)
    for (body, link), name in parts.items():
        shown[(seen[..., 0] == body) & (seen[..., 1] == link)] = names.index(name)
    matrices = [np.array(matrix).reshape(4, 4).T
                for matrix in (projection_of(spec, fov_deg), view)]  # PyBullet's go by columns
    return Sight(camera, names, shown, matrices[0] @ matrices[1])


def _parts(environment: TableEnvironment) -> Mapping[tuple[int, int], str]:
    """Return the name of every (body, link)."""
    world = environment.world
    parts = dict(world.stage.surfaces)
    parts |= {(body, -1): name for name, body in world.stage.bodies.items()}
    parts |= {(body, -1): name for name, body in world.stage.lamps.items()}
    parts |= {(body, -1): CLUTTER for body in world.clutter}
    for link in range(-1, world.arm.links):
        parts[world.arm.body, link] = GRIPPER if world.arm.is_finger(link) else ARM
    return parts
