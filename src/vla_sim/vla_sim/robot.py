"""The arm and gripper inside PyBullet, driven like a position-controlled arm."""

import numpy as np
from vla_core.spec import RobotSpec
from vla_sim.engine import pybullet

_EFFORT, _SPEED = 10, 11  # indices of the URDF's limits in PyBullet's joint info
_FINGER_SPEED = 0.15  # [m/s] a finger; less where the URDF says less


class Arm:
    """A robot of the spec, fixed to the base frame of one physics client."""

    def __init__(self, client: int, spec: RobotSpec) -> None:
        self._client = client
        self._spec = spec
        self.body = pybullet.loadURDF(
            str(spec.urdf), useFixedBase=True, physicsClientId=client,
            flags=pybullet.URDF_USE_INERTIA_FROM_FILE)
        self._joints, self._links = self._indices()
        self._arm = [self._joints[name] for name in spec.joints.names]
        self._fingers = [self._joints[name] for name in spec.gripper.joints]
        self._effort = [self._limit(joint, _EFFORT) for joint in self._arm]  # [Nm]
        self._finger_speed = min(_FINGER_SPEED, self._limit(self._fingers[0], _SPEED))  # [m/s]
        self.gripper_goal = 1.0
        self._soft_contact()

    def teleport(self, position: np.ndarray, opening: float) -> None:
        """Put the joints (J,) [rad] and fingers (0..1) there at once, at rest."""
        for joint, value in zip(self._arm, position, strict=True):
            pybullet.resetJointState(
                self.body, joint, float(value), 0.0, physicsClientId=self._client)
        for finger in self._fingers:
            pybullet.resetJointState(
                self.body, finger, opening * self._spec.gripper.finger_travel_m, 0.0,
                physicsClientId=self._client)
        self.set_gripper(opening)

    def set_gripper(self, opening: float) -> None:
        """Let the fingers move to an opening, 0 closed .. 1 open."""
        self.gripper_goal = float(opening)

    def drive(self, position: np.ndarray, velocity: np.ndarray) -> None:
        """Set the motors' targets for the next physics step: (J,) [rad], (J,) [rad/s]."""
        count = len(self._arm)
        pybullet.setJointMotorControlArray(
            self.body, self._arm, pybullet.POSITION_CONTROL,
            targetPositions=position.tolist(), targetVelocities=velocity.tolist(),
            forces=self._effort, positionGains=[0.8] * count,
            velocityGains=[1.0] * count, physicsClientId=self._client)
        travel = self.gripper_goal * self._spec.gripper.finger_travel_m
        for finger in self._fingers:
            pybullet.setJointMotorControl2(
                self.body, finger, pybullet.POSITION_CONTROL, targetPosition=travel,
                force=self._spec.gripper.force_n, maxVelocity=self._finger_speed, positionGain=0.3,
                physicsClientId=self._client)

    def joint_state(self) -> tuple[np.ndarray, np.ndarray]:
        """Return measured arm position (J,) [rad] and velocity (J,) [rad/s]."""
        return self._read(self._arm)

    def finger_state(self) -> tuple[np.ndarray, np.ndarray]:
        """Return finger positions (2,) [m] and velocities (2,) [m/s]."""
        return self._read(self._fingers)

    def opening(self) -> float:
        """Return the measured opening of the gripper, 0 closed .. 1 open."""
        return float(self.finger_state()[0].sum()) / self._spec.gripper.open_m

    def link_pose(self, link: str) -> np.ndarray:
        """Return the fresh (7,) pose of a link's frame in the base frame."""
        state = pybullet.getLinkState(
            self.body, self._links[link], computeForwardKinematics=1,
            physicsClientId=self._client)
        return np.array([*state[4], *state[5]])

    @property
    def links(self) -> int:
        """Number of links beside the base."""
        return pybullet.getNumJoints(self.body, physicsClientId=self._client)

    def is_finger(self, link: int) -> bool:
        """Say whether a link index of the body is one of the fingers."""
        return link in self._fingers

    def _limit(self, joint: int, index: int) -> float:
        return pybullet.getJointInfo(self.body, joint, physicsClientId=self._client)[index]

    def _read(self, joints: list[int]) -> tuple[np.ndarray, np.ndarray]:
        states = pybullet.getJointStates(self.body, joints, physicsClientId=self._client)
        return np.array([s[0] for s in states]), np.array([s[1] for s in states])

    def _indices(self) -> tuple[dict[str, int], dict[str, int]]:
        joints, links = {}, {}
        for index in range(pybullet.getNumJoints(self.body, physicsClientId=self._client)):
            info = pybullet.getJointInfo(self.body, index, physicsClientId=self._client)
            joints[info[1].decode()] = index
            links[info[12].decode()] = index
        return joints, links

    def _soft_contact(self) -> None:
        """Give the finger pads rubber's friction and keep both fingers symmetric."""
        for finger in self._fingers:
            pybullet.changeDynamics(
                self.body, finger, lateralFriction=1.5, spinningFriction=0.05,
                physicsClientId=self._client)
        gear = pybullet.createConstraint(
            self.body, self._fingers[0], self.body, self._fingers[1], pybullet.JOINT_GEAR,
            (1, 0, 0), (0, 0, 0), (0, 0, 0), physicsClientId=self._client)
        pybullet.changeConstraint(
            gear, gearRatio=-1, erp=0.2, maxForce=100, physicsClientId=self._client)
