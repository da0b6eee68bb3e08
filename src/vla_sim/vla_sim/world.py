"""The physics of one table: built afresh for every episode, so history leaves no trace."""

import numpy as np
from vla_core.spec import RobotSpec
from vla_sim import scene
from vla_sim.engine import pybullet
from vla_sim.robot import Arm
from vla_sim.scene import Layout

PHYSICS_HZ = 240


class World:
    """One PyBullet client with the table, its furniture and the arm."""

    def __init__(self, spec: RobotSpec, gui: bool = False) -> None:
        self._spec = spec
        self.client = pybullet.connect(pybullet.GUI if gui else pybullet.DIRECT)
        self.steps = 0  # physics steps since construction; the clock never goes back

    def close(self) -> None:
        """Disconnect from PyBullet."""
        pybullet.disconnect(self.client)

    @property
    def now_ns(self) -> int:
        """Return simulated time [ns]."""
        return self.steps * 1_000_000_000 // PHYSICS_HZ

    def build(self, layout: Layout, joints: np.ndarray, opening: float) -> None:
        """Set the table for `layout` with the arm at `joints` (J,) [rad]."""
        client = self.client
        pybullet.resetSimulation(physicsClientId=client)
        # Without it the order of contacts depends on history (seen: 0.88 in state).
        pybullet.setPhysicsEngineParameter(
            deterministicOverlappingPairs=1, fixedTimeStep=1.0 / PHYSICS_HZ,
            physicsClientId=client)
        pybullet.setGravity(0, 0, -9.81, physicsClientId=client)
        pybullet.configureDebugVisualizer(
            pybullet.COV_ENABLE_GUI, 0, physicsClientId=client)
        scene.build_table(client)
        self.arm = Arm(client, self._spec)
        self.blocks = {
            name: scene.build_block(client, name, pose) for name, pose in layout.blocks.items()}
        self.bowl = scene.build_bowl(client, layout.bowl)
        self.cabinet = scene.build_cabinet(client, layout.cabinet)
        self.button = scene.build_button(client, layout.button)
        self._fit_fixtures(layout)
        self.arm.teleport(joints, opening)

    def step(self, position: np.ndarray, velocity: np.ndarray) -> None:
        """Advance one physics step towards motor targets (J,) [rad], (J,) [rad/s]."""
        self.arm.drive(position, velocity)
        pybullet.stepSimulation(physicsClientId=self.client)
        self.steps += 1

    def drawer(self) -> float:
        """Return the drawer's opening [m]."""
        return pybullet.getJointState(self.cabinet, 0, physicsClientId=self.client)[0]

    def pressed(self) -> float:
        """Return how far the button is pressed, 0..1."""
        travel = pybullet.getJointState(self.button, 0, physicsClientId=self.client)[0]
        return float(np.clip(travel / scene.BUTTON_TRAVEL, 0.0, 1.0))

    def objects(self) -> dict[str, np.ndarray]:
        """Return the (7,) pose of everything that can be named in a sentence."""
        poses = {name: self._pose(body) for name, body in self.blocks.items()}
        poses['bowl'] = self._pose(self.bowl)
        poses['button'] = self._offset(self.button, (0.0, 0.0, scene.BUTTON_TOP))
        poses['drawer_handle'] = self._offset(
            self.cabinet, (-scene.HANDLE_REACH - self.drawer(), 0.0, scene.HANDLE_HEIGHT))
        return poses

    def _pose(self, body: int) -> np.ndarray:
        position, turn = pybullet.getBasePositionAndOrientation(body, physicsClientId=self.client)
        return np.array([*position, *turn])

    def _offset(self, body: int, offset: tuple) -> np.ndarray:
        pose = self._pose(body)
        pose[:3] += offset  # fixtures are never turned
        return pose

    def _fit_fixtures(self, layout: Layout) -> None:
        """Limit, damp and place the sliding parts."""
        client = self.client
        sliding = ((self.cabinet, scene.DRAWER_TRAVEL), (self.button, scene.BUTTON_TRAVEL))
        for body, travel in sliding:
            pybullet.changeDynamics(
                body, 0, jointLowerLimit=0.0, jointUpperLimit=travel, linearDamping=0.0,
                physicsClientId=client)
        pybullet.setJointMotorControl2(
            self.cabinet, 0, pybullet.VELOCITY_CONTROL, targetVelocity=0.0, force=2.0,
            physicsClientId=client)
        pybullet.setJointMotorControl2(  # the button's spring
            self.button, 0, pybullet.POSITION_CONTROL, targetPosition=0.0, force=4.0,
            physicsClientId=client)
        pybullet.resetJointState(self.cabinet, 0, layout.drawer, 0.0, physicsClientId=client)
        pybullet.setCollisionFilterPair(
            self.cabinet, self.cabinet, -1, 0, 0, physicsClientId=client)
        pybullet.setCollisionFilterPair(self.button, self.button, -1, 0, 0, physicsClientId=client)
