"""CALVIN's vectors and our streams, there and back.

CALVIN gives poses in the world as xyz [m] and Euler angles [rad] about the fixed axes x, y, z
in this order (extrinsic xyz, PyBullet's getEulerFromQuaternion), of a tcp frame that lies
further out than our tool. We give them in the base frame with quaternions. The Euler angles of
a tool at pitch +-90 degrees are not unique, the rotation is kept.

`actions` is the tcp pose wanted 1/30 s later and -1 (close) or 1 (open) for the gripper.
`rel_actions` is its difference from the pose it builds on, xyz times 50 and the Euler angles'
times 20, clipped to [-1, 1]. In CALVIN's data that pose is the measured one, which is the action
of the frame before; of ours it is the target before, for an arm that lags behind its target
would make the difference too large. Clipping loses what a frame asks beyond 2 cm and 0.05 rad an
axis (0.6 m/s, 1.5 rad/s), and differences of Euler angles are a rotation only to first order; so
reading takes `actions`. Our gripper goals between open and closed become the nearer of the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from vla_core.episode import GRIPPER, JOINT_POSITION, SIM_PREFIX, TOOL_POSE
from vla_core.geometry import (
    apply_delta,
    compose,
    delta_between,
    euler_decode,
    euler_encode,
    inverse,
)
from vla_recorder.calvin.layout import BLOCKS, T_TCP_TOOL, T_WORLD_BASE

OPEN_M = 0.08  # opening of the Panda's fingers
POSITION_SCALE, ANGLE_SCALE = 50.0, 20.0  # of rel_actions: [1/m], [1/rad]
JOINTS = ('door', 'drawer', 'button', 'switch', 'bulb', 'led')
# What one unit of ours is in scene_obs: metres are metres, the button and the lever 0..1 are
# their URDFs' travel (the same in all four tables) times the scene's scaling of 0.8.
JOINT_UNITS = np.array([1.0, 1.0, 0.8 * 0.025, 0.8 * 0.11, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Placement:
    """Where robot and tool of a data set are; both (7,) float64 [m], xyzw."""

    T_world_base: np.ndarray = field(default_factory=lambda: T_WORLD_BASE)
    T_tcp_tool: np.ndarray = field(default_factory=lambda: T_TCP_TOOL)

    def to_world(self, T_base_tool: np.ndarray) -> np.ndarray:
        """Return the tcp's pose (7,) in the world."""
        return compose(compose(self.T_world_base, T_base_tool), inverse(self.T_tcp_tool))

    def to_base(self, T_world_tcp: np.ndarray) -> np.ndarray:
        """Return the tool's pose (7,) in the base frame."""
        return compose(compose(inverse(self.T_world_base), T_world_tcp), self.T_tcp_tool)


def pose_encode(pose: np.ndarray) -> np.ndarray:
    """Return xyz and Euler angles (6,) of a pose (7,)."""
    return np.concatenate([pose[:3], euler_encode(pose[3:])])


def pose_decode(six: np.ndarray) -> np.ndarray:
    """Return the pose (7,) of xyz and Euler angles (6,)."""
    return np.concatenate([six[:3], euler_decode(six[3:6])])


def grip_encode(opening: np.ndarray) -> np.ndarray:
    """Return 1 where a goal (N,) is more than half open, else -1."""
    return np.where(np.asarray(opening) > 0.5, 1.0, -1.0)


def grip_decode(command: np.ndarray) -> np.ndarray:
    """Return 1 (open) for commands (N,) above 0, else 0 (closed)."""
    return np.where(np.asarray(command) > 0.0, 1.0, 0.0)


def robot_encode(
    place: Placement, tool_pose: np.ndarray, opening: np.ndarray, joints: np.ndarray,
    command: np.ndarray,
) -> np.ndarray:
    """Return robot_obs (N, 15) of poses (N, 7), opening 0..1, joints (N, 7) and -1/1 command."""
    tcp = np.array([pose_encode(place.to_world(pose)) for pose in tool_pose])
    return np.column_stack([tcp, np.asarray(opening) * OPEN_M, joints, command])


def robot_decode(place: Placement, robot_obs: np.ndarray) -> dict[str, np.ndarray]:
    """Return the streams of robot_obs (N, 15): tool pose, gripper 0..1, joints [rad]."""
    return {
        TOOL_POSE: np.array([place.to_base(pose_decode(row)) for row in robot_obs]),
        GRIPPER: robot_obs[:, 6] / OPEN_M,
        JOINT_POSITION: robot_obs[:, 7:14].copy()}


def scene_encode(
    place: Placement, streams: Mapping[str, np.ndarray], scene: str
) -> np.ndarray:
    """Return scene_obs (N, 24) of `sim/objects` poses (N, 7) and `sim/joints` values (N,)."""
    joints = [streams[f'{SIM_PREFIX}joints/{name}'] for name in JOINTS]
    blocks = [
        np.array([pose_encode(compose(place.T_world_base, pose))
                  for pose in streams[f'{SIM_PREFIX}objects/{name}']])
        for name in BLOCKS[scene]]
    return np.column_stack([np.column_stack(joints) * JOINT_UNITS, *blocks])


def scene_decode(
    place: Placement, scene_obs: np.ndarray, scene: str
) -> dict[str, np.ndarray]:
    """Return the `sim/objects` and `sim/joints` streams of scene_obs (N, 24)."""
    base = inverse(place.T_world_base)
    joints = scene_obs[:, :6] / JOINT_UNITS
    streams = {f'{SIM_PREFIX}joints/{name}': joints[:, k].copy()
               for k, name in enumerate(JOINTS)}
    for k, name in enumerate(BLOCKS[scene]):
        six = scene_obs[:, 6 + 6 * k:12 + 6 * k]
        streams[f'{SIM_PREFIX}objects/{name}'] = np.array(
            [compose(base, pose_decode(row)) for row in six])
    return streams


def action_encode(place: Placement, targets: np.ndarray, opening: np.ndarray) -> np.ndarray:
    """Return actions (N, 7) of target tool poses (N, 7) and gripper goals (N,) 0..1."""
    tcp = np.array([pose_encode(place.to_world(pose)) for pose in targets])
    return np.column_stack([tcp, grip_encode(opening)])


def action_decode(
    place: Placement, actions: np.ndarray, tool_pose: np.ndarray,
    before: np.ndarray | None = None,
) -> np.ndarray:
    """Return ee_delta rows (N, 7) float32 of actions (N, 7).

    Each is relative to its row of `before` (N, 7); without that to the target of the row
    before it, the first to where the tool was. In CALVIN's own data a frame's target is the
    next frame's measured pose, so both readings agree there.
    """
    targets = [place.to_base(pose_decode(row)) for row in actions]
    origins = [tool_pose[0], *targets] if before is None else before
    moves = [delta_between(origin, target) for origin, target in zip(origins, targets)]
    return np.column_stack([moves, grip_decode(actions[:, 6])]).astype(np.float32)


def accumulate(start: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Return the poses (N + 1, 7) that ee_delta rows (N, 7) lead through from `start` (7,)."""
    poses = [start]
    for delta in deltas:
        poses.append(apply_delta(poses[-1], delta[:6]))
    return np.array(poses)


def relative(actions: np.ndarray, origins: np.ndarray) -> np.ndarray:
    """Return rel_actions (N, 7) of actions (N, 7) and the tcp's xyz and Euler angles (N, 6)."""
    moves = (actions[:, :3] - origins[:, :3]) * POSITION_SCALE
    turns = (actions[:, 3:6] - origins[:, 3:6] + np.pi) % (2.0 * np.pi) - np.pi
    clipped = np.clip(np.column_stack([moves, turns * ANGLE_SCALE]), -1.0, 1.0)
    return np.column_stack([clipped, actions[:, 6:]])
