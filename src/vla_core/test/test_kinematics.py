"""Laws of the kinematics, with PyBullet as the independent witness."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from vla_core.errors import UnknownNameError
from vla_core.geometry import apply_delta, delta_between, pose_distance
from vla_core.kinematics import Kinematics
from vla_core.spec import load_robot

SPEC = load_robot('panda')
KINEMATICS = Kinematics(SPEC)
LIMITS = SPEC.joints
NULL = np.linalg.svd(KINEMATICS.jacobian(LIMITS.home))[2][-1]  # (J,) moves the elbow only
shares = st.lists(st.floats(0.0, 1.0), min_size=7, max_size=7).map(np.array)


def joints_of(share: np.ndarray) -> np.ndarray:
    return KINEMATICS.lower + share * (KINEMATICS.upper - KINEMATICS.lower)


@pytest.fixture(scope='module')
def witness() -> object:
    """Return a function from a URDF path to PyBullet's link poses in the base frame."""
    pybullet = pytest.importorskip('pybullet')
    client = pybullet.connect(pybullet.DIRECT)
    bodies: dict[str, int] = {}

    def poses(urdf: str, q: np.ndarray) -> dict[str, np.ndarray]:
        if urdf not in bodies:
            bodies[urdf] = pybullet.loadURDF(urdf, useFixedBase=True, physicsClientId=client)
        body, found = bodies[urdf], {}
        rows = [pybullet.getJointInfo(body, i, physicsClientId=client)
                for i in range(pybullet.getNumJoints(body, physicsClientId=client))]
        for row in rows:
            name = row[1].decode()
            value = q[LIMITS.names.index(name)] if name in LIMITS.names else 0.0
            pybullet.resetJointState(body, row[0], value, physicsClientId=client)
        for row in rows:
            state = pybullet.getLinkState(
                body, row[0], computeForwardKinematics=1, physicsClientId=client)
            found[row[12].decode()] = np.array([*state[4], *state[5]])
        return found

    yield poses
    pybullet.disconnect(client)


@pytest.mark.parametrize('seed', range(5))
def test_link_poses_are_those_of_pybullet(witness: object, seed: int) -> None:
    q = joints_of(np.random.default_rng(seed).random(7))
    ours = KINEMATICS.link_poses(q)
    for link, pose in witness(str(SPEC.urdf), q).items():
        assert max(pose_distance(ours[link], pose)) < 1e-5, link


@pytest.mark.parametrize('seed', range(5))
def test_our_panda_is_the_public_panda(witness: object, seed: int) -> None:
    data = pytest.importorskip('pybullet_data')
    q = joints_of(np.random.default_rng(seed).random(7))
    ours = KINEMATICS.link_poses(q)
    theirs = witness(f'{data.getDataPath()}/franka_panda/panda.urdf', q)
    for link in [f'panda_link{i}' for i in range(1, 9)] + ['panda_hand', 'panda_leftfinger']:
        assert max(pose_distance(ours[link], theirs[link])) < 1e-4, link


def test_the_chain_composes_to_the_links() -> None:
    poses = KINEMATICS.link_poses(LIMITS.home, 0.02)
    children = {child for _, child, _ in KINEMATICS.chain(LIMITS.home, 0.02)}
    assert children == set(poses) and 'wrist_camera_optical' in children
    fixed = {child for _, child, _ in KINEMATICS.fixed_chain()}
    assert SPEC.tool_frame in fixed and 'panda_link1' not in fixed
    assert np.allclose(poses[SPEC.tool_frame], KINEMATICS.forward(LIMITS.home))


@settings(max_examples=50, deadline=None)
@given(shares)
def test_the_jacobian_is_the_derivative_of_forward(share: np.ndarray) -> None:
    q, small = joints_of(share), 1e-6
    jacobian = KINEMATICS.jacobian(q)
    for joint in range(7):
        moved = q + small * np.eye(7)[joint]
        slope = delta_between(KINEMATICS.forward(q), KINEMATICS.forward(moved)) / small
        assert np.allclose(slope, jacobian[:, joint], atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-0.03, 0.03), min_size=6, max_size=6).map(np.array))
def test_the_inverse_reaches_near_targets(delta: np.ndarray) -> None:
    target = apply_delta(KINEMATICS.forward(LIMITS.home), delta)
    q = KINEMATICS.solve(LIMITS.home, target, iterations=5)
    assert max(pose_distance(KINEMATICS.forward(q), target)) < 1e-5


@settings(max_examples=50, deadline=None)
@given(shares, st.lists(st.floats(-3.0, 3.0), min_size=6, max_size=6).map(np.array))
def test_the_inverse_stays_within_limits_and_steps(share: np.ndarray, delta: np.ndarray) -> None:
    q = joints_of(share)
    target = apply_delta(KINEMATICS.forward(q), delta)
    for _ in range(10):
        before, q = q, KINEMATICS.ik_step(q, target, 0.02)
        assert (q >= KINEMATICS.lower).all() and (q <= KINEMATICS.upper).all()
        assert (np.abs(q - before) <= 0.02 + 1e-12).all()


def test_the_inverse_forgets_nothing_and_remembers_nothing() -> None:
    target = apply_delta(KINEMATICS.forward(LIMITS.home), np.full(6, 0.01))
    first = KINEMATICS.ik_step(LIMITS.home, target)
    KINEMATICS.link_poses(KINEMATICS.lower, 0.04)
    assert (KINEMATICS.ik_step(LIMITS.home, target) == first).all()


def test_the_null_space_drifts_home() -> None:
    target = KINEMATICS.forward(LIMITS.home)
    q = KINEMATICS.solve(LIMITS.home + 0.2 * NULL, target, iterations=20)
    later = KINEMATICS.solve(q, target, iterations=300)
    assert np.linalg.norm(later - LIMITS.home) < 0.3 * np.linalg.norm(q - LIMITS.home)
    assert max(pose_distance(KINEMATICS.forward(later), target)) < 1e-4


def test_an_unknown_frame_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match='panda_tool'):
        Kinematics(replace(SPEC, tool_frame='panda_tol'))
