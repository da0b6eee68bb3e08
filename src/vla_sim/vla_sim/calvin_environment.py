"""CALVIN's own simulator as an Environment: 30 Hz there, our control rate here.

Four control periods of 1/120 s are one step of CALVIN's. It is driven with its absolute action:
the tcp pose of the last set-point's `tool_target`, which stands for the end of that step, and
the gripper goal. CALVIN's inverse kinematics finds the joints, as for every entry of its
leaderboard. Its cameras, nine tenths of its time and more, render only what a policy will see.
The robot is our Panda with CALVIN's rest position and a workspace around its table,
which stands to the left of the robot (+y of the base): x from -0.10 to 0.78 m, y from 0.06 (the
open drawer) to 0.64 m. Pictures are averaged over areas from 200 and 84 px to the spec's sizes.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from vla_core.chains import TableState
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.geometry import compose, euler_decode, inverse
from vla_core.spec import CameraSpec, load_robot, RobotSpec
from vla_core.transforms import Resize
from vla_core.types import JointCommand, Observation, SimState, TaskOutcome
from vla_sim.calvin_package import exam_chains, judge, open_simulator, place, sentences

CALVIN_HZ = 30
T_WORLD_BASE = np.array([-0.34, -0.46, 0.24, 0.0, 0.0, 0.0, 1.0])  # (7,) [m]
T_TCP_TOOL = np.array([0.0, 0.0, 0.1034 - 0.14, 0.0, 0.0, 0.0, 1.0])  # (7,) its fingers are longer
REST = np.array([-1.21779124, 1.03987629, 2.11978254, -2.34205014, -0.87015899, 1.64119093,
                 0.55344928])  # (7,) [rad]
_WORKSPACE = np.array([-0.12, 0.0, 0.05]), np.array([0.80, 0.70, 0.75])  # [m]
_OPEN_M = 0.08
_CAMERAS = {'static': 'rgb_static', 'wrist': 'rgb_gripper'}
_JOINTS = {  # name: (kind, CALVIN's name, field, what one unit of ours is there)
    'door': ('doors', 'base__slide', 'current_state', 1.0),
    'drawer': ('doors', 'base__drawer', 'current_state', 1.0),
    'button': ('buttons', 'base__button', 'joint_state', 0.8 * 0.025),
    'switch': ('switches', 'base__switch', 'joint_state', 0.8 * 0.11),
    'bulb': ('lights', 'lightbulb', 'logical_state', 1.0),
    'led': ('lights', 'led', 'logical_state', 1.0),
}
_BLOCKS = {f'{colour}_block': f'block_{colour}' for colour in ('red', 'blue', 'pink')}
_LINKS = {'base_link': 'table', 'plank_link': 'cabinet', 'drawer_link': 'drawer',
          'slide_link': 'door'}


class CalvinEnvironment:
    """CALVIN's table; implements vla_core.protocols.Environment."""

    def __init__(self, dataset: Path, robot: str | RobotSpec = 'panda') -> None:
        """Open the simulator that a data set of CALVIN configures.

        Raises VlaError where CALVIN is not installed, InvalidDataError for a folder that is
        none of its data sets, UnknownNameError for another robot than the Panda.
        """
        self.spec = calvin_spec(load_robot(robot) if isinstance(robot, str) else robot)
        self._simulator = open_simulator(Path(dataset))
        self._cameras, self._simulator.cameras = self._simulator.cameras, []  # of its every step
        self._judge = judge()
        self.control_period_s = self.spec.controller.period_s
        self.ticks_per_step = self.spec.ticks_per_step
        self._ticks_per_frame = self.spec.controller.rate_hz // CALVIN_HZ
        self._ticks = 0  # control periods in all
        self.episode_id = self.instruction = self._task = ''

    def close(self) -> None:
        """Close the physics client."""
        self._simulator.close()
        self._simulator.cid = -1  # its __del__ closes again

    def reset(self, seed: int, task: str, timeout_s: float = 12.0) -> Observation:
        """Begin where chain `seed` of the exam's, of those that `task` begins, begins.

        An empty task is a free run without a verdict; 12 s are CALVIN's 360 steps.

        Raises:
            UnknownNameError: for a task that no chain begins, e.g. one that needs a held block.

        """
        chains = [chain for chain in exam_chains() if task in ('', chain.tasks[0])]
        if not chains:
            raise UnknownNameError(
                'first task of suite calvin', task, {c.tasks[0] for c in exam_chains()})
        self.set_table(chains[seed % len(chains)].start)
        self.begin(task, seed, timeout_s)
        return self.observe()

    def set_table(self, state: TableState) -> None:
        """Put the arm to rest and the table into a chain's start, as CALVIN places it."""
        rate = self.spec.controller.rate_hz
        self._ticks = -(-self._ticks // rate) * rate  # whole seconds, so equal stamp differences
        robot_obs, scene_obs = place(state)
        self._observation = self._simulator.reset(robot_obs=robot_obs, scene_obs=scene_obs)
        self._info = self._simulator.get_info()
        self._gripper = 1.0
        self._target = self._tool_pose()

    def begin(self, task: str, seed: int, timeout_s: float, part: int = 0) -> None:
        """Begin a task from the state the table is in now (`part` of a chain)."""
        if task and task not in sentences():
            raise UnknownNameError('task of suite calvin', task, sentences())
        self._task, self._timeout_s = task, timeout_s
        self.episode_id = f'{task or "free"}-{seed}' + (f'-{part}' if part else '')
        self.instruction = sentences()[task] if task else ''
        self._first_tick, self._succeeded = self._ticks, False
        self._start_info = self._info
        self.start = self.state()

    def apply(self, command: JointCommand) -> None:
        """Take one control period's set-point; at the end of a frame CALVIN steps to it."""
        if command.gripper is not None:
            self._gripper = command.gripper
        self._target = command.tool_target
        self._ticks += 1
        if self._ticks % self._ticks_per_frame == 0:
            self._step()

    def joint_state(self) -> tuple[np.ndarray, np.ndarray]:
        """Return measured position (7,) [rad] and velocity (7,) [rad/s]."""
        simulator, robot = self._simulator, self._simulator.robot
        states = simulator.p.getJointStates(
            robot.robot_uid, robot.arm_joint_ids, physicsClientId=simulator.cid)
        return np.array([s[0] for s in states]), np.array([s[1] for s in states])

    def now_ns(self) -> int:
        """Return simulated time [ns]."""
        return self._ticks * 1_000_000_000 // self.spec.controller.rate_hz

    def observe(self) -> Observation:
        """Render and return what a policy may see: CALVIN's last step, up to 25 ms old."""
        position, velocity = self.joint_state()
        pictures = self._pictures()
        age_s = self._ticks % self._ticks_per_frame * self.control_period_s
        return Observation(
            stamp_ns=self.now_ns(), episode_id=self.episode_id,
            images={name: _fit(pictures[_CAMERAS[name]], camera)
                    for name, camera in self.spec.cameras.items()},
            joint_position=position, joint_velocity=velocity, tool_pose=self._tool_pose(),
            gripper=self._opening(), age_s=dict.fromkeys(self.spec.streams, age_s))

    def state(self) -> SimState:
        """Return the privileged state."""
        scene, robot = self._info['scene_info'], self._info['robot_info']['uid']
        blocks = {name: scene['movable_objects'][theirs] for name, theirs in _BLOCKS.items()}
        world = inverse(T_WORLD_BASE)
        forces = {name: sum(c[9] for c in block['contacts'] if c[2] == robot)
                  for name, block in blocks.items()}
        names = self._names()
        return SimState(
            stamp_ns=self.now_ns(), episode_id=self.episode_id, task=self._task,
            objects={name: compose(world, np.array([*b['current_pos'], *b['current_orn']]))
                     for name, b in blocks.items()},
            joints={name: scene[kind][theirs][field] / unit
                    for name, (kind, theirs, field, unit) in _JOINTS.items()},
            tool_pose=self._tool_pose(), tool_target=self._target.copy(),
            gripper=self._opening(), gripper_target=self._gripper,
            contacts={name: force for name, force in forces.items() if force > 0.0},
            speeds={name: float(np.linalg.norm(b['current_lin_vel'])) for name, b in
                    blocks.items()},
            touching={name: tuple(sorted({_name(names, c) for c in block['contacts']}))
                      for name, block in blocks.items()})

    def outcome(self) -> TaskOutcome:
        """Return the verdict of CALVIN's predicate, which is asked after every step of its."""
        ticks = self._ticks - self._first_tick
        late = 0.0 < self._timeout_s <= ticks * self.control_period_s
        done = self._succeeded or late
        reason = 'success' if self._succeeded else f'not done in {self._timeout_s:g} s'
        return TaskOutcome(
            stamp_ns=self.now_ns(), episode_id=self.episode_id, task=self._task,
            success=self._succeeded, done=done, reason=reason if done else 'running',
            steps=ticks // self.ticks_per_step)

    def _step(self) -> None:
        tcp = compose(compose(T_WORLD_BASE, self._target), inverse(T_TCP_TOOL))
        action = (tcp[:3], tcp[3:], 1 if self._gripper > 0.5 else -1)
        self._observation, _, _, self._info = self._simulator.step(action)
        if self._task and not self._succeeded:
            done = self._judge(self._start_info, self._info, {self._task})
            self._succeeded = self._task in done

    def _pictures(self) -> dict[str, np.ndarray]:
        self._simulator.cameras = self._cameras
        try:
            return self._simulator.get_camera_obs()[0]
        finally:
            self._simulator.cameras = []

    def _tool_pose(self) -> np.ndarray:
        robot_obs = self._observation['robot_obs']
        tcp = np.concatenate([robot_obs[:3], euler_decode(robot_obs[3:6])])
        return compose(compose(inverse(T_WORLD_BASE), tcp), T_TCP_TOOL)

    def _opening(self) -> float:
        return float(self._observation['robot_obs'][6]) / _OPEN_M

    def _names(self) -> dict[tuple[int, int | None], str]:
        """Return the name of (body, link), with None for any link of the body."""
        scene = self._info['scene_info']
        names = {(self._info['robot_info']['uid'], None): 'robot'}
        names |= {(scene['movable_objects'][theirs]['uid'], None): name
                  for name, theirs in _BLOCKS.items()}
        table = scene['fixed_objects']['table']
        return names | {(table['uid'], link): _LINKS.get(name, name)
                        for name, link in table['links'].items()}


def calvin_spec(spec: RobotSpec) -> RobotSpec:
    """Return our Panda's spec at CALVIN's table: its rest position and workspace.

    Raises UnknownNameError for another robot, InvalidDataError for a control rate that is no
    multiple of CALVIN's.
    """
    if spec.name != 'panda':
        raise UnknownNameError('robot of suite calvin', spec.name, ['panda'])
    if spec.controller.rate_hz % CALVIN_HZ:
        raise InvalidDataError(
            f'suite calvin: got a control rate of {spec.controller.rate_hz} Hz, '
            f'allowed multiples of {CALVIN_HZ}')
    lower, upper = _WORKSPACE
    return replace(
        spec, joints=replace(spec.joints, home=REST),
        policy=replace(spec.policy, workspace_lower=lower, workspace_upper=upper))


def _fit(image: np.ndarray, camera: CameraSpec) -> np.ndarray:
    resize = Resize(image.shape[:2], (camera.height, camera.width))
    return resize(np.ascontiguousarray(image, dtype=np.uint8))


def _name(names: dict[tuple[int, int | None], str], contact: tuple) -> str:
    body, link = contact[2], contact[4]
    return names.get((body, link)) or names.get((body, None), 'floor')
