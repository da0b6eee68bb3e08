"""Streams of 30, 50, 100 and 1000 Hz with uneven stamps are checked as they are, in blocks."""

from dataclasses import replace

from clean_episode import clean_episode, HZ, START_NS
import numpy as np
import pytest
from vla_core.episode import (
    ACTION,
    Episode,
    GRIPPER,
    IMAGE_PREFIX,
    JOINT_POSITION,
    JOINT_VELOCITY,
    Stream,
    TOOL_POSE,
)
from vla_core.geometry import delta_between, interpolate_pose
from vla_core.kinematics import Kinematics
from vla_core.lazy import BLOCK
from vla_core.spec import load_robot, StreamSpec
from vla_core.timeline import align
from vla_recorder.check.checker import check_episode
from vla_recorder.check.images import look
from vla_recorder.check.motion import judge_motion

LAG_S = 0.1
ACTION_HZ = 30


def at_rate(hz: int, jitter_ns: int, rng: np.random.Generator, begin_s: float = 0.1) -> np.ndarray:
    """Return stamps (N,) of a stream over four seconds."""
    times = np.arange(begin_s, 4.1, 1.0 / hz)
    return START_NS + np.round(times * 1e9).astype(np.int64) + rng.integers(
        -jitter_ns, jitter_ns + 1, len(times))


def resampled(stream: Stream, stamps: np.ndarray, blend=None) -> np.ndarray:
    floats = Stream(stream.stamps_ns, stream.values.astype(np.float64))
    return np.asarray(align(stamps, floats, StreamSpec('interpolate', np.inf), 's', blend).values)


def many_rates(robot: str) -> Episode:
    """Return a clean episode whose streams each have stamps of their own."""
    rng, source = np.random.default_rng(5), clean_episode(robot)
    streams, lag_ns = source.streams, int(LAG_S * 1e9)
    fast, tool, slow = (at_rate(1000, 50_000, rng), at_rate(100, 400_000, rng),
                        at_rate(ACTION_HZ, 2_000_000, rng))
    joints = resampled(streams[JOINT_POSITION], fast)
    rows = np.clip(np.searchsorted(fast, tool), 0, len(fast) - 1)
    kinematics = Kinematics(load_robot(robot))
    poses = np.array([kinematics.forward(joints[row]) for row in rows])
    asked = resampled(Stream(fast[rows], poses), np.append(slow, slow[-1] + 33_333_333) + lag_ns,
                      interpolate_pose)
    steps = [delta_between(a, b) for a, b in zip(asked[:-1], asked[1:])]
    ticks = np.arange(len(slow)) // 40 % 2
    frames = resampled(streams[f'{IMAGE_PREFIX}static'], at_rate(30, 0, rng)).astype(np.uint8)
    return replace(source, subtasks=(), streams={
        ACTION: Stream(slow, np.column_stack([steps, ticks]).astype(np.float32)),
        TOOL_POSE: Stream(fast[rows], poses),
        JOINT_POSITION: Stream(fast, joints + rng.normal(0.0, 1e-5, joints.shape)),
        JOINT_VELOCITY: Stream(fast, np.gradient(joints, fast / 1e9, axis=0)
                               + rng.normal(0.0, 0.01, joints.shape)),
        GRIPPER: Stream(slow, np.roll(ticks, 5).astype(float)),
        f'{IMAGE_PREFIX}static': Stream(at_rate(30, 3_000_000, rng), frames)})


@pytest.mark.parametrize('robot', ['panda', 'ur5e'])
def test_a_clean_episode_of_many_rates_has_no_findings_and_its_lag_is_measured(robot: str) -> None:
    checked = check_episode(many_rates(robot))
    assert [finding.line() for finding in checked.findings] == []
    assert checked.motion.lag_rows == pytest.approx(LAG_S * ACTION_HZ, abs=0.4)
    assert checked.streams[JOINT_POSITION].rate_hz == pytest.approx(1000, rel=0.02)


def test_a_swap_of_axes_is_found_at_any_rate() -> None:
    episode = many_rates('panda')
    action = episode.streams[ACTION]
    swapped = Stream(action.stamps_ns, action.values[:, [1, 0, 2, 3, 4, 5, 6]])
    found = judge_motion(replace(episode, streams={**episode.streams, ACTION: swapped})).findings
    assert any('action y for x, x for y' in finding.line() for finding in found)


def test_pictures_are_read_a_block_at_a_time() -> None:
    class Counted:
        shape, dtype = (3 * BLOCK + 1, 4, 6, 3), np.dtype(np.uint8)

        def __init__(self) -> None:
            self.asked: list[int] = []

        def __len__(self) -> int:
            return self.shape[0]

        def __getitem__(self, rows: slice) -> np.ndarray:
            size = len(range(*rows.indices(len(self))))
            self.asked.append(size)
            return np.full((size, *self.shape[1:]), 90, np.uint8)
    values = Counted()
    stamps = START_NS + np.arange(len(values)) * (10**9 // HZ)
    looks = look(Stream(stamps, values))
    assert values.asked == [BLOCK, BLOCK, BLOCK, 1]
    assert looks.same.sum() == len(values) - 1
