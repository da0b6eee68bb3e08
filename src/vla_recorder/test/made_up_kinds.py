"""A made-up episode of many kinds and rates: cameras, depth, touch, fast joints, every dtype."""

from collections.abc import Callable
from dataclasses import replace

from made_up_episodes import make_episode, make_images, START_NS
import numpy as np
from vla_core.episode import Episode, Question, Stream, SubtaskSpan

SECOND = 1_000_000_000
INTEGERS = ('int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64')


def make_stamps(rate_hz: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Return the uneven stamps (N,) int64 [ns] of a sensor."""
    period = SECOND / rate_hz
    even = (np.arange(int(rate_hz * seconds)) * period).astype(np.int64)
    return START_NS + even + rng.integers(0, int(0.2 * period), len(even))


def make_depth(count: int, dtype: str, height: int = 24, width: int = 32) -> np.ndarray:
    """Return depth (N, H, W) uint16 [mm], or float32 [m] with NaN, with holes."""
    row, column = np.mgrid[0:height, 0:width]
    depth = np.array([400 + 7 * row + 11 * column + 3 * k for k in range(count)], dtype=np.uint16)
    depth[:, :3] = 0
    if dtype == 'uint16':
        return depth
    metres = (depth / 1000).astype(np.float32)
    metres[:, 5] = np.nan
    return metres


def make_kinds(seed: int = 0, seconds: float = 1.0) -> Episode:
    """Return an episode of 10 actions a second and of sensors that are faster."""
    rng = np.random.default_rng(seed)

    def stream(rate_hz: float, make: Callable[[int], np.ndarray]) -> Stream:
        stamps = make_stamps(rate_hz, seconds, rng)
        return Stream(stamps, make(len(stamps)))

    acted = make_stamps(10, seconds, rng)
    streams = {
        'action': Stream(acted, rng.normal(size=(len(acted), 7))),  # float64
        'action/proposed': Stream(acted, rng.normal(size=(len(acted), 7)).astype(np.float32)),
        'extra/pose_matrix': Stream(acted, rng.normal(size=(len(acted), 4, 4))),
        'extra/one_in_a_row': Stream(acted, rng.normal(size=(len(acted), 1))),
        'extra/contact': Stream(acted, rng.random(len(acted)) > 0.5),
        'extra/fault_code': stream(3, lambda n: np.arange(n, dtype=np.int16)),
        'observation/images/static': stream(30, make_images),
        'observation/images/wrist': stream(15, lambda n: make_images(n, phase=90)),
        'observation/depth/static': stream(30, lambda n: make_depth(n, 'uint16')),
        'observation/depth/wrist': stream(15, lambda n: make_depth(n, 'float32')),
        'observation/tactile/left': stream(30, lambda n: make_images(n, 24, 32, phase=40)),
        'observation/state/joint_position': stream(200, lambda n: rng.normal(size=(n, 7))),
        'observation/state/tool_pose': stream(100, lambda n: make_poses(n, rng)),
        'observation/state/gripper': stream(50, lambda n: rng.random(n)),
    }
    streams |= {f'extra/{kind}': Stream(acted, rng.integers(0, 100, len(acted)).astype(kind))
                for kind in INTEGERS}
    seen = int(streams['observation/images/static'].stamps_ns[6])
    return replace(
        make_episode(2, seed), streams=streams,
        subtasks=(SubtaskSpan(int(acted[0]), int(acted[4]), 'reach it'),
                  SubtaskSpan(int(acted[4]), int(acted[-1]), 'lift it')),
        questions=(Question(seen, 'static', 'how many blocks?', 'three'),))


def make_poses(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return poses (N, 7) float64 with unit quaternions."""
    poses = rng.normal(size=(count, 7))
    poses[:, 3:] /= np.linalg.norm(poses[:, 3:], axis=1, keepdims=True)
    return poses
