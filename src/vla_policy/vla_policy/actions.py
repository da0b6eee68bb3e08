"""The numbers a model reads and writes: state vectors and normalised action rows.

Motion is divided by its spread in the data, rotation apart from translation and never by less
than a floor, so a dimension that hardly moves stays small and yaw is not drowned. The gripper
is -1 closed .. 1 open inside the model.
"""

from dataclasses import dataclass

import numpy as np
from vla_core.errors import InvalidDataError
from vla_core.geometry import quat_to_matrix, rotation_6d_encode
from vla_core.types import ACTION_DIM

STATE_FIXED = 10  # tool xyz, 6D rotation, gripper; joint velocities follow
_FLOOR = np.array([0.004] * 3 + [0.02] * 3)  # [m], [rad] a step


def state_vector(
    tool_pose: np.ndarray, gripper: float, joint_velocity: np.ndarray
) -> np.ndarray:
    """Return (10 + J,) float32: tool xyz [m], 6D rotation, gripper, joint velocity [rad/s]."""
    rotation = rotation_6d_encode(quat_to_matrix(tool_pose[3:]))
    return np.concatenate(
        [tool_pose[:3], rotation, [gripper], joint_velocity]).astype(np.float32)


@dataclass(frozen=True)
class Normalisation:
    """What turns SI units into numbers around one, and back."""

    state_mean: np.ndarray  # (S,) float32
    state_std: np.ndarray  # (S,) float32
    motion_scale: np.ndarray  # (6,) float32 [m], [rad] a step

    @classmethod
    def measure(cls, state: np.ndarray, action: np.ndarray) -> 'Normalisation':
        """Measure it on states (N, S) and actions (N, 7)."""
        spread = np.concatenate([state[:, :STATE_FIXED].std(0).clip(0.02),
                                 state[:, STATE_FIXED:].std(0).clip(0.05)])
        scale = np.maximum(np.sqrt((action[:, :6].astype(np.float64) ** 2).mean(0)), _FLOOR)
        return cls(state.mean(0).astype(np.float32), spread.astype(np.float32),
                   scale.astype(np.float32))

    def encode_state(self, state: np.ndarray) -> np.ndarray:
        """Return normalised states (..., S) float32."""
        return (state - self.state_mean) / self.state_std

    def encode(self, action: np.ndarray) -> np.ndarray:
        """Return normalised actions (..., 7) float32; the gripper becomes -1..1."""
        motion = action[..., :6] / self.motion_scale
        return np.concatenate(
            [motion, 2.0 * action[..., 6:] - 1.0], axis=-1).astype(np.float32)

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Undo `encode`; the gripper is kept in 0..1."""
        motion = values[..., :6] * self.motion_scale
        gripper = np.clip(0.5 * values[..., 6:] + 0.5, 0.0, 1.0)
        return np.concatenate([motion, gripper], axis=-1).astype(np.float32)

    def to_dict(self) -> dict[str, list[float]]:
        """Return it as JSON takes it."""
        return {name: value.tolist() for name, value in vars(self).items()}

    @classmethod
    def from_dict(cls, data: dict[str, list[float]], where: str) -> 'Normalisation':
        """Read what `to_dict` returned; raise InvalidDataError naming `where`."""
        try:
            arrays = {name: np.asarray(data[name], dtype=np.float32)
                      for name in ('state_mean', 'state_std', 'motion_scale')}
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidDataError(f'{where}: bad or missing statistics: {error}') from error
        scales = np.concatenate([arrays['state_std'], arrays['motion_scale']], axis=None)
        if arrays['motion_scale'].shape != (ACTION_DIM - 1,) or not (scales > 0).all():
            raise InvalidDataError(f'{where}: scales must be positive, motion_scale has 6')
        if arrays['state_std'].shape != arrays['state_mean'].shape or not all(
                np.isfinite(values).all() for values in arrays.values()):
            raise InvalidDataError(f'{where}: got unequal lengths or not finite numbers')
        return cls(**arrays)
