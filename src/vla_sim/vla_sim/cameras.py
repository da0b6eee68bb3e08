"""The scene's two cameras, rendered by PyBullet's software renderer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from vla_core.spec import CameraSpec
from vla_sim.engine import pybullet
from vla_sim.variation import Light

_NEAR, _FAR = 0.02, 3.0  # [m]


@dataclass(frozen=True)
class StaticView:
    """Where the static camera stands and what it looks at, in the base frame [m]."""

    eye: tuple[float, float, float] = (0.60, -0.76, 0.62)
    target: tuple[float, float, float] = (0.475, -0.015, 0.07)
    fov_deg: float = 45.0


WRIST_FOV_DEG = 75.0


def static_view(view: StaticView, shift: Sequence[float] = (0.0,) * 6) -> tuple[float, ...]:
    """Return PyBullet's view matrix of the static camera, eye and target moved by `shift` [m]."""
    eye = [a + b for a, b in zip(view.eye, shift[:3], strict=True)]
    target = [a + b for a, b in zip(view.target, shift[3:], strict=True)]
    return pybullet.computeViewMatrix(eye, target, (0.0, 0.0, 1.0))


def optical_view(pose: np.ndarray) -> tuple[float, ...]:
    """Return the view matrix of a camera at (7,) `pose` of its optical frame (REP-103)."""
    turn = np.array(pybullet.getMatrixFromQuaternion(pose[3:])).reshape(3, 3)
    eye = pose[:3]
    return pybullet.computeViewMatrix(
        eye.tolist(), (eye + turn[:, 2]).tolist(), (-turn[:, 1]).tolist())


def render(
    client: int, camera: CameraSpec, view: tuple, fov_deg: float, light: Light
) -> np.ndarray:
    """Return an (H, W, 3) uint8 RGB image."""
    projection = projection_of(camera, fov_deg)
    pixels = pybullet.getCameraImage(
        camera.width, camera.height, view, projection, shadow=0,
        lightDirection=light.direction, lightColor=light.colour,
        lightAmbientCoeff=light.ambient, lightDiffuseCoeff=light.diffuse,
        lightSpecularCoeff=light.specular, renderer=pybullet.ER_TINY_RENDERER,
        flags=pybullet.ER_NO_SEGMENTATION_MASK, physicsClientId=client)[2]
    return np.ascontiguousarray(np.asarray(pixels, dtype=np.uint8)[..., :3])


def projection_of(camera: CameraSpec, fov_deg: float) -> tuple[float, ...]:
    """Return PyBullet's projection matrix of a camera with that vertical field of view."""
    return pybullet.computeProjectionMatrixFOV(
        fov_deg, camera.width / camera.height, _NEAR, _FAR)


def segment(client: int, camera: CameraSpec, view: tuple, fov_deg: float) -> np.ndarray:
    """Return (H, W, 2) int64: the body each pixel shows and its link, -1 the base or nothing."""
    mask = pybullet.getCameraImage(
        camera.width, camera.height, view, projection_of(camera, fov_deg), shadow=0,
        renderer=pybullet.ER_TINY_RENDERER,
        flags=pybullet.ER_SEGMENTATION_MASK_OBJECT_AND_LINKINDEX, physicsClientId=client)[4]
    mask = np.asarray(mask, dtype=np.int64).reshape(camera.height, camera.width)
    seen = mask >= 0
    return np.stack([np.where(seen, mask & 0xFFFFFF, -1),
                     np.where(seen, (mask >> 24) - 1, -1)], axis=-1)


def intrinsics(camera: CameraSpec, fov_deg: float) -> np.ndarray:
    """Return the (3, 3) pinhole matrix K [px] of a camera with that vertical field of view."""
    focal = camera.height / (2.0 * np.tan(np.radians(fov_deg) / 2.0))
    return np.array([
        [focal, 0.0, camera.width / 2.0], [0.0, focal, camera.height / 2.0], [0.0, 0.0, 1.0]])
