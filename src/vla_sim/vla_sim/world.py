"""The physics of one table: built afresh for every episode, so history leaves no trace."""

from dataclasses import dataclass

import numpy as np
from vla_core.spec import RobotSpec
from vla_sim.clutter import add_clutter
from vla_sim.engine import pybullet
from vla_sim.gel.fingertips import Fingertips
from vla_sim.gel.touch import Press
from vla_sim.robot import Arm
from vla_sim.scenes.scene import Layout, Scene
from vla_sim.textures import paint
from vla_sim.variation import Variation

PHYSICS_HZ = 240
_GRIP_SLACK = 0.004  # [m] by which fingers start wider than what they are about to hold
_TOUCH = 0.001  # [m] nearer than this is touching: the engine reports near misses too


@dataclass(frozen=True)
class Contact:
    """What one free object touches."""

    finger_n: float  # normal force from the fingers [N]
    touching: tuple[str, ...]  # sorted names: 'robot', objects, furniture


class World:
    """One PyBullet client with a scene's stage and the arm."""

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

    def build(
        self, scene: Scene, layout: Layout, variation: Variation, joints: np.ndarray
    ) -> None:
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
        self.arm = Arm(client, self._spec)
        self.stage = scene.build(client, layout, variation)
        opening = 1.0
        if layout.held:
            width = self.stage.grip_width(layout.held) + _GRIP_SLACK
            opening = min(1.0, width / self._spec.gripper.open_m)
        self.arm.teleport(joints, opening)
        if layout.held:
            self.arm.set_gripper(0.0)
        self._fingertips = Fingertips(
            client, self.arm.body, self._spec, self.stage.skins) if scene.touch else None
        self._names = {(body, -1): name for name, body in self.stage.bodies.items()}
        self._names |= self.stage.surfaces
        self.clutter = add_clutter(client, self.stage.places, variation.distractors)
        self._names |= {(body, -1): 'clutter' for body in self.clutter}
        paint(client, self.stage.painted, variation.textures)

    def step(self, position: np.ndarray, velocity: np.ndarray) -> None:
        """Advance one physics step towards motor targets (J,) [rad], (J,) [rad/s]."""
        self.arm.drive(position, velocity)
        pybullet.stepSimulation(physicsClientId=self.client)
        self.stage.after_step()
        self.steps += 1

    def contacts(self) -> dict[str, Contact]:
        """Return what every free object touches."""
        return {name: self._contact(body) for name, body in self.stage.bodies.items()}

    def speeds(self) -> dict[str, float]:
        """Return the linear speed of every free object [m/s]."""
        return {
            name: float(np.linalg.norm(pybullet.getBaseVelocity(
                body, physicsClientId=self.client)[0]))
            for name, body in self.stage.bodies.items()}

    def presses(self) -> dict[str, Press]:
        """Return by finger what its gel feels."""
        return self._fingertips.presses()

    def wrench(self) -> np.ndarray:
        """Return (6,) force [N] and torque [Nm] at the tool, in its frame."""
        return self._fingertips.wrench()

    def _contact(self, body: int) -> Contact:
        force, touching = 0.0, set()
        for point in pybullet.getContactPoints(body, physicsClientId=self.client):
            other, link = (point[2], point[4]) if point[1] == body else (point[1], point[3])
            if point[8] > _TOUCH:
                continue
            if other == self.arm.body:
                touching.add('robot')
                force += point[9] if self.arm.is_finger(link) else 0.0
            elif (other, link) in self._names:
                touching.add(self._names[other, link])
        return Contact(force, tuple(sorted(touching)))
