"""What came of one step of a replay: what was seen, asked and answered."""

from collections.abc import Mapping
from dataclasses import dataclass
import hashlib

import numpy as np
from vla_core.types import ActionChunk, Observation, Subtask


@dataclass(frozen=True)
class Moment:
    """One step; pictures stand as digests."""

    stamp_ns: int
    pictures: Mapping[str, str]  # 'static image', 'tactile left image' -> digest
    joint_position: np.ndarray  # (J,) float64 [rad]
    joint_velocity: np.ndarray  # (J,) float64 [rad/s]
    tool_pose: np.ndarray  # (7,) float64 [m], quaternion xyzw
    gripper: float
    wrench: np.ndarray | None  # (6,) float64 [N, Nm]
    seen: str  # digest of every bit of the Observation
    subtask: str  # text; '' where the planner said nothing
    chunk: np.ndarray | None  # (T, A) float32; None where the policy said nothing
    progress: float  # of the chunk; 0.0 without


def moment_of(
    observation: Observation, subtask: Subtask | None, chunk: ActionChunk | None,
) -> Moment:
    """Return what is kept of a step."""
    pictures = {f'{name} image': digest(image) for name, image in observation.images.items()}
    pictures |= {f'tactile {name} image': digest(image)
                 for name, image in observation.tactile.items()}
    return Moment(
        observation.stamp_ns, pictures, observation.joint_position, observation.joint_velocity,
        observation.tool_pose, float(observation.gripper), observation.wrench,
        seen_digest(observation), '' if subtask is None else subtask.text,
        None if chunk is None else chunk.values, 0.0 if chunk is None else chunk.progress)


def seen_digest(observation: Observation) -> str:
    """Return the digest of every field of an observation, bit for bit."""
    state = hashlib.sha256(f'{observation.stamp_ns} {observation.episode_id}'.encode())
    arrays = {**observation.images, **observation.tactile, **observation.depth,
              'q': observation.joint_position, 'dq': observation.joint_velocity,
              'pose': observation.tool_pose, 'gripper': np.float64(observation.gripper),
              'ages': np.array([observation.age_s[name] for name in sorted(observation.age_s)])}
    if observation.wrench is not None:
        arrays['wrench'] = observation.wrench
    for name in sorted(arrays):
        state.update(f'{name} {digest(np.asarray(arrays[name]))}'.encode())
    state.update(' '.join(sorted(observation.age_s)).encode())
    return state.hexdigest()[:32]


def digest(values: np.ndarray) -> str:
    """Return a short digest of an array: type, shape and every bit."""
    state = hashlib.sha256(f'{values.dtype.str}{values.shape}'.encode())
    state.update(np.ascontiguousarray(values).tobytes())
    return state.hexdigest()[:16]
