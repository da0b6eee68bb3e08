"""The table as an Environment: one episode after another, the same in process and in the graph."""

import zlib

import numpy as np
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.frames import FrameBuffer
from vla_core.geometry import compose, rotvec_to_quat
from vla_core.kinematics import Kinematics
from vla_core.spec import load_robot, RobotSpec
from vla_core.tasks import draw_instruction
from vla_core.types import JointCommand, Observation, SimState, TaskOutcome
from vla_sim.cameras import optical_view, render, static_view, WRIST_FOV_DEG
from vla_sim.catalogue import find_scene
from vla_sim.experts.motion import downward
from vla_sim.gel.config import GelConfig
from vla_sim.gel.sensor import GelSensor
from vla_sim.scenes.scene import Expert, Layout, Task
from vla_sim.trajectory import FollowerConfig, Trajectory, TrajectoryFollower
from vla_sim.variation import PLAIN, Variation
from vla_sim.world import PHYSICS_HZ, World

_STANDING = 0.01  # [rad/s] joints that are slower stand
_SETTLE_STEPS = 60  # physics steps for things to come to rest before an episode begins
_CAMERA_FRAME = 'wrist_camera_optical'
TOUCH_STREAMS = ('tactile', 'wrench')  # of the spec; only where a scene has fingertips that feel


class TableEnvironment:
    """Robot, table and tasks; implements vla_core.protocols.Environment."""

    def __init__(
        self, robot: str | RobotSpec = 'panda', scene: str = 'bowl', gui: bool = False,
        linger_steps: int = 0, variation: Variation = PLAIN,
    ) -> None:
        """Open a physics client; after a success the episode goes on for `linger_steps`."""
        self.spec = load_robot(robot) if isinstance(robot, str) else robot
        self.scene = find_scene(scene)
        self.variation = variation
        self._gels = _gels(self.spec) if self.scene.touch else {}
        self.world = World(self.spec, gui)
        self.control_period_s = self.spec.controller.period_s
        self.ticks_per_step = self.spec.ticks_per_step
        self.kinematics = Kinematics(self.spec)
        joints = self.spec.joints
        self.follower = TrajectoryFollower(joints.names, joints.home, FollowerConfig(
            velocity_limit=joints.velocity, acceleration_limit=joints.acceleration,
            period_s=self.control_period_s))
        self._substeps = PHYSICS_HZ // self.spec.controller.rate_hz
        self._linger = linger_steps
        self._task: Task | None = None
        self._state: SimState | None = None  # of the present instant, once it was read
        self.episode_id = ''
        self.instruction = ''

    def close(self) -> None:
        """Close the physics client."""
        self.world.close()

    def reset(self, seed: int, task: str, timeout_s: float = 0.0) -> Observation:
        """Set the table by `seed`; an empty task is a free run without a verdict.

        Raises:
            UnknownNameError: for an unknown task.

        """
        rng = np.random.default_rng([seed, zlib.crc32(task.encode())])
        layout = self.scene.sample(rng, outside=self.variation.outside)
        if task:
            layout = self.find_task(task).prepare(layout, rng)
        self.set_table(layout)
        self.begin(task, seed, timeout_s)
        return self.observe()

    def set_variation(self, variation: Variation) -> None:
        """Say how the next table that is set differs from the plain one."""
        self.variation = variation

    def set_table(self, layout: Layout) -> None:
        """Build the table for `layout` and let it come to rest, fingers open or holding."""
        # Whole seconds: stamps are floored ns, so their differences are the same every episode.
        self.world.steps = -(-self.world.steps // PHYSICS_HZ) * PHYSICS_HZ
        joints = self._reach(np.array([*layout.tool, *downward(layout.yaw)]))
        self.world.build(self.scene, layout, self.variation, joints)
        self.follower.reset(joints)
        for _ in range(_SETTLE_STEPS):
            self.world.step(joints, np.zeros_like(joints))
        self._state = None

    def find_task(self, name: str) -> Task:
        """Return a task of the scene; raise UnknownNameError with the allowed names."""
        if name not in self.scene.tasks:
            raise UnknownNameError(f'task of scene {self.scene.name}', name, self.scene.tasks)
        return self.scene.tasks[name]

    @property
    def expert(self) -> Expert:
        """Return the expert of the running task."""
        if self._task is None:
            raise InvalidDataError('expert: got a free run, allowed one with a task')
        return self.scene.experts[self._task.name]

    def begin(self, task: str, seed: int, timeout_s: float, part: int = 0) -> None:
        """Begin a task from the state the table is in now.

        Before a further `part` of a chain the arm brakes and stands: a new controller begins at
        the measured joints, and from there it never catches up with an arm in motion.
        """
        if part:
            self._rest()
        self._task = self.find_task(task) if task else None
        self.episode_id = f'{task or "free"}-{seed}' + (f'-{part}' if part else '')
        self.instruction = draw_instruction(
            task, seed, held_out=self.variation.held_out) if task else ''
        self._timeout_s, self._ticks, self._since_success = timeout_s, 0, 0
        self._succeeded = False
        self._state = None
        self.start = self.state()

    def apply(self, command: JointCommand) -> None:
        """Carry out one control period of a set-point."""
        if command.gripper is not None:
            self.world.arm.set_gripper(command.gripper)
        self.follower.accept(
            Trajectory.to_reach(self.spec.joints.names, command, self.control_period_s),
            self.now_ns())
        self.advance()

    def advance(self) -> None:
        """Step the physics by one control period along the running trajectory."""
        for _ in range(self._substeps):
            ahead_ns = (self.world.steps + 1) * 1_000_000_000 // PHYSICS_HZ
            desired = self.follower.sample(ahead_ns)
            self.world.step(desired.position, desired.velocity)
        self._ticks += 1
        self._state = None

    def _rest(self) -> None:
        """Brake, wait at most a second until the joints stand, and hold them there."""
        self.follower.stop(self.now_ns())
        for _ in range(self.spec.controller.rate_hz):
            self.advance()
            if np.abs(self.joint_state()[1]).max() < _STANDING:
                break
        self.follower.reset(self.joint_state()[0])

    def joint_state(self) -> tuple[np.ndarray, np.ndarray]:
        """Return measured position (J,) [rad] and velocity (J,) [rad/s]."""
        return self.world.arm.joint_state()

    def now_ns(self) -> int:
        """Return simulated time [ns]."""
        return self.world.now_ns

    def images(self) -> dict[str, np.ndarray]:
        """Render every camera of the spec: (H, W, 3) uint8 RGB."""
        return {
            name: render(self.world.client, self.spec.cameras[name], view, fov_deg,
                         self.variation.light)
            for name, (view, fov_deg) in self.views().items()}

    def views(self) -> dict[str, tuple[tuple[float, ...], float]]:
        """Return every camera's view matrix, and its vertical field of view [deg]."""
        view, changed = self.scene.view, self.variation
        wrist = self.world.arm.link_pose(_CAMERA_FRAME)
        if any(changed.wrist_shift):
            wrist = compose(wrist, np.array([
                *changed.wrist_shift[:3], *rotvec_to_quat(np.array(changed.wrist_shift[3:]))]))
        return {'static': (static_view(view, changed.static_shift), view.fov_deg),
                'wrist': (optical_view(wrist), WRIST_FOV_DEG)}

    def touch(self) -> dict[str, np.ndarray]:
        """Render the gel of each finger: (H, W, 3) uint8 RGB; nothing where fingers are bare."""
        if not self.scene.touch:
            return {}
        return {finger: self._gels[finger].render(press)
                for finger, press in self.world.presses().items()}

    def observe(self) -> Observation:
        """Render and return what a policy may see now."""
        position, velocity = self.joint_state()
        stamp, frames = self.now_ns(), FrameBuffer()
        for parent, child, pose in self.kinematics.chain(position):
            frames.set(parent, child, stamp, pose)
        return Observation(
            stamp_ns=stamp, episode_id=self.episode_id, images=self.images(),
            joint_position=position, joint_velocity=velocity,
            tool_pose=frames.lookup(self.spec.base_frame, self.spec.tool_frame, stamp),
            gripper=self.world.arm.opening(),
            tactile=self.touch(), wrench=self.world.wrench() if self.scene.touch else None,
            age_s={name: 0.0 for name in self.spec.streams
                   if self.scene.touch or name not in TOUCH_STREAMS})

    def state(self) -> SimState:
        """Return the privileged state; nothing is read twice between two control periods."""
        if self._state is None:
            self._state = self._read_state()
        return self._state

    def _read_state(self) -> SimState:
        world, contacts = self.world, self.world.contacts()
        return SimState(
            stamp_ns=self.now_ns(), episode_id=self.episode_id,
            task=self._task.name if self._task else '', objects=world.stage.objects(),
            joints=world.stage.joints(),
            tool_pose=world.arm.link_pose(self.spec.tool_frame),
            tool_target=self.kinematics.forward(self.follower.goal),
            gripper=world.arm.opening(), gripper_target=world.arm.gripper_goal,
            contacts={name: contact.finger_n for name, contact in contacts.items()
                      if contact.finger_n > 0.0},
            speeds=world.speeds(),
            touching={name: contact.touching for name, contact in contacts.items()})

    def outcome(self) -> TaskOutcome:
        """Return the verdict; call it once a policy step, after the step."""
        self._judge()
        steps = self._ticks // self.ticks_per_step
        late = 0.0 < self._timeout_s <= self._ticks * self.control_period_s
        over = self._succeeded and self._since_success > self._linger
        reason = 'success' if self._succeeded else f'not done in {self._timeout_s:g} s'
        return TaskOutcome(
            stamp_ns=self.now_ns(), episode_id=self.episode_id,
            task=self._task.name if self._task else '', success=self._succeeded,
            done=over or late, reason=reason if over or late else 'running', steps=steps)

    def feasible(self, task: str) -> bool:
        """Say whether a task can begin from the state the table is in."""
        return self.find_task(task).feasible(self.state())

    def _judge(self) -> None:
        if self._task and not self._succeeded:
            self._succeeded = self._task.succeeded(self.start, self.state())
        self._since_success += self._succeeded

    def _reach(self, pose: np.ndarray) -> np.ndarray:
        """Return the joints that put the tool at `pose`, solved from home."""
        joints = self.spec.joints.home
        for _ in range(200):
            joints = self.kinematics.ik_step(joints, pose)
        if np.linalg.norm(self.kinematics.forward(joints)[:3] - pose[:3]) > 1e-3:
            raise InvalidDataError(f'layout: the arm cannot reach {pose[:3].tolist()}')
        return joints


def _gels(spec: RobotSpec) -> dict[str, GelSensor]:
    """Return a sensor a finger, each with the fixed-pattern noise of its own camera."""
    return {
        finger: GelSensor(
            GelConfig(width_px=size.width, height_px=size.height),
            np.random.default_rng(zlib.crc32(finger.encode())))
        for finger, size in spec.tactile.items()}
