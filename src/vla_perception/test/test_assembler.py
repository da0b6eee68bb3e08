"""Laws of the observation: exact where stamps agree, refused where anything is missing."""

import numpy as np
import pytest
from vla_core.errors import InvalidDataError, UnknownNameError, VlaError
from vla_core.geometry import compose_chain, rotvec_to_quat
from vla_core.spec import load_robot
from vla_core.timeline import MissingStreamError, StaleStreamError
from vla_perception.assembler import ObservationAssembler

SPEC = load_robot('panda')
NAMES = (*SPEC.joints.names, *SPEC.gripper.joints)
MS = 1_000_000
NOW = 1000 * MS


def image(value: int) -> np.ndarray:
    return np.full((96, 96, 3), value, dtype=np.uint8)


def pose(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(size=3), rotvec_to_quat(rng.normal(size=3))])


def feed(assembler: ObservationAssembler, stamp_ns: int, seed: int = 0) -> None:
    """Send one instant of everything."""
    rng = np.random.default_rng(seed)
    assembler.on_joint_state(stamp_ns, NAMES, [*rng.normal(size=7), 0.01, 0.03],
                             rng.normal(size=9))
    assembler.on_transform(SPEC.base_frame, 'panda_link7', stamp_ns, pose(seed))
    assembler.on_static_transform('panda_link7', SPEC.tool_frame, pose(99))
    for camera in SPEC.cameras:
        assembler.on_image(camera, stamp_ns, image(seed))


def fed(stamp_ns: int = NOW) -> ObservationAssembler:
    assembler = ObservationAssembler(SPEC, 'e0')
    feed(assembler, stamp_ns)
    return assembler


def test_equal_stamps_give_the_values_bit_by_bit() -> None:
    assembler = ObservationAssembler(SPEC, 'e0')
    for step in range(3):
        feed(assembler, NOW + step * 8 * MS, step)
    observation = assembler.assemble(NOW + 8 * MS)
    rng = np.random.default_rng(1)
    np.testing.assert_array_equal(observation.joint_position, rng.normal(size=7))
    np.testing.assert_array_equal(observation.joint_velocity, rng.normal(size=9)[:7])
    np.testing.assert_array_equal(observation.tool_pose, compose_chain([pose(1), pose(99)]))
    np.testing.assert_array_equal(observation.images['wrist'], image(1))
    assert observation.gripper == (0.01 + 0.03) / 0.08
    assert observation.stamp_ns == NOW + 8 * MS
    assert observation.episode_id == 'e0'
    felt = {'tactile', 'wrench'}  # nobody asked to feel
    assert observation.age_s == dict.fromkeys(SPEC.streams.keys() - felt, 0.0)


def test_joints_are_mapped_by_name() -> None:
    assembler = fed()
    order = np.random.default_rng(5).permutation(9)
    position = np.array([*range(7), 0.0, 0.04])
    velocity = np.array([*range(10, 17), 0.0, 0.0])
    assembler.on_joint_state(
        NOW, [NAMES[i] for i in order], position[order], velocity[order])
    observation = assembler.assemble(NOW)
    np.testing.assert_array_equal(observation.joint_position, range(7))
    np.testing.assert_array_equal(observation.joint_velocity, range(10, 17))
    assert observation.gripper == 0.5


def test_arm_and_gripper_may_come_apart() -> None:
    assembler = fed()
    stamp = NOW + MS
    assembler.on_joint_state(stamp, NAMES[:7], np.ones(7), np.zeros(7))
    assert assembler.waiting_for(stamp) == ('static', 'wrist', 'gripper', 'tf')
    assembler.on_joint_state(stamp, NAMES[7:], [0.04, 0.04], [])
    assert assembler.waiting_for(stamp) == ('static', 'wrist', 'tf')


def test_between_joint_states_positions_are_interpolated() -> None:
    assembler = fed()
    for stamp, value in ((NOW + 10 * MS, 1.0), (NOW + 20 * MS, 2.0)):
        assembler.on_joint_state(stamp, NAMES, np.full(9, value), np.full(9, value))
    observation = assembler.assemble(NOW + 15 * MS)
    np.testing.assert_allclose(observation.joint_position, 1.5)
    assert observation.age_s['joint_states'] == 0.005


def test_a_little_lag_of_tf_is_reported_as_age() -> None:
    observation = fed().assemble(NOW + 20 * MS)
    np.testing.assert_array_equal(observation.tool_pose, compose_chain([pose(0), pose(99)]))
    assert observation.age_s['tf'] == 0.02


@pytest.mark.parametrize('silent', ['static', 'wrist', 'joint_states', 'tf'])
def test_a_dead_stream_is_named(silent: str) -> None:
    assembler, later = fed(), NOW + 500 * MS
    for camera in set(SPEC.cameras) - {silent}:
        assembler.on_image(camera, later, image(1))
    if silent != 'joint_states':
        assembler.on_joint_state(later, NAMES, np.zeros(9), np.zeros(9))
    if silent != 'tf':
        assembler.on_transform(SPEC.base_frame, 'panda_link7', later, pose(1))
    with pytest.raises(StaleStreamError, match=f"'{silent}' is stale: got age 0.500 s") as info:
        assembler.assemble(later)
    assert info.value.stream == silent


def test_nothing_yet_is_missing_and_never_made_up() -> None:
    assembler = ObservationAssembler(SPEC)
    assert assembler.newest_ns() is None
    assert set(assembler.ages_s(NOW).values()) == {np.inf}
    assert assembler.waiting_for(NOW) == ('static', 'wrist', 'joint_states', 'gripper', 'tf')
    with pytest.raises(MissingStreamError, match="'static' is missing"):
        assembler.assemble(NOW)


def test_a_broken_chain_of_transforms_is_a_missing_stream() -> None:
    assembler = fed()
    assembler.frames.clear()
    with pytest.raises(MissingStreamError, match="'tf' is missing: unknown frame 'panda_link0'"):
        assembler.assemble(NOW)
    assembler.on_transform('map', SPEC.base_frame, NOW, pose(0))
    with pytest.raises(MissingStreamError, match='not connected'):
        assembler.assemble(NOW)
    assert assembler.ages_s(NOW)['tf'] == np.inf


def test_frames_from_the_future_are_refused() -> None:
    assembler = fed()
    with pytest.raises(InvalidDataError, match='0.100 s in the future, allowed 0.050'):
        assembler.on_image('static', NOW + 100 * MS, image(1), now_ns=NOW)
    with pytest.raises(InvalidDataError, match='future'):
        assembler.on_joint_state(NOW + 100 * MS, NAMES, np.zeros(9), np.zeros(9), now_ns=NOW)


@pytest.mark.parametrize('bad', [
    np.zeros((96, 96), np.uint8), np.zeros((48, 96, 3), np.uint8), np.zeros((96, 96, 3))])
def test_another_image_than_the_spec_says_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(InvalidDataError, match="'static'.*96, 96, 3"):
        fed().on_image('static', NOW + MS, bad)


def test_an_unknown_camera_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match='static, wrist'):
        fed().on_image('front', NOW, image(0))


@pytest.mark.parametrize(('names', 'position', 'velocity'), [
    (NAMES[:3], np.zeros(3), np.zeros(3)),
    (('door',), np.zeros(1), np.zeros(1)),
    (NAMES, np.zeros(8), np.zeros(9)),
    (NAMES, np.full(9, np.nan), np.zeros(9)),
    (NAMES, np.zeros(9), np.zeros(0)),
    (NAMES, np.zeros(9), np.full(9, np.inf)),
])
def test_half_a_joint_state_is_refused(
    names: tuple[str, ...], position: np.ndarray, velocity: np.ndarray
) -> None:
    with pytest.raises(VlaError, match='joint_states'):
        fed().on_joint_state(NOW + MS, names, position, velocity)


def test_a_second_word_on_the_same_instant_counts() -> None:
    assembler = fed()
    assembler.on_image('static', NOW, image(9))
    assert assembler.assemble(NOW).images['static'][0, 0, 0] == 9


def test_a_late_frame_is_refused_but_a_clock_set_back_begins_anew() -> None:
    assembler = fed()
    with pytest.raises(InvalidDataError, match='strictly increasing'):
        assembler.on_image('static', NOW - 10 * MS, image(1))
    feed(assembler, 0, 4)
    assembler.on_episode('e1')
    observation = assembler.assemble(0)
    assert observation.episode_id == 'e1'
    assert observation.images['static'][0, 0, 0] == 4
    assert assembler.newest_ns() == 0
    assert set(assembler.ages_s(5 * MS).values()) == {0.005}
