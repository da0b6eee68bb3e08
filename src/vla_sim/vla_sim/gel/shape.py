"""The primitives that things are made of, ray-cast along a pad's normal into a depth map."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from vla_core.geometry import compose, inverse, quat_to_matrix
from vla_sim.gel.relief import Ridges

_PARALLEL = 1e-6  # a ray's share along an axis below which it never meets that axis' faces
_BEHIND_M = 0.006  # what begins deeper than this under the gel is on the finger's other side


@dataclass(frozen=True)
class Box:
    """A box with perhaps rounded edges and a relief on its faces."""

    pose: np.ndarray  # (7,) float64 in the same frame as the pad's
    half: tuple[float, float, float]  # [m]
    edge_radius: float = 0.0  # [m]
    relief: Ridges | None = None

    def distance(self, pad: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return (H, W) float32 [m] from the pad's plane to the box along z; inf beside it.

        `pad` is a (7,) pose, `x` (1, W) and `y` (H, 1) are positions in its frame [m].
        """
        T_box_pad = compose(inverse(self.pose), pad)
        turn = quat_to_matrix(T_box_pad[3:]).astype(np.float32)
        origin = [
            np.float32(T_box_pad[i]) + turn[i, 0] * x + turn[i, 1] * y for i in range(3)]
        near, far, face = self._slabs(origin, turn[:, 2])
        hit = (near <= far) & (near > -_BEHIND_M)
        if self.edge_radius > 0.0 or self.relief is not None:
            near = near + self._drop([origin[i] + turn[i, 2] * near for i in range(3)], face)
        return np.where(hit, near, np.float32(np.inf))

    def _slabs(
        self, origin: list[np.ndarray], ray: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return where rays enter and leave [m], and the axis of the face they enter by."""
        shape = origin[0].shape
        near = np.full(shape, -np.inf, dtype=np.float32)
        far = np.full(shape, np.inf, dtype=np.float32)
        face = np.zeros(shape, dtype=np.int8)
        for i, half in enumerate(self.half):
            if abs(ray[i]) < _PARALLEL:
                far[np.abs(origin[i]) > half] = -np.inf
                continue
            middle = origin[i] * (np.float32(-1.0) / ray[i])
            reach = np.float32(half) / abs(ray[i])
            enters = middle - reach
            face[enters > near] = i
            np.maximum(near, enters, out=near)
            np.minimum(far, middle + reach, out=far)
        return near, far, face

    def _drop(self, point: list[np.ndarray], face: np.ndarray) -> np.ndarray:
        """Return how far the true surface lies below the box's face (H, W) [m]."""
        drop = np.zeros(face.shape, dtype=np.float32)
        if self.edge_radius > 0.0:
            drop += self._rounding(point, face)
        if self.relief is not None:
            axis = self.relief.axis
            drop += np.where(face == axis, np.float32(0.0), self.relief.drop(point[axis]))
        return drop

    def _rounding(self, point: list[np.ndarray], face: np.ndarray) -> np.ndarray:
        radius = np.float32(self.edge_radius)
        past = np.zeros(face.shape, dtype=np.float32)
        for i, half in enumerate(self.half):
            beyond = np.maximum(np.abs(point[i]) - (np.float32(half) - radius), 0.0)
            past += np.where(face == i, np.float32(0.0), beyond * beyond)
        return radius - np.sqrt(np.maximum(radius * radius - past, 0.0))


@dataclass(frozen=True)
class Sphere:
    """A ball."""

    pose: np.ndarray  # (7,) float64 in the same frame as the pad's
    radius: float  # [m]

    def distance(self, pad: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return (H, W) float32 [m] from the pad's plane to the ball along z; inf beside it."""
        middle = compose(inverse(pad), self.pose)[:3].astype(np.float32)
        inside = np.float32(self.radius**2) - (x - middle[0]) ** 2 - (y - middle[1]) ** 2
        near = middle[2] - np.sqrt(np.maximum(inside, 0.0))
        return np.where((inside > 0.0) & (near > -_BEHIND_M), near, np.float32(np.inf))


Shape = Box | Sphere


def nearest(
    shapes: Iterator[Shape], pad: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Return (H, W) float32 [m] from the pad's plane to the nearest of `shapes`; inf beside."""
    depth = np.full((y.shape[0], x.shape[1]), np.inf, dtype=np.float32)
    for shape in shapes:
        np.minimum(depth, shape.distance(pad, x, y), out=depth)
    return depth
