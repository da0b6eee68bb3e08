"""An action that does not explain the motion is found, and by which mistake."""

from clean_episode import change, clean_episode, HZ
import numpy as np
import pytest
from vla_core.episode import ACTION, ACTION_PROPOSED, Episode, TOOL_POSE
from vla_core.geometry import quat_to_matrix
from vla_recorder.check.motion import judge_all, judge_motion, Motion

ROBOTS = ('panda', 'ur5e')


def told(motion: Motion) -> str:
    return '\n'.join(finding.line() for finding in motion.findings)


def with_action(episode: Episode, fault) -> Motion:
    """Judge an episode whose action, also the proposed one, has a fault."""
    for name in (ACTION, ACTION_PROPOSED):
        episode = change(episode, name, fault)
    return judge_motion(episode)


def turned(degrees: float):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])

    def fault(action: np.ndarray) -> np.ndarray:
        return np.column_stack([action[:, :3] @ turn.T, action[:, 3:6] @ turn.T, action[:, 6]])
    return fault


def scaled(part: slice, factor: float):
    def fault(action: np.ndarray) -> np.ndarray:
        action[:, part] *= factor
        return action
    return fault


@pytest.mark.parametrize('robot', ROBOTS)
@pytest.mark.parametrize('seed', range(4))
def test_a_clean_episode_passes_and_its_lag_is_measured(robot: str, seed: int) -> None:
    motion = judge_motion(clean_episode(robot, seed=seed))
    assert told(motion) == ''
    assert motion.lag_rows == pytest.approx(0.04 * HZ, abs=0.3)
    assert list(judge_all(motion.sums)) == []


@pytest.mark.parametrize('part, factor, words', [
    (slice(0, 3), 1000.0, 'times the motion (mm for m?)'),
    (slice(3, 6), 180 / np.pi, 'rotation has another unit: got 5'),
    (slice(3, 6), 180 / np.pi, 'times the motion (degrees for rad?)'),
    (slice(0, 6), HZ, 'times the motion (a rate for a step?)'),
])
def test_a_wrong_unit_is_named(part: slice, factor: float, words: str) -> None:
    assert words in told(with_action(clean_episode(), scaled(part, factor)))


def test_swapped_axes_and_signs_are_named() -> None:
    def swap(action: np.ndarray) -> np.ndarray:
        return action[:, [1, 0, 2, 3, 4, 5, 6]]
    assert 'got action y for x, x for y fits' in told(with_action(clean_episode(), swap))
    assert 'got action -y for y fits' in told(
        with_action(clean_episode(), scaled(slice(1, 2), -1.0)))


@pytest.mark.parametrize('degrees', [45, -60])
def test_a_turned_base_is_named_with_its_angle(degrees: float) -> None:
    words = told(with_action(clean_episode(steps=120), turned(degrees)))
    angle = float(words.split('turned by ')[1].split()[0])
    assert angle == pytest.approx(abs(degrees), abs=10)
    assert f'about {"-" if degrees > 0 else ""}z' in words


def test_a_small_turn_is_found_over_several_episodes() -> None:
    sums = {}
    for seed in range(4):
        motion = with_action(clean_episode(seed=seed, steps=120), turned(25))
        for block, part in motion.sums.items():
            sums[block] = sums[block] + part if block in sums else part
    assert any('turned by 2' in finding.line() for finding in judge_all(sums))


def test_tool_axes_are_named() -> None:
    poses = clean_episode().streams[TOOL_POSE].values

    def fault(action: np.ndarray) -> np.ndarray:
        for row, pose in zip(action, poses):
            row[:3], row[3:6] = (quat_to_matrix(pose[3:]).T @ part for part in (
                row[:3], row[3:6]))
        return action
    assert 'translation is in other axes: got tool axes fits' in told(
        with_action(clean_episode(), fault))


def test_rows_that_come_late_are_found_without_a_proposed_action() -> None:
    late = change(clean_episode(), ACTION, lambda a: np.concatenate([a[:1], a[:-1]]))
    streams = {name: s for name, s in late.streams.items() if name != ACTION_PROPOSED}
    motion = judge_motion(Episode(**{**vars(late), 'streams': streams}))
    assert 'comes after its own motion' in told(motion)


@pytest.mark.parametrize('shift, words', [(1, '1 rows late'), (-1, '1 rows early')])
def test_rows_shifted_against_the_proposed_action_are_found(shift: int, words: str) -> None:
    motion = judge_motion(change(clean_episode(), ACTION, lambda a: np.roll(a, shift, axis=0)))
    assert 'rows' in told(motion)
    if shift < 0:
        assert words in told(motion)


def test_absolute_poses_noise_and_zeros_are_not_steps() -> None:
    poses = clean_episode().streams[TOOL_POSE].values

    def absolute(action: np.ndarray) -> np.ndarray:
        action[:, :3] = poses[:, :3]
        return action
    assert 'holds poses, not steps' in told(with_action(clean_episode(), absolute))
    rng = np.random.default_rng(0)
    assert 'does not explain the motion' in told(with_action(
        clean_episode(steps=120), lambda a: rng.normal(size=a.shape).astype(np.float32) * 0.01))
    assert 'is zero while the arm moves' in told(
        with_action(clean_episode(), np.zeros_like))


def test_an_arm_that_stands_still_is_not_judged() -> None:
    still = change(clean_episode(), TOOL_POSE, lambda poses: np.repeat(poses[:1], len(poses), 0))
    assert told(judge_motion(still)) == ''


def test_an_action_of_another_shape_is_not_judged() -> None:
    other = change(clean_episode(), ACTION, lambda a: np.repeat(a, 2, axis=1))
    assert judge_motion(other) == Motion({}, None, ())
