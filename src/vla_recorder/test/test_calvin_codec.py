"""Laws of CALVIN's vectors: there and back, and CALVIN's conventions."""

from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_calvin import relative_action, REST
import numpy as np
from scipy.spatial.transform import Rotation
from vla_core.episode import GRIPPER, JOINT_POSITION, TOOL_POSE
from vla_core.geometry import pose_distance
from vla_core.kinematics import Kinematics
from vla_core.spec import load_robot
from vla_recorder.calvin.layout import BLOCKS
from vla_recorder.calvin.vectors import (
    accumulate,
    action_decode,
    action_encode,
    grip_decode,
    grip_encode,
    Placement,
    pose_decode,
    pose_encode,
    relative,
    robot_decode,
    robot_encode,
    scene_decode,
    scene_encode,
)

PLACE = Placement()
metres = st.floats(-1.0, 1.0)
angles = st.floats(-np.pi, np.pi)
pitches = st.floats(-np.pi / 2 + 1e-3, np.pi / 2 - 1e-3)
sixes = st.tuples(metres, metres, metres, angles, pitches, angles).map(np.array)
deltas = st.lists(st.tuples(*[st.floats(-0.05, 0.05)] * 6, st.sampled_from([0.0, 1.0])),
                  min_size=1, max_size=5).map(np.array)


def same_rotation(a: np.ndarray, b: np.ndarray) -> bool:
    return np.allclose(Rotation.from_euler('xyz', a).as_matrix(),
                       Rotation.from_euler('xyz', b).as_matrix(), atol=1e-9)


@given(six=sixes)
@settings(deadline=None, max_examples=50)
def test_euler_angles_are_about_fixed_axes_x_y_z(six: np.ndarray) -> None:
    pose = pose_decode(six)
    np.testing.assert_allclose(
        Rotation.from_quat(pose[3:]).as_matrix(),
        Rotation.from_euler('xyz', six[3:]).as_matrix(), atol=1e-12)
    again = pose_encode(pose)
    np.testing.assert_allclose(again[:3], six[:3])
    assert same_rotation(again[3:], six[3:])


@given(six=sixes, base=sixes, tool=sixes)
@settings(deadline=None, max_examples=50)
def test_world_and_base_are_inverse_for_any_placement(
    six: np.ndarray, base: np.ndarray, tool: np.ndarray
) -> None:
    place = Placement(pose_decode(base), pose_decode(tool))
    pose = pose_decode(six)
    distance, angle = pose_distance(place.to_base(place.to_world(pose)), pose)
    assert distance < 1e-12
    assert angle < 1e-7


def test_our_panda_stands_where_calvins_joints_put_its_tcp() -> None:
    decoded = robot_decode(PLACE, REST[None])
    tool = Kinematics(load_robot('panda')).forward(decoded[JOINT_POSITION][0])
    distance, angle = pose_distance(tool, decoded[TOOL_POSE][0])
    assert distance < 1e-5
    assert angle < 1e-5
    np.testing.assert_allclose(decoded[GRIPPER], [1.0], atol=1e-4)


@given(six=sixes, width=st.floats(0.0, 0.08))
@settings(deadline=None, max_examples=30)
def test_robot_obs_survives(six: np.ndarray, width: float) -> None:
    row = np.array([*six, width, *REST[7:14], -1.0])[None]
    back = robot_decode(PLACE, row)
    again = robot_encode(PLACE, back[TOOL_POSE], back[GRIPPER], back[JOINT_POSITION], row[:, 14])
    np.testing.assert_allclose(np.delete(again, [3, 4, 5], 1), np.delete(row, [3, 4, 5], 1),
                               atol=1e-12)
    assert same_rotation(again[0, 3:6], six[3:])


@given(blocks=st.tuples(sixes, sixes, sixes), scene=st.sampled_from(sorted(BLOCKS)))
@settings(deadline=None, max_examples=30)
def test_scene_obs_survives_in_every_scene(blocks: tuple[np.ndarray, ...], scene: str) -> None:
    row = np.concatenate([[0.28, 0.11, 0.02, 0.044, 1.0, 0.0], *blocks])[None]
    streams = scene_decode(PLACE, row, scene)
    again = scene_encode(PLACE, streams, scene)
    np.testing.assert_allclose(again[:, :6], row[:, :6])
    for k in range(3):
        part = slice(6 + 6 * k, 12 + 6 * k)
        np.testing.assert_allclose(again[0, part][:3], row[0, part][:3], atol=1e-12)
        assert same_rotation(again[0, part][3:], row[0, part][3:])
    names = ('door', 'drawer', 'button', 'switch', 'bulb', 'led')
    joints = [streams[f'sim/joints/{name}'][0] for name in names]
    np.testing.assert_allclose(joints, [0.28, 0.11, 1.0, 0.5, 1.0, 0.0])


def test_each_scene_lists_its_blocks_in_its_own_order() -> None:
    row = np.arange(24.0)[None]
    first = {scene: scene_decode(PLACE, row, scene) for scene in BLOCKS}
    np.testing.assert_array_equal(
        first['calvin_scene_A']['sim/objects/pink_block'],
        first['calvin_scene_D']['sim/objects/red_block'])
    np.testing.assert_array_equal(
        first['calvin_scene_C']['sim/objects/red_block'],
        first['calvin_scene_D']['sim/objects/blue_block'])


@given(start=sixes, rows=deltas)
@settings(deadline=None, max_examples=30)
def test_actions_survive_as_absolute_targets(start: np.ndarray, rows: np.ndarray) -> None:
    poses = accumulate(PLACE.to_base(pose_decode(start)), rows)
    actions = action_encode(PLACE, poses[1:], rows[:, 6])
    np.testing.assert_allclose(action_decode(PLACE, actions, poses), rows, atol=1e-6)
    np.testing.assert_allclose(
        action_decode(PLACE, actions, poses[1:], poses[:-1]), rows, atol=1e-6)


@given(command=st.lists(st.sampled_from([-1.0, 1.0]), min_size=1))
def test_gripper_commands_survive(command: list[float]) -> None:
    assert grip_encode(grip_decode(command)).tolist() == command


@given(action=sixes, robot=sixes)
@settings(deadline=None, max_examples=50)
def test_relative_actions_are_calvins(action: np.ndarray, robot: np.ndarray) -> None:
    row, obs = np.append(action, 1.0), np.append(robot, REST[6:])
    np.testing.assert_allclose(
        relative(row[None], robot[None])[0], relative_action(row, obs), atol=1e-9)


@given(move=st.tuples(*[st.floats(-0.02, 0.02)] * 3),
       turn=st.tuples(*[st.floats(-0.05, 0.05)] * 3))
@settings(deadline=None, max_examples=30)
def test_relative_actions_lose_nothing_within_two_centimetres(
    move: tuple[float, ...], turn: tuple[float, ...]
) -> None:
    row = np.array([*(REST[:3] + move), *(REST[3:6] + turn), 1.0])
    back = relative(row[None], REST[None, :6])[0, :6] / (50, 50, 50, 20, 20, 20)
    np.testing.assert_allclose(back, [*move, *turn], atol=1e-12)
