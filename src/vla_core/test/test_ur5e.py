"""Laws of the UR5e: its kinematics are the public ones, its tool is held like the Panda's."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pinocchio as pin
import pytest
from vla_core.geometry import compose, inverse, pose_distance, quat_to_matrix
from vla_core.kinematics import Kinematics
from vla_core.spec import load_robot, robot_names

SPEC = load_robot('ur5e')
KINEMATICS = Kinematics(SPEC)
LIMITS = SPEC.joints
# Universal Robots, DH parameters of the UR5e: a [m], d [m], alpha [rad], one row a joint.
DH = ((0.0, 0.1625, np.pi / 2), (-0.425, 0.0, 0.0), (-0.3922, 0.0, 0.0),
      (0.0, 0.1333, np.pi / 2), (0.0, 0.0997, -np.pi / 2), (0.0, 0.0996, 0.0))
HALF_A_TURN = np.diag([-1.0, -1.0, 1.0, 1.0])  # from base_link to the DH table's base
CORNERS = [(0.46, -0.35, 0.16), (0.58, 0.33, 0.16), (0.73, -0.22, 0.30), (0.76, 0.22, 0.15),
           (0.28, 0.0, 0.05), (0.44, -0.15, 0.30)]  # [m] of the tables' working room


def denavit_hartenberg(q: np.ndarray) -> np.ndarray:
    """Return the (4, 4) pose of tool0 in base_link, link by link from the DH table."""
    pose = HALF_A_TURN
    for angle, (a, d, alpha) in zip(q, DH, strict=True):
        c, s, ca, sa = np.cos(angle), np.sin(angle), np.cos(alpha), np.sin(alpha)
        pose = pose @ np.array([
            [c, -s * ca, s * sa, a * c], [s, c * ca, -c * sa, a * s],
            [0.0, sa, ca, d], [0.0, 0.0, 0.0, 1.0]])
    return pose


def downward(yaw: float) -> list[float]:
    """Return the quaternion xyzw that points down, turned by `yaw` [rad] about base z."""
    return [np.cos(yaw / 2), np.sin(yaw / 2), 0.0, 0.0]


def in_tool(robot: str, link: str, finger_m: float = 0.0) -> np.ndarray:
    """Return the pose (7,) of a link in the tool frame of a robot."""
    spec = load_robot(robot)
    poses = Kinematics(spec).link_poses(spec.joints.home, finger_m)
    return compose(inverse(poses[spec.tool_frame]), poses[link])


@pytest.mark.parametrize('seed', range(20))
def test_tool0_is_where_the_dh_table_puts_it(seed: int) -> None:
    q = np.random.default_rng(seed).uniform(LIMITS.lower, LIMITS.upper)
    expected, tool0 = denavit_hartenberg(q), KINEMATICS.link_poses(q)['tool0']
    assert np.abs(tool0[:3] - expected[:3, 3]).max() < 1e-9
    assert np.abs(quat_to_matrix(tool0[3:]) - expected[:3, :3]).max() < 1e-9


def test_the_spec_asks_no_more_than_the_urdf_allows() -> None:
    joints = {joint.get('name'): joint.find('limit')
              for joint in ElementTree.parse(SPEC.urdf).getroot().iter('joint')}
    for index, name in enumerate(LIMITS.names):
        urdf = {key: float(value) for key, value in joints[name].items()}
        assert urdf['lower'] <= LIMITS.lower[index] < LIMITS.upper[index] <= urdf['upper']
        assert LIMITS.velocity[index] <= urdf['velocity'] == np.pi
        assert urdf['effort'] == (150.0 if index < 3 else 28.0)  # [Nm] Universal Robots


@pytest.mark.parametrize('corner', CORNERS)
def test_the_motors_can_give_the_acceleration_that_the_spec_allows(
    corner: tuple[float, float, float]
) -> None:
    model = pin.buildModelFromUrdf(str(SPEC.urdf))
    data, rng = model.createData(), np.random.default_rng(0)
    q = KINEMATICS.solve(LIMITS.home, np.array([*corner, *downward(0.0)]), 60)
    for push in rng.normal(size=(50, 3)):  # of the tool, in any direction
        gain = np.linalg.solve(KINEMATICS.jacobian(q), [*push, 0.0, 0.0, 0.0])
        gain *= (LIMITS.acceleration / np.abs(gain)).min()
        torque = pin.rnea(model, data, np.append(q, (0.02, 0.02)), np.zeros(8),
                          np.append(gain, (0.0, 0.0)))
        assert (np.abs(torque[:6]) < 0.7 * model.effortLimit[:6]).all()


def test_home_holds_the_tool_above_the_table_pointing_down() -> None:
    home = np.array([0.45, 0.0, 0.30, *downward(0.0)])
    assert max(pose_distance(KINEMATICS.forward(LIMITS.home), home)) < 1e-4
    elbow = KINEMATICS.link_poses(LIMITS.home)['forearm_link']
    assert elbow[2] > 0.5  # elbow up, clear of the table


@pytest.mark.parametrize('corner', CORNERS)
def test_the_table_is_reached_at_every_yaw_far_from_limits_and_singularities(
    corner: tuple[float, float, float]
) -> None:
    for side in (-1.0, 1.0):
        q = LIMITS.home
        for yaw in np.linspace(0.0, side * np.pi, 7):
            target = np.array([*corner, *downward(yaw)])
            q = KINEMATICS.solve(q, target, 60)
            assert max(pose_distance(KINEMATICS.forward(q), target)) < 1e-4
            assert min((q - LIMITS.lower).min(), (LIMITS.upper - q).min()) > 0.4
            assert np.linalg.svd(KINEMATICS.jacobian(q))[1][-1] > 0.08
            assert q[2] > 0.0 > q[4]  # neither elbow nor wrist flips over


@pytest.mark.parametrize('robot', robot_names())
def test_fingers_open_along_the_tools_y_by_the_spec(robot: str) -> None:
    gripper = load_robot(robot).gripper
    names = [link.get('link') for joint in ElementTree.parse(load_robot(robot).urdf).iter('joint')
             if joint.get('name') in gripper.joints for link in joint.iter('child')]
    left, right = (in_tool(robot, name, gripper.finger_travel_m)[:3] for name in names)
    assert np.allclose(left - right, (0.0, gripper.open_m, 0.0), atol=1e-9)
    assert np.allclose(left + right, (0.0, 0.0, 2 * left[2]), atol=1e-9) and left[2] < 0.0


def test_the_wrist_camera_sees_what_the_pandas_sees() -> None:
    ours, theirs = (in_tool(robot, 'wrist_camera_optical') for robot in ('ur5e', 'panda'))
    assert max(pose_distance(ours, theirs)) < 1e-6
