"""The graph in which a person drives: teleoperation, and recording of what is driven.

In simulation the whole of it; on an arm the same nodes around its own drivers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from vla_bringup.graph import NodeSpec, Parameter, policy_node, sim_node, timed_node
from vla_control.teleop.devices import find_device
from vla_control.teleop.joystick import joysticks
from vla_core.errors import UnknownNameError, VlaError
from vla_core.spec import load_robot
from vla_core.tasks import task
from vla_planner.language import parse
from vla_recorder.formats import find_format
from vla_sim.catalogue import BOWL, find_scene

SCRIPTED = 'expert'  # the device that needs no hand
SCRIPTED_SPEED = {'speed': 1.0, 'linear_m_s': 0.3, 'turn_rad_s': 1.2}  # of its full deflection


@dataclass(frozen=True)
class OperatorOptions:
    """Everything a session of teleoperation or recording can be told."""

    device: str = 'keyboard'
    robot: str = 'panda'
    scene: str = BOWL
    real: bool = False  # the arm's own drivers are there: no simulation, the system's clock
    policy: str = ''  # drives until the person takes over; empty: nobody else does
    head: str = ''
    instruction: str = ''  # what to do; empty: the tasks of the scene in turn
    episodes: int = 0  # to record; 0 records nothing
    seed: int = 0
    record: str = ''  # folder of the data set
    record_format: str = 'lerobot'
    hands_free: bool = False  # begin, judge and keep by the simulator's verdict
    lockstep: bool = False
    joystick: str = ''  # path; empty: the first one of this machine, for a gamepad
    drivers: bool = False  # the device's driver runs already in the ROS domain
    gui: bool = False
    tremor: float = 0.0  # of the scripted hand
    speed: float = 0.5


def operator_graph(options: OperatorOptions) -> list[NodeSpec]:
    """Return the nodes, in the order they are started; raise a VlaError for what cannot be."""
    _check(options)
    common: dict[str, Parameter] = {'robot': options.robot, 'lockstep': options.lockstep}
    timed = partial(timed_node, common, simulated=not options.real)
    scene = find_scene(options.scene)
    scripted = options.device == SCRIPTED
    nodes = [] if options.real else [sim_node(common, scene.name, options.gui)]
    if options.policy or scripted:
        nodes += [
            timed('vla_perception', 'perception_node', 'perception', touch=scene.touch),
            timed('vla_planner', 'planner_node', 'planner', planner=_planner(options))]
    if options.policy:
        nodes.append(policy_node(options.policy, options.head, scene.name, timed))
    if scripted:
        nodes.append(timed('vla_sim', 'expert_node', 'hand', scene=scene.name, speak='joy',
                           tremor=options.tremor))
    nodes += [timed('vla_control', 'control_node', 'control'), *_device(options, timed)]
    if options.episodes:
        nodes.append(timed(
            'vla_recorder', 'recorder_node', 'recorder', root=options.record, source='raw',
            format=find_format(options.record_format).name, automatic=False))
    return [*nodes, _operator(options, [node.name for node in nodes])]


def task_of(sentence: str, scene: str) -> str:
    """Return the task of a scene that a sentence or a task's name asks for; '' for none."""
    known = find_scene(scene).tasks
    if sentence in known:
        return sentence
    if scene == BOWL:
        try:
            return parse(sentence).steps[-1].task
        except VlaError:
            return ''
    return next((name for name in known if sentence in task(name).sentences), '')


def _check(options: OperatorOptions) -> None:
    load_robot(options.robot)
    find_device(options.device)
    scripted = options.device == SCRIPTED
    if scripted and options.instruction and not task_of(options.instruction, options.scene):
        raise UnknownNameError(
            f'task of scene {options.scene}', options.instruction, find_scene(options.scene).tasks)
    if options.real and (scripted or options.lockstep or options.gui):
        raise VlaError('--real: got the device expert, --lockstep or --gui, allowed in simulation')
    if options.lockstep and not scripted:
        raise VlaError(
            f'--lockstep: got device {options.device}, allowed expert: a hand lives in real time')
    if options.lockstep and options.policy:
        raise VlaError('--lockstep: got a policy beside the expert, allowed one of them')
    if options.hands_free and options.real:
        raise VlaError('--hands-free: got --real, allowed in simulation, which judges')
    if options.real and not options.instruction and (options.episodes or options.policy):
        raise VlaError('--task: got none, allowed a sentence: on an arm nobody else knows it')
    if options.seed < 0 or options.episodes < 0:
        raise VlaError(f'--seed and --episodes: got {options.seed} and {options.episodes}, '
                       'allowed 0 or more')
    if not 0.0 <= options.tremor <= 1.0 or not 0.05 <= options.speed <= 1.0:
        raise VlaError(f'--tremor and --speed: got {options.tremor:g} and {options.speed:g}, '
                       'allowed 0 to 1 and 0.05 to 1')
    if options.record_format not in ('lerobot', 'mcap'):
        raise UnknownNameError('record format', options.record_format, ('lerobot', 'mcap'))


def _planner(options: OperatorOptions) -> str:
    """Return a planner that hands on sentences, or one that reads them for a policy."""
    if not options.policy or options.scene != BOWL:
        return 'verbatim'
    return 'embedded' if not options.instruction or task_of(
        options.instruction, options.scene) else 'verbatim'


def _device(options: OperatorOptions, timed: Callable[..., NodeSpec]) -> list[NodeSpec]:
    told = SCRIPTED_SPEED if options.device == SCRIPTED else {'speed': options.speed}
    teleop = timed('vla_control', 'teleop_node', 'teleop', device=options.device,
                   take=not options.policy, **told)
    if options.device != 'gamepad' or (options.drivers and not options.joystick):
        return [teleop]
    path = options.joystick or next(iter(joysticks()), '')
    if not path:
        raise VlaError('gamepad: got none at /dev/input/js*, allowed one that is plugged in, '
                       'or --domain of a ROS domain in which joy_node runs')
    return [NodeSpec('vla_control', 'joystick_node', 'joystick', {'path': path}), teleop]


def _operator(options: OperatorOptions, names: list[str]) -> NodeSpec:
    lifecycle = [name for name in names if name != 'joystick']
    return NodeSpec('vla_bringup', 'operator_node', 'operator', MappingProxyType({
        'robot': options.robot, 'scene': options.scene, 'real': options.real,
        'instruction': options.instruction, 'episodes': options.episodes, 'seed': options.seed,
        'record': options.record, 'hands_free': options.hands_free,
        'policy': bool(options.policy), 'planned': 'planner' in lifecycle,
        'nodes': ' '.join(lifecycle),
        **({} if options.real else {'use_sim_time': False}),
    }), respawn=False, critical=True, leads=True)
