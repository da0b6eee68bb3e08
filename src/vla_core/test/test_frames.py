"""Laws of the transform buffer; the expected poses are those tf2 gives for the same trees."""

from math import cos, pi, sin, sqrt

import numpy as np
import pytest
from vla_core import geometry
from vla_core.errors import InvalidDataError, VlaError
from vla_core.frames import (
    DisconnectedFramesError,
    FrameBuffer,
    TooNewError,
    TooOldError,
    UnknownFrameError,
)

SECOND = 1_000_000_000


def shift(x: float, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    return np.array([x, y, z, 0.0, 0.0, 0.0, 1.0])


def turn_z(angle: float) -> np.ndarray:
    return np.array([0.0, 0.0, 0.0, 0.0, 0.0, sin(angle / 2), cos(angle / 2)])


def random_pose(rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([rng.normal(size=3), geometry.rotvec_to_quat(rng.normal(size=3))])


def tree(edges: list[tuple[str, str, np.ndarray]], stamp_ns: int = SECOND) -> FrameBuffer:
    buffer = FrameBuffer()
    for parent, child, pose in edges:
        buffer.set(parent, child, stamp_ns, pose)
    return buffer


def test_a_branching_tree_gives_the_transforms_of_tf2() -> None:
    right, up = shift(1.0), shift(0.0, 1.0)
    buffer = tree([('a', 'b', right), ('b', 'c', right), ('b', 'd', up), ('d', 'e', up)])
    at = {'a': (0, 0), 'b': (1, 0), 'c': (2, 0), 'd': (1, 1), 'e': (1, 2)}
    for target in at:
        for source in at:
            pose = buffer.lookup(target, source, SECOND)
            offset = np.subtract(at[source], at[target])
            np.testing.assert_allclose(pose, shift(*offset), atol=1e-12)


def test_a_ring_of_45_degree_steps_closes() -> None:
    step = np.array([sqrt(2) / 2 - 1, sqrt(2) / 2, 0, 0, 0, sin(pi / 8), cos(pi / 8)])
    names = 'abcdefghi'
    buffer = tree([(a, b, step) for a, b in zip(names, names[1:])])
    for i, target in enumerate(names):
        for j, source in enumerate(names):
            angle = (j - i) * pi / 4  # where the frame stands on the circle around (-1, 0)
            pose = buffer.lookup(target, source, SECOND)
            expected = [cos(angle) - 1, sin(angle), 0, 0, 0, sin(angle / 2), cos(angle / 2)]
            sign = 1.0 if pose[3:] @ expected[3:] > 0 else -1.0
            np.testing.assert_allclose(pose[:3], expected[:3], atol=1e-12)
            np.testing.assert_allclose(sign * pose[3:], expected[3:], atol=1e-12)


@pytest.mark.parametrize('position', [0, 1, 37, 50, 99, 100])
def test_interpolation_between_two_samples_is_that_of_tf2(position: int) -> None:
    buffer = FrameBuffer()
    buffer.set('a', 'b', 200, geometry.compose(shift(1.0, -2.0, 3.0), turn_z(0.2)))
    buffer.set('a', 'b', 300, geometry.compose(shift(5.0, 2.0, -3.0), turn_z(1.2)))
    pose = buffer.lookup('a', 'b', 200 + position)
    s = position / 100
    np.testing.assert_allclose(pose[:3], [1 + 4 * s, -2 + 4 * s, 3 - 6 * s], atol=1e-12)
    np.testing.assert_allclose(pose[3:], turn_z(0.2 + s)[3:], atol=1e-12)


def test_samples_may_arrive_a_little_late() -> None:
    rng = np.random.default_rng(0)
    samples = {stamp: random_pose(rng) for stamp in range(1, 100)}
    buffer = FrameBuffer()
    for stamp in reversed(samples):
        buffer.set('a', 'b', stamp, samples[stamp])
    for stamp, pose in samples.items():
        np.testing.assert_array_equal(buffer.lookup('a', 'b', stamp), pose)


def test_an_exact_stamp_gives_the_fold_of_the_stored_poses_bit_by_bit() -> None:
    rng = np.random.default_rng(1)
    poses = [random_pose(rng) for _ in range(10)]
    buffer = FrameBuffer()
    for stamp in (1, SECOND // 120, SECOND // 60):
        for i, pose in enumerate(poses):
            buffer.set(f'l{i}', f'l{i + 1}', stamp, pose if stamp > 1 else shift(0.0))
    np.testing.assert_array_equal(
        buffer.lookup('l0', 'l10', SECOND // 120), geometry.compose_chain(poses))
    np.testing.assert_array_equal(buffer.lookup('l3', 'l4', SECOND // 120), poses[3])


def test_lookup_agrees_with_products_of_matrices() -> None:
    rng = np.random.default_rng(2)
    edges = [('r', 'a', random_pose(rng)), ('a', 'b', random_pose(rng)),
             ('r', 'c', random_pose(rng)), ('c', 'd', random_pose(rng))]
    world = {'r': np.eye(4)}
    for parent, child, pose in edges:
        world[child] = world[parent] @ geometry.pose_to_matrix(pose)
    buffer = tree(edges)
    for target in world:
        for source in world:
            expected = np.linalg.inv(world[target]) @ world[source]
            pose = buffer.lookup(target, source, SECOND)
            np.testing.assert_allclose(geometry.pose_to_matrix(pose), expected, atol=1e-12)


def test_static_frames_hold_at_all_times_and_survive_clear() -> None:
    buffer = tree([('a', 'b', shift(1.0))])
    buffer.set_static('b', 'c', shift(2.0))
    np.testing.assert_array_equal(buffer.lookup('b', 'c', 77 * SECOND), shift(2.0))
    np.testing.assert_array_equal(buffer.lookup('a', 'c', SECOND), shift(3.0))
    buffer.clear()
    assert buffer.frames() == {'b', 'c'}
    with pytest.raises(UnknownFrameError):
        buffer.lookup('a', 'c', SECOND)


def test_a_child_is_not_interpolated_from_one_parent_to_another() -> None:
    buffer = FrameBuffer()
    buffer.set('a', 'c', 100, shift(1.0))
    buffer.set('b', 'c', 200, shift(9.0))
    for stamp in range(100, 200):
        np.testing.assert_array_equal(buffer.lookup('a', 'c', stamp), shift(1.0))
    np.testing.assert_array_equal(buffer.lookup('b', 'c', 200), shift(9.0))


def test_missing_samples_above_the_common_ancestor_do_not_matter() -> None:
    buffer = FrameBuffer()
    buffer.set('root', 'parent', SECOND, shift(1.0))
    for stamp in (SECOND, 2 * SECOND):
        buffer.set('parent', 'a', stamp, shift(1.0))
        buffer.set('parent', 'b', stamp, shift(0.0, 1.0))
    np.testing.assert_array_equal(buffer.lookup('a', 'b', 2 * SECOND), shift(-1.0, 1.0))


def test_latest_uses_the_newest_common_stamp() -> None:
    buffer = tree([('a', 'b', shift(1.0))])
    buffer.set('b', 'c', SECOND, shift(1.0))
    buffer.set('b', 'c', 2 * SECOND, shift(3.0))
    assert buffer.latest_common_ns('a', 'c') == SECOND
    assert buffer.latest_common_ns('b', 'c') == 2 * SECOND
    np.testing.assert_array_equal(buffer.latest('a', 'c'), shift(2.0))
    buffer.set_static('c', 'd', shift(1.0))
    assert buffer.latest_common_ns('c', 'd') is None
    np.testing.assert_array_equal(buffer.latest('d', 'c'), shift(-1.0))


def test_an_unknown_frame_lists_the_known_ones() -> None:
    buffer = tree([('base', 'tool', shift(1.0))])
    with pytest.raises(UnknownFrameError, match="'tol'.*mean 'tool'.*base, tool"):
        buffer.lookup('base', 'tol', SECOND)
    with pytest.raises(UnknownFrameError):
        buffer.lookup('x', 'x', SECOND)
    np.testing.assert_array_equal(buffer.lookup('tool', 'tool', 5), geometry.IDENTITY_POSE)


def test_disconnected_frames_name_both_trees() -> None:
    buffer = tree([('1', '2', shift(1.0)), ('a', 'b', shift(1.0))])
    with pytest.raises(DisconnectedFramesError, match='{1, 2}.*{a, b}'):
        buffer.lookup('2', 'b', SECOND)
    with pytest.raises(DisconnectedFramesError):
        buffer.latest('2', 'b')


def test_extrapolation_is_refused_and_says_by_how_much() -> None:
    buffer = tree([('a', 'b', shift(1.0))])
    with pytest.raises(TooNewError, match='0.250000 s after the newest'):
        buffer.lookup('a', 'b', SECOND + SECOND // 4)
    with pytest.raises(TooOldError, match='0.500000 s before the oldest'):
        buffer.lookup('b', 'a', SECOND // 2)


def test_samples_older_than_the_memory_are_forgotten() -> None:
    buffer = FrameBuffer(max_age_s=1.0)
    for stamp in range(0, 3 * SECOND, SECOND // 10):
        buffer.set('a', 'b', stamp, shift(1.0))
    buffer.lookup('a', 'b', 2 * SECOND)
    with pytest.raises(TooOldError):
        buffer.lookup('a', 'b', 17 * SECOND // 10)


def test_a_clock_set_back_clears_all_but_the_static_frames() -> None:
    buffer = tree([('a', 'b', shift(1.0)), ('x', 'y', shift(1.0))], 5 * SECOND)
    buffer.set_static('b', 'c', shift(1.0))
    buffer.set('a', 'b', 0, shift(2.0))
    assert buffer.frames() == {'a', 'b', 'c'}
    np.testing.assert_array_equal(buffer.lookup('a', 'c', 0), shift(3.0))


def test_a_repeated_stamp_replaces_the_sample() -> None:
    buffer = tree([('a', 'b', shift(1.0))])
    buffer.set('a', 'b', SECOND, shift(2.0))
    np.testing.assert_array_equal(buffer.lookup('a', 'b', SECOND), shift(2.0))


@pytest.mark.parametrize(('parent', 'child', 'pose'), [
    ('a', 'a', shift(0.0)), ('', 'a', shift(0.0)), ('a', '/', shift(0.0)),
    ('a', 'b', shift(float('nan'))), ('a', 'b', np.zeros(7)), ('a', 'b', np.zeros(3)),
])
def test_nonsense_is_refused(parent: str, child: str, pose: np.ndarray) -> None:
    with pytest.raises(InvalidDataError):
        FrameBuffer().set(parent, child, 0, pose)


def test_a_loop_is_refused() -> None:
    buffer = tree([('a', 'b', shift(1.0)), ('b', 'a', shift(1.0)), ('x', 'y', shift(1.0))])
    with pytest.raises(VlaError):
        buffer.lookup('x', 'a', SECOND)


def test_a_leading_slash_is_ignored_as_in_tf2() -> None:
    buffer = tree([('/a', 'b', shift(1.0))])
    np.testing.assert_array_equal(buffer.lookup('a', '/b', SECOND), shift(1.0))
