"""Where the cameras stand and how they project, as CameraInfo and TF say it (REP-103)."""

import numpy as np
from vla_core.geometry import matrix_to_quat
from vla_core.spec import RobotSpec
from vla_sim.cameras import intrinsics, StaticView, WRIST_FOV_DEG


def camera_matrices(spec: RobotSpec, view: StaticView) -> dict[str, np.ndarray]:
    """Return the (3, 3) pinhole matrix K [px] of every camera by name."""
    fov_deg = {'static': view.fov_deg, 'wrist': WRIST_FOV_DEG}
    return {name: intrinsics(camera, fov_deg[name]) for name, camera in spec.cameras.items()}


def static_camera_pose(view: StaticView) -> np.ndarray:
    """Return the (7,) pose of a static camera's optical frame in the base frame.

    z looks along the view, x to the right of the image, y down.
    """
    eye = np.array(view.eye)
    forward = np.array(view.target) - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(forward, right), forward], axis=1)
    return np.concatenate([eye, matrix_to_quat(turn)])
