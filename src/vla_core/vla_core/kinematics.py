"""Kinematics of the spec's URDF on Pinocchio: poses, Jacobian, differential inverse."""

import numpy as np
import pinocchio as pin
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.geometry import delta_between
from vla_core.spec import RobotSpec

DAMPING = 1e-4  # lambda^2 of the damped least squares; 1 % of a singular value of 0.1
HOME_GAIN = 0.01  # share of the way home the null space goes in one step
SOFT_MARGIN = 0.03  # [rad] room between the joint limits and the targets of the inverse
MAX_TRANSLATION = 0.05  # [m] a single step of the inverse aims at most this far
MAX_ROTATION = 0.2  # [rad]


class Kinematics:
    """Forward and differential inverse kinematics from the base to the tool frame.

    Joint vectors are (J,) float64 [rad] in the order of `spec.joints.names`; poses (7,) xyz [m]
    and quaternion xyzw in the base frame. Joints of the URDF outside the spec (fingers) are
    held at zero, or where `link_poses` is told they are.
    """

    def __init__(self, spec: RobotSpec) -> None:
        try:
            self._model = pin.buildModelFromUrdf(str(spec.urdf))
        except (ValueError, RuntimeError) as error:
            raise InvalidDataError(f'{spec.urdf}: not a readable URDF: {error}') from error
        self._data = self._model.createData()
        self._columns = np.array([self._column(name) for name in spec.joints.names])
        self._gripper = [self._column(name) for name in spec.gripper.joints]
        self._base = self._frame(spec.base_frame)
        self._tool = self._frame(spec.tool_frame)
        self._full = pin.neutral(self._model)
        pin.framesForwardKinematics(self._model, self._data, self._full)
        self._base_inverse = self._data.oMf[self._base].inverse()
        self._home = spec.joints.home
        self.lower = spec.joints.lower + SOFT_MARGIN  # (J,) [rad] where the inverse stays within
        self.upper = spec.joints.upper - SOFT_MARGIN
        self._links = self._find_links()
        self._damping = DAMPING * np.eye(6)

    def forward(self, q: np.ndarray) -> np.ndarray:
        """Return the tool's pose (7,) at the joints `q` (J,)."""
        self._full[self._columns] = q
        pin.forwardKinematics(self._model, self._data, self._full)
        return self._pose(pin.updateFramePlacement(self._model, self._data, self._tool))

    def jacobian(self, q: np.ndarray) -> np.ndarray:
        """Return (6, J): tool velocity [m/s, rad/s] in base axes per joint velocity."""
        self._full[self._columns] = q
        jacobian = pin.computeFrameJacobian(
            self._model, self._data, self._full, self._tool, pin.LOCAL_WORLD_ALIGNED)
        return jacobian[:, self._columns]

    def ik_step(
        self, q: np.ndarray, target: np.ndarray, max_step: np.ndarray | float = np.inf
    ) -> np.ndarray:
        """Return joints (J,) one damped least-squares step nearer to the pose `target` (7,).

        Stays within the soft joint limits, moves no joint further than `max_step` [rad] and
        keeps the direction when that binds; redundancy drifts home. (Nakamura & Hanafusa 1986)
        """
        jacobian = self.jacobian(q)
        error = self._error(target)
        free = np.ones(len(q))
        for _ in range(2):  # a second time without the joints the first drove into a limit
            step = self._least_squares(jacobian * free, error, (self._home - q) * free)
            step *= min(1.0, float(np.min(max_step / np.maximum(np.abs(step), 1e-12))))
            reached = np.clip(q + step, self.lower, self.upper)
            blocked = reached != q + step
            if not blocked.any():
                break
            free = free * ~blocked
        return reached

    def solve(self, q: np.ndarray, target: np.ndarray, iterations: int = 100) -> np.ndarray:
        """Return joints (J,) from `q` on whose tool is nearest to `target` (7,)."""
        for _ in range(iterations):
            q = self.ik_step(q, target)
        return q

    def link_poses(self, q: np.ndarray, finger_m: float = 0.0) -> dict[str, np.ndarray]:
        """Return the pose (7,) of every link in the base frame; fingers opened by `finger_m`."""
        self._place(q, finger_m)
        return {child: self._pose(self._data.oMf[frame]) for _, child, _, frame, _ in self._links}

    def chain(self, q: np.ndarray, finger_m: float = 0.0) -> list[tuple[str, str, np.ndarray]]:
        """Return (parent, child, pose (7,) of the child in the parent) of every link, for /tf."""
        self._place(q, finger_m)
        return [self._relative(*link[:4]) for link in self._links]

    def fixed_chain(self) -> list[tuple[str, str, np.ndarray]]:
        """Return those entries of `chain` that no joint moves, for /tf_static."""
        self._place(self._home, 0.0)
        return [self._relative(*link[:4]) for link in self._links if not link[4]]

    def _relative(
        self, parent: str, child: str, parent_frame: int, child_frame: int
    ) -> tuple[str, str, np.ndarray]:
        placement = self._data.oMf[parent_frame].actInv(self._data.oMf[child_frame])
        return parent, child, pin.SE3ToXYZQUAT(placement)

    def _place(self, q: np.ndarray, finger_m: float) -> None:
        self._full[self._columns] = q
        self._full[self._gripper] = finger_m
        pin.framesForwardKinematics(self._model, self._data, self._full)

    def _find_links(self) -> list[tuple[str, str, int, int, bool]]:
        """Return parent and child link, their frames, and whether a joint moves the child."""
        links = []
        for index, frame in enumerate(self._model.frames):
            if frame.type != pin.FrameType.BODY or index == self._base:
                continue
            joint = self._model.frames[frame.parentFrame]
            parent = joint.parentFrame
            moves = joint.type == pin.FrameType.JOINT
            links.append((self._model.frames[parent].name, frame.name, parent, index, moves))
        return links

    def _pose(self, placement: pin.SE3) -> np.ndarray:
        return pin.SE3ToXYZQUAT(self._base_inverse * placement)

    def _error(self, target: np.ndarray) -> np.ndarray:
        """Return the pose error (6,) in base axes, cut to where a linear step still holds."""
        placement = pin.updateFramePlacement(self._model, self._data, self._tool)
        error = delta_between(self._pose(placement), target)
        distance, turn = np.linalg.norm(error[:3]), np.linalg.norm(error[3:])
        error[:3] *= min(1.0, MAX_TRANSLATION / max(distance, 1e-12))
        error[3:] *= min(1.0, MAX_ROTATION / max(turn, 1e-12))
        return error

    def _column(self, joint: str) -> int:
        if not self._model.existJointName(joint):
            raise UnknownNameError('joint of the robot spec', joint, list(self._model.names)[1:])
        return self._model.joints[self._model.getJointId(joint)].idx_q

    def _frame(self, name: str) -> int:
        if not self._model.existFrame(name):
            raise UnknownNameError('frame', name, [frame.name for frame in self._model.frames])
        return self._model.getFrameId(name)

    def _least_squares(
        self, jacobian: np.ndarray, error: np.ndarray, homeward: np.ndarray
    ) -> np.ndarray:
        task = jacobian @ homeward * HOME_GAIN
        lagrange = np.linalg.solve(jacobian @ jacobian.T + self._damping, error - task)
        return homeward * HOME_GAIN + jacobian.T @ lagrange
