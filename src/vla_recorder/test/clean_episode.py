"""A clean episode as an arm would make it, for the tests of the checks.

The tool follows a smooth path a little late; joints, velocities, tool poses, actions, gripper
and pictures all tell of the same motion.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
from vla_core.episode import (
    ACTION,
    ACTION_PROPOSED,
    Episode,
    GRIPPER,
    IMAGE_PREFIX,
    JOINT_POSITION,
    JOINT_VELOCITY,
    Stream,
    SubtaskSpan,
    TOOL_POSE,
)
from vla_core.geometry import apply_delta, delta_between
from vla_core.kinematics import Kinematics
from vla_core.spec import load_robot

HZ = 12
FINE = 6  # joint states a row, for the velocities
LAG_S = 0.04
START_NS = 7_000_000_000


@cache
def _kinematics(robot: str) -> Kinematics:
    return Kinematics(load_robot(robot))


@cache
def clean_episode(robot: str = 'panda', steps: int = 60, seed: int = 0) -> Episode:
    """Return the episode; it depends on its arguments alone."""
    rng = np.random.default_rng(seed)
    times = np.arange(steps + 1) / HZ
    targets = _path(robot, times, rng)
    fine = np.arange(FINE * (steps + 1)) / (FINE * HZ)
    turned = _joints(robot, _path(robot, fine - LAG_S, np.random.default_rng(seed)))
    joints, velocity = turned[::FINE], np.gradient(turned, axis=0)[::FINE] * FINE * HZ
    poses = np.array([_kinematics(robot).forward(q) for q in joints])
    steps_asked = [delta_between(a, b) for a, b in zip(targets[:-1], targets[1:])]
    goal = (np.arange(steps) // 20 % 2).astype(float)
    action = np.column_stack([steps_asked, goal]).astype(np.float32)
    values = {
        ACTION: action,
        ACTION_PROPOSED: action.copy(),
        TOOL_POSE: poses[:-1],
        JOINT_POSITION: joints[:-1],
        JOINT_VELOCITY: velocity[:-1],
        GRIPPER: np.concatenate([np.zeros(2), goal[:-2]]),
        f'{IMAGE_PREFIX}static': _pictures(poses[:-1]),
    }
    stamps = START_NS + np.round(times[:-1] * 1e9).astype(np.int64)
    return Episode(
        episode_id=f'clean-{robot}-{seed}', robot=robot, task='lift_red_block',
        instruction='pick up the red block', success=True, seed=seed,
        streams={name: Stream(stamps, value) for name, value in values.items()},
        subtasks=(SubtaskSpan(int(stamps[0]), int(stamps[-1]), 'pick up the red block'),))


def change(episode: Episode, name: str, fault: Callable[[np.ndarray], np.ndarray]) -> Episode:
    """Return the episode with one stream's values changed; the fault gets a copy."""
    stream = episode.streams[name]
    values = fault(np.array(stream.values))
    return replace(episode, streams={**episode.streams, name: Stream(stream.stamps_ns, values)})


def _path(robot: str, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return smooth poses (N, 7) around the robot's home, resting at first."""
    home = _kinematics(robot).forward(load_robot(robot).joints.home)
    phase, rate = rng.uniform(0, 2 * np.pi, 6), rng.uniform(1.5, 3.0, 6)
    reach = np.array([0.05, 0.09, 0.06, 0.15, 0.15, 0.3])
    ease = np.clip(times, 0.0, 0.5) / 0.5
    waves = reach * (np.sin(rate * times[:, None] + phase) - np.sin(phase)) * ease[:, None]
    return np.array([apply_delta(home, wave) for wave in waves])


def _joints(robot: str, poses: np.ndarray) -> np.ndarray:
    """Return joints (N, J) whose tool is at the poses, each found from the one before."""
    kinematics, found = _kinematics(robot), []
    q = load_robot(robot).joints.home
    for pose in poses:
        q = kinematics.solve(q, pose, 4)
        found.append(q)
    return np.array(found)


def _pictures(poses: np.ndarray) -> np.ndarray:
    """Return pictures (N, 24, 32, 3) of a bright spot that goes and grows with the tool."""
    row, column = np.mgrid[0:24, 0:32]
    frames = []
    for x, y, z, *_ in poses:
        away = np.hypot(row - 12 - 60 * (x - poses[0, 0]), column - 16 - 60 * (y - poses[0, 1]))
        frames.append(np.clip(180 - 40 * (away - 5 - 60 * (z - poses[0, 2])), 60, 180))
    return np.repeat(np.array(frames)[..., None], 3, axis=-1).astype(np.uint8)
