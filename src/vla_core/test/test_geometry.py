"""Laws of the geometry, held against SciPy's Rotation."""

from math import pi

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp
from vla_core import geometry
from vla_core.errors import InvalidDataError

quick = settings(deadline=None, max_examples=100, derandomize=True)
TOLERANCE = {'rtol': 0.0, 'atol': 1e-9}
vectors = arrays(np.float64, 3, elements=st.floats(-2.0, 2.0, allow_subnormal=False))
fractions = st.floats(0.0, 1.0)


@st.composite
def quats(draw: st.DrawFn) -> np.ndarray:
    quat = draw(arrays(np.float64, 4, elements=st.floats(-1.0, 1.0)))
    assume(np.linalg.norm(quat) > 1e-3)
    return quat / np.linalg.norm(quat)


@st.composite
def poses(draw: st.DrawFn) -> np.ndarray:
    return np.concatenate([draw(vectors), draw(quats())])


@st.composite
def rotvecs(draw: st.DrawFn) -> np.ndarray:
    """Rotation vectors, often as near 0 and pi as they get."""
    axis = draw(vectors)
    assume(np.linalg.norm(axis) > 1e-3)
    special = st.sampled_from([0.0, 1e-300, 1e-12, 1e-8, 1e-5, pi - 1e-9, pi - 1e-15, pi])
    return axis / np.linalg.norm(axis) * draw(special | st.floats(0.0, pi))


def assert_same_rotation(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(a if a @ b >= 0.0 else -a, b, **TOLERANCE)


def assert_same_pose(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(a[:3], b[:3], **TOLERANCE)
    assert_same_rotation(a[3:], b[3:])


@quick
@given(quats(), quats())
def test_product_and_matrix_agree_with_scipy(a: np.ndarray, b: np.ndarray) -> None:
    product = Rotation.from_quat(a) * Rotation.from_quat(b)
    assert_same_rotation(geometry.quat_multiply(a, b), product.as_quat())
    np.testing.assert_allclose(
        geometry.quat_to_matrix(a), Rotation.from_quat(a).as_matrix(), **TOLERANCE)


@quick
@given(quats())
def test_matrix_to_quat_is_canonical_and_agrees_with_scipy(quat: np.ndarray) -> None:
    rotation = Rotation.from_quat(quat)
    ours = geometry.matrix_to_quat(rotation.as_matrix())
    assert ours[3] >= 0.0
    assert_same_rotation(ours, rotation.as_quat())


@pytest.mark.parametrize('axis', np.eye(3))
def test_half_turns_survive_the_matrix(axis: np.ndarray) -> None:
    quat = np.array([*axis, 0.0])
    np.testing.assert_array_equal(
        geometry.matrix_to_quat(geometry.quat_to_matrix(quat)), quat)


@quick
@given(rotvecs())
def test_rotation_vector_agrees_with_scipy_near_zero_and_pi(rotvec: np.ndarray) -> None:
    quat = geometry.rotvec_to_quat(rotvec)
    assert quat[3] >= 0.0
    assert_same_rotation(quat, Rotation.from_rotvec(rotvec).as_quat())
    assert_same_rotation(geometry.rotvec_to_quat(geometry.quat_to_rotvec(quat)), quat)


@quick
@given(rotvecs())
def test_rotation_vector_round_trip_is_identity_below_pi(rotvec: np.ndarray) -> None:
    assume(np.linalg.norm(rotvec) < pi - 1e-6)
    again = geometry.quat_to_rotvec(geometry.rotvec_to_quat(rotvec))
    np.testing.assert_allclose(again, rotvec, rtol=1e-9, atol=1e-15)


@quick
@given(quats(), vectors)
def test_rotate_agrees_with_scipy(quat: np.ndarray, vector: np.ndarray) -> None:
    np.testing.assert_allclose(
        geometry.rotate(quat, vector), Rotation.from_quat(quat).apply(vector), **TOLERANCE)


@quick
@given(quats())
def test_rotation_6d_round_trip_is_identity(quat: np.ndarray) -> None:
    matrix = geometry.quat_to_matrix(quat)
    code = geometry.rotation_6d_encode(matrix)
    np.testing.assert_array_equal(code, np.concatenate([matrix[:, 0], matrix[:, 1]]))
    np.testing.assert_allclose(geometry.rotation_6d_decode(code), matrix, **TOLERANCE)


@quick
@given(arrays(np.float64, (5, 6), elements=st.floats(-3.0, 3.0)))
def test_rotation_6d_decodes_any_independent_vectors_to_rotations(code: np.ndarray) -> None:
    assume((np.linalg.norm(np.cross(code[:, :3], code[:, 3:]), axis=1) > 1e-2).all())
    matrix = geometry.rotation_6d_decode(code)
    np.testing.assert_allclose(
        matrix @ matrix.swapaxes(-1, -2), np.broadcast_to(np.eye(3), (5, 3, 3)), **TOLERANCE)
    np.testing.assert_allclose(np.linalg.det(matrix), 1.0, **TOLERANCE)


@pytest.mark.parametrize('code', [np.zeros(6), np.ones(6), np.full(6, np.nan)])
def test_rotation_6d_refuses_dependent_vectors(code: np.ndarray) -> None:
    with pytest.raises(InvalidDataError, match='parallel'):
        geometry.rotation_6d_decode(code)


@quick
@given(quats(), quats(), fractions)
def test_slerp_agrees_with_scipy(q0: np.ndarray, q1: np.ndarray, s: float) -> None:
    assume(abs(q0 @ q1) > 1e-6)  # at half a turn both ways round are as short
    expected = Slerp([0.0, 1.0], Rotation.from_quat([q0, q1]))(s).as_quat()
    assert_same_rotation(geometry.slerp(q0, q1, s), expected)


@quick
@given(poses(), poses())
def test_interpolation_hits_its_ends_exactly(p0: np.ndarray, p1: np.ndarray) -> None:
    np.testing.assert_array_equal(geometry.interpolate_pose(p0, p1, 0.0), p0)
    end = geometry.interpolate_pose(p0, p1, 1.0)
    sign = 1.0 if p0[3:] @ p1[3:] >= 0.0 else -1.0
    np.testing.assert_array_equal(end, np.concatenate([p1[:3], sign * p1[3:]]))


@quick
@given(quats(), rotvecs(), fractions)
def test_slerp_turns_at_constant_speed(quat: np.ndarray, turn: np.ndarray, s: float) -> None:
    assume(np.linalg.norm(turn) < pi - 1e-6)
    end = geometry.quat_multiply(geometry.rotvec_to_quat(turn), quat)
    part = geometry.quat_multiply(geometry.rotvec_to_quat(s * turn), quat)
    assert_same_rotation(geometry.slerp(quat, end, s), part)


@quick
@given(poses(), poses(), poses())
def test_poses_form_a_group(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    identity, compose, inverse = geometry.IDENTITY_POSE, geometry.compose, geometry.inverse
    assert_same_pose(compose(compose(a, b), c), compose(a, compose(b, c)))
    assert_same_pose(compose(a, identity), a)
    assert_same_pose(compose(identity, a), a)
    assert_same_pose(compose(a, inverse(a)), identity)
    assert_same_pose(compose(inverse(a), a), identity)


@quick
@given(poses(), poses(), vectors)
def test_composition_is_the_product_of_matrices(
    a: np.ndarray, b: np.ndarray, point: np.ndarray
) -> None:
    matrix = geometry.pose_to_matrix(a) @ geometry.pose_to_matrix(b)
    both = geometry.compose(a, b)
    np.testing.assert_allclose(geometry.pose_to_matrix(both), matrix, **TOLERANCE)
    assert_same_pose(geometry.matrix_to_pose(matrix), both)
    np.testing.assert_allclose(
        geometry.transform_point(both, point), (matrix @ [*point, 1.0])[:3], **TOLERANCE)


@quick
@given(poses())
def test_a_chain_is_folded_from_the_left_bit_by_bit(pose: np.ndarray) -> None:
    folded = geometry.compose(geometry.compose(pose, pose), pose)
    np.testing.assert_array_equal(geometry.compose_chain([pose, pose, pose]), folded)
    np.testing.assert_array_equal(geometry.compose_chain([pose]), pose)
    np.testing.assert_array_equal(geometry.compose_chain([]), geometry.IDENTITY_POSE)


def test_ten_thousand_compositions_keep_unit_length() -> None:
    pose, step = geometry.IDENTITY_POSE, np.array([0.0, 0.0, 0.0, 0.1, 0.2, 0.3, 0.927])
    step[3:] /= np.linalg.norm(step[3:])
    for _ in range(10_000):
        pose = geometry.compose(pose, step)
    assert abs(np.linalg.norm(pose[3:]) - 1.0) < 1e-15


@quick
@given(poses(), poses())
def test_applying_the_delta_between_two_poses_is_identity(a: np.ndarray, b: np.ndarray) -> None:
    assert_same_pose(geometry.apply_delta(a, geometry.delta_between(a, b)), b)


@quick
@given(poses(), vectors, rotvecs())
def test_a_delta_moves_and_turns_in_base_axes(
    pose: np.ndarray, shift: np.ndarray, turn: np.ndarray
) -> None:
    moved = geometry.apply_delta(pose, np.concatenate([shift, turn]))
    expected = Rotation.from_rotvec(turn) * Rotation.from_quat(pose[3:])
    np.testing.assert_allclose(moved[:3], pose[:3] + shift, **TOLERANCE)
    assert_same_rotation(moved[3:], expected.as_quat())


@quick
@given(quats())
def test_euler_angles_keep_the_rotation(quat: np.ndarray) -> None:
    euler = geometry.euler_encode(quat)
    assert np.isfinite(euler).all()
    assert_same_rotation(geometry.euler_decode(euler), quat)


@quick
@given(st.floats(-pi, pi), st.sampled_from([-pi / 2, pi / 2]), st.floats(-pi, pi))
def test_euler_angles_keep_the_rotation_at_the_poles(
    roll: float, pitch: float, yaw: float
) -> None:
    quat = Rotation.from_euler('xyz', [roll, pitch, yaw]).as_quat()
    np.testing.assert_allclose(  # the angles lose half the digits here, as everybody's do
        geometry.quat_to_matrix(geometry.euler_decode(geometry.euler_encode(quat))),
        geometry.quat_to_matrix(quat), atol=1e-6)


@quick
@given(vectors)
def test_euler_decode_agrees_with_scipy(euler: np.ndarray) -> None:
    assert_same_rotation(
        geometry.euler_decode(euler), Rotation.from_euler('xyz', euler).as_quat())


def test_a_zero_quaternion_is_refused() -> None:
    with pytest.raises(InvalidDataError, match='non-zero'):
        geometry.quat_normalize(np.zeros(4))
