"""CALVIN's simulator behind our Environment: the right commands at its rate, its own verdict.

The fake of CALVIN's packages has the real names, shapes and types and next to no physics, after
mees/calvin_env 797142c: envs/play_table_env.py (PlayTableSimEnv, get_env), robot/robot.py
(apply_action, get_observation), scene/play_table_scene.py (get_info), envs/tasks.py (Tasks); and
mees/calvin fa03f01: evaluation/multistep_sequences.py, evaluation/utils.py, conf/. The tcp goes
where it is told at once, and the sliding door moves left while the gripper is closed.
"""

from collections.abc import Iterator
from pathlib import Path
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from vla_core.chains import TableState
from vla_core.control.controller import ArmController
from vla_core.errors import InvalidDataError, UnknownNameError, VlaError
from vla_core.geometry import euler_decode, euler_encode, pose_distance
from vla_core.kinematics import Kinematics
from vla_core.rollout import rollout
from vla_core.spec import load_robot
from vla_core.types import ActionChunk, JointCommand, Observation, Representation, Subtask
from vla_sim.calvin_environment import CalvinEnvironment, T_WORLD_BASE
from vla_sim.calvin_package import exam_chains, sentences

ROBOT, TABLE, RED, BLUE, PINK = 2, 6, 3, 4, 5  # bodies of the physics client
REST = np.array([
    0.02586889, -0.2313129, 0.5712808, 3.09045411, -0.02908596, 1.50013585, 0.07999963,
    -1.21779124, 1.03987629, 2.11978254, -2.34205014, -0.87015899, 1.64119093, 0.55344928, 1.0])
CONDITION = {'led': 1, 'lightbulb': 0, 'slider': 'right', 'drawer': 'open', 'red_block': 'table',
         'blue_block': 'slider_left', 'pink_block': 'table', 'grasped': 0}
CHAIN = ('move_slider_left', 'turn_off_led', 'open_drawer', 'stack_block', 'unstack_block')
SENTENCES = """
move_slider_left: [ "push the sliding door to the left side"]
turn_on_led: ["press the button to turn on the led light"]
turn_off_led: ["press the button to turn off the led light"]
place_in_drawer: [ "store the grasped block in the drawer"]
"""


class PlayTableSimEnv:
    """The simulator."""

    def __init__(self) -> None:
        self.p = SimpleNamespace(getJointStates=self._joint_states)
        self.cid = 0
        self.robot = SimpleNamespace(robot_uid=ROBOT, arm_joint_ids=[0, 1, 2, 3, 4, 5, 6])
        self.cameras = [SimpleNamespace(name='static', size=200),
                        SimpleNamespace(name='gripper', size=84)]
        self.actions: list[tuple] = []
        self.rendered = 0

    def reset(self, robot_obs=None, scene_obs=None):
        self._robot, self._scene = np.array(robot_obs), np.array(scene_obs)
        return self.get_obs()

    def step(self, action):
        position, turn, gripper = action
        assert len(position) == 3 and len(turn) == 4
        assert isinstance(gripper, int) and gripper in (-1, 1)
        self.actions.append(action)
        self._robot[:6] = [*position, *euler_encode(turn)]
        self._robot[14] = gripper
        if gripper == -1:
            self._scene[0] += 0.02
        return self.get_obs(), 0, False, self.get_info()

    def get_camera_obs(self):
        rgb_obs, depth_obs = {}, {}
        for camera in self.cameras:
            self.rendered += 1
            row = np.linspace(0, 255, camera.size).astype(np.uint8)
            picture = np.broadcast_to(row[:, None, None], (camera.size, camera.size, 3))
            rgb_obs[f'rgb_{camera.name}'] = picture
            depth_obs[f'depth_{camera.name}'] = np.ones((camera.size, camera.size))
        return rgb_obs, depth_obs

    def get_obs(self):
        rgb_obs, depth_obs = self.get_camera_obs()
        return {'rgb_obs': rgb_obs, 'depth_obs': depth_obs, 'robot_obs': self._robot.copy(),
                'scene_obs': self._scene.copy()}

    def get_info(self):
        blocks = {}
        for k, (name, uid) in enumerate((('red', RED), ('blue', BLUE), ('pink', PINK))):
            six = self._scene[6 + 6 * k:12 + 6 * k]
            blocks[f'block_{name}'] = {
                'current_pos': tuple(six[:3]), 'current_orn': tuple(euler_decode(six[3:])),
                'current_lin_vel': (0.0, 0.3, 0.4), 'current_ang_vel': (0.0, 0.0, 0.0),
                'contacts': self._contacts(uid), 'uid': uid}
        links = {'button_link': 0, 'switch_link': 1, 'slide_link': 2, 'drawer_link': 3,
                 'plank_link': 6, 'base_link': -1}
        lights = {'lightbulb': int(self._scene[4]), 'led': int(self._scene[5])}
        return {
            'robot_info': {
                'tcp_pos': tuple(self._robot[:3]), 'tcp_orn': tuple(self._robot[3:6]),
                'gripper_opening_width': self._robot[6],
                'arm_joint_states': self._robot[7:14].tolist(),
                'gripper_action': int(self._robot[14]), 'uid': ROBOT, 'contacts': ()},
            'scene_info': {
                'fixed_objects': {'table': {'uid': TABLE, 'links': links, 'contacts': ()}},
                'movable_objects': blocks,
                'doors': {'base__slide': {'current_state': self._scene[0]},
                          'base__drawer': {'current_state': self._scene[1]}},
                'buttons': {'base__button': {'joint_state': self._scene[2], 'logical_state': 0}},
                'switches': {'base__switch': {'joint_state': self._scene[3], 'logical_state': 0}},
                'lights': {name: {'logical_state': on} for name, on in lights.items()}}}

    def close(self):
        self.cid = -1

    def _contacts(self, uid):
        """Rows as of getContactPoints: body B is third, its link fifth, the force tenth."""
        table = (0, uid, TABLE, -1, 6 if uid == BLUE else -1, (), (), (), 0.0, 1.0)
        finger = (0, uid, ROBOT, -1, 9, (), (), (), 0.0, 2.5)
        return (table, finger, finger) if uid == RED else (table,)

    def _joint_states(self, body, joints, physicsClientId=0):
        assert body == ROBOT and physicsClientId == self.cid
        return tuple((self._robot[7 + joint], 0.1 * joint, (0.0,) * 6, 0.0) for joint in joints)


def get_env(dataset_path, obs_space=None, show_gui=True, **kwargs):
    assert (Path(dataset_path) / '.hydra' / 'merged_config.yaml').is_file()
    assert obs_space == {'rgb_obs': ['rgb_static', 'rgb_gripper'], 'depth_obs': []}
    assert not show_gui
    return PlayTableSimEnv()


class Tasks:
    """The predicates; of all of them this one knows the door."""

    def __init__(self, tasks) -> None:
        assert tasks['move_slider_left'] == ['move_door_rel', 'base__slide', 0.15]
        self.tasks = tasks

    def get_task_info_for_set(self, start_info, end_info, task_filter):
        start, end = (info['scene_info']['doors']['base__slide']['current_state']
                      for info in (start_info, end_info))
        return {'move_slider_left'} & task_filter if end - start > 0.15 else set()


def get_sequences(num_sequences=1000, num_workers=None):
    assert num_sequences == 1000
    return [(CONDITION, CHAIN), ({**CONDITION, 'led': 0}, ('turn_on_led', *CHAIN[2:], CHAIN[0]))]


def get_env_state_for_initial_condition(initial_condition):
    """CALVIN draws from a hash of this very text."""
    assert str(initial_condition.values()) == str({**CONDITION, 'led': initial_condition['led']}
                                                  .values())
    scene = np.zeros(24)
    scene[1], scene[3], scene[5] = 0.22, 0.044, initial_condition['led']
    scene[6:9], scene[12:15], scene[18:21] = (.05, -.12, .46), (-.24, .09, .46), (.23, -.12, .46)
    return REST.copy(), scene


def install(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """Let the two packages be importable, with their configuration beside calvin_agent."""
    conf = root / 'calvin_models' / 'conf'
    tasks = conf / 'callbacks' / 'rollout' / 'tasks' / 'new_playtable_tasks.yaml'
    sentences = conf / 'annotations' / 'new_playtable_validation.yaml'
    for path, text in ((sentences, SENTENCES), (tasks, (
            '_target_: calvin_env.envs.tasks.Tasks\n'
            "tasks:\n  move_slider_left: [move_door_rel, 'base__slide', 0.15]\n"))):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    modules = {
        'calvin_env': {}, 'calvin_env.envs': {},
        'calvin_env.envs.play_table_env': {'get_env': get_env},
        'calvin_env.envs.tasks': {'Tasks': Tasks},
        'calvin_agent': {'__file__': str(root / 'calvin_models' / 'calvin_agent' / '__init__.py')},
        'calvin_agent.evaluation': {},
        'calvin_agent.evaluation.multistep_sequences': {'get_sequences': get_sequences},
        'calvin_agent.evaluation.utils': {
            'get_env_state_for_initial_condition': get_env_state_for_initial_condition}}
    for name, content in modules.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    config = root / 'data' / 'validation' / '.hydra' / 'merged_config.yaml'
    config.parent.mkdir(parents=True)
    config.write_text('cameras: {}\n')


START = TableState(led=True, lightbulb=False, slider='right', drawer='open', red_block='table',
                   blue_block='slider_left', pink_block='table')


@pytest.fixture
def dataset(monkeypatch, tmp_path) -> Iterator[Path]:
    install(monkeypatch, tmp_path)
    yield tmp_path / 'data'
    sentences.cache_clear()
    exam_chains.cache_clear()


@pytest.fixture
def table(dataset) -> CalvinEnvironment:
    environment = CalvinEnvironment(dataset)
    environment.set_table(START)
    environment.begin('move_slider_left', 0, 12.0)
    return environment


def simulator(table: CalvinEnvironment) -> PlayTableSimEnv:
    return table._simulator


def command(table: CalvinEnvironment, pose: np.ndarray, gripper: float | None) -> JointCommand:
    return JointCommand(table.now_ns(), REST[7:14], np.zeros(7), gripper, pose)


class Reach:
    """A policy that goes on in one direction with the gripper as it is told."""

    name = 'reach'

    def __init__(self, gripper: float) -> None:
        self._row = np.array([0.0, 0.002, 0.001, 0.0, 0.0, 0.01, gripper], np.float32)
        self._sequence = 0

    def reset(self) -> None:
        pass

    def infer(self, observation: Observation, subtask: Subtask, *, previous, rng) -> ActionChunk:
        self._sequence += 1
        return ActionChunk(
            observation.stamp_ns, self._sequence, observation.episode_id, subtask.subtask_id,
            self.name, Representation.EE_DELTA, 1 / 12, np.tile(self._row, (3, 1)), 0.0)


@pytest.mark.parametrize('missing', ['calvin_env', 'calvin_agent'])
def test_without_calvin_one_line_says_how_to_install_it(monkeypatch, dataset, missing) -> None:
    for name in [name for name in sys.modules if name.startswith(missing)]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(VlaError, match=rf'got no {missing}.*git clone .*calvin') as error:
        CalvinEnvironment(dataset)
    assert '\n' not in str(error.value)


def test_calvins_silent_exit_without_a_gpu_becomes_one_line(monkeypatch, dataset) -> None:
    module = sys.modules['calvin_env.envs.play_table_env']
    monkeypatch.setattr(module, 'get_env', lambda *_, **__: sys.exit())
    with pytest.raises(VlaError, match='got no EGL renderer, allowed a GPU .*merged_config'):
        CalvinEnvironment(dataset)


def test_another_folder_is_refused_by_name(dataset) -> None:
    with pytest.raises(InvalidDataError, match=r'elsewhere/validation: got no \.hydra/merged'):
        CalvinEnvironment(dataset / 'elsewhere')


def test_only_the_panda_stands_there(dataset) -> None:
    with pytest.raises(UnknownNameError, match="robot of suite calvin 'ur5e'.*allowed: panda"):
        CalvinEnvironment(dataset, 'ur5e')


def test_the_arm_begins_where_our_kinematics_put_it(table) -> None:
    observation = table.observe()
    position, velocity = table.joint_state()
    distance, angle = pose_distance(
        Kinematics(table.spec).forward(position), observation.tool_pose)
    assert distance < 1e-5
    assert angle < 1e-5
    np.testing.assert_array_equal(velocity, 0.1 * np.arange(7))
    np.testing.assert_allclose(observation.gripper, 1.0, atol=1e-4)


def test_pictures_have_the_size_of_the_spec_and_keep_their_mean(table) -> None:
    pictures = table.observe().images
    assert {name: image.shape for name, image in pictures.items()} == {
        'static': (96, 96, 3), 'wrist': (96, 96, 3)}
    for image in pictures.values():
        assert image.dtype == np.uint8
        assert abs(image.mean() - 127) < 1.0
        assert (np.diff(image[:, 0, 0].astype(int)) >= 0).all()


def test_calvin_steps_at_30_hz_to_the_tool_target(table) -> None:
    pose = table.observe().tool_pose
    for k in range(12):
        pose = pose + np.eye(7)[0] * 0.001
        table.apply(command(table, pose, None))
        assert len(simulator(table).actions) == (k + 1) // 4
    assert table.now_ns() == 100_000_000
    position, _, gripper = simulator(table).actions[-1]
    np.testing.assert_allclose(position, REST[:3] + np.array([0.012, 0.0, 0.0]), atol=1e-9)
    assert gripper == 1
    assert pose_distance(table.observe().tool_pose, pose)[0] < 1e-9
    np.testing.assert_array_equal(table.state().tool_target, pose)


def test_the_gripper_keeps_its_goal_until_another_comes(table) -> None:
    pose = table.observe().tool_pose
    for gripper in (None, 0.0, None, None, None, None, None, 1.0):
        for _ in range(2):
            table.apply(command(table, pose, gripper))
    assert [action[2] for action in simulator(table).actions] == [-1, -1, -1, 1]


def test_nothing_is_rendered_that_nobody_looks_at(table) -> None:
    before = simulator(table).rendered
    pose = table.state().tool_pose
    for _ in range(40):
        table.apply(command(table, pose, None))
    assert simulator(table).rendered == before
    table.observe()
    assert simulator(table).rendered == before + 2


def test_the_state_has_our_names_and_units(table) -> None:
    state = table.state()
    joints = {'door': 0.0, 'drawer': 0.22, 'button': 0.0, 'switch': 0.5, 'bulb': 0.0, 'led': 1.0}
    assert state.joints.keys() == joints.keys()
    np.testing.assert_allclose([state.joints[name] for name in joints], list(joints.values()))
    np.testing.assert_allclose(
        state.objects['blue_block'][:3] + T_WORLD_BASE[:3], [-0.24, 0.09, 0.46])
    assert state.contacts == {'red_block': 5.0}
    assert state.touching == {
        'red_block': ('robot', 'table'), 'blue_block': ('cabinet',), 'pink_block': ('table',)}
    assert state.speeds['pink_block'] == 0.5


def test_a_policy_meets_calvins_own_predicate_and_sentence(table) -> None:
    result = rollout(table, ArmController(table.spec), Reach(0.0), None, table.instruction,
                     seed=0, task='move_slider_left', timeout_s=12.0)
    assert table.instruction == 'push the sliding door to the left side'
    assert result.rejections == ()
    assert (result.outcome.success, result.outcome.reason) == (True, 'success')
    assert result.steps == 4  # more than 0.15 m at 0.02 m a frame, 2.5 frames a step


def test_twelve_seconds_are_calvins_360_steps(table) -> None:
    result = rollout(table, ArmController(table.spec), Reach(1.0), None, '', seed=1000,
                     task='move_slider_left', timeout_s=12.0)
    assert len(simulator(table).actions) == 360
    assert (result.outcome.success, result.outcome.reason) == (False, 'not done in 12 s')


def test_the_next_task_of_a_chain_begins_where_the_last_one_ended(table) -> None:
    pose = table.observe().tool_pose
    for _ in range(40):
        table.apply(command(table, pose, 0.0))
    assert table.outcome().success
    door = table.state().joints['door']
    table.begin('move_slider_left', 0, 12.0, part=1)
    assert not table.outcome().done
    assert table.start.joints['door'] == door
    assert table.episode_id == 'move_slider_left-0-1'
    for _ in range(20):
        table.apply(command(table, pose, None))
    assert not table.outcome().success  # 0.1 m since the second task began


def test_the_exams_chains_and_starts_are_calvins(table) -> None:
    first, second = exam_chains()
    assert first.tasks == CHAIN
    assert (first.start, second.start.led) == (START, False)
    table.reset(0, 'turn_on_led')
    assert table.state().joints['led'] == 0.0
    table.reset(7, 'move_slider_left')
    assert table.state().joints['led'] == 1.0


def test_what_no_chain_begins_with_is_refused_by_name(table) -> None:
    with pytest.raises(UnknownNameError, match="'place_in_drawer'.*move_slider_left, turn_on_led"):
        table.reset(0, 'place_in_drawer')
    with pytest.raises(UnknownNameError, match="task of suite calvin 'juggle'"):
        table.begin('juggle', 0, 12.0)


def test_a_control_rate_that_calvin_cannot_follow_is_refused(dataset, tmp_path) -> None:
    panda = load_robot('panda')
    text = (panda.urdf.parent / 'panda.yaml').read_text().replace('rate_hz: 120', 'rate_hz: 132')
    path = tmp_path / 'odd.yaml'
    path.write_text(text.replace('panda.urdf', str(panda.urdf)))
    with pytest.raises(InvalidDataError, match='control rate of 132 Hz, allowed multiples of 30'):
        CalvinEnvironment(dataset, str(path))
