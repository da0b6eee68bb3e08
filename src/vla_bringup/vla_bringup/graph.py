"""The node graph as data: which nodes, with which parameters, who may die and come back.

`launch/sim.launch.py` and the supervisor are two thin readers of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
import os
from pathlib import Path
from types import MappingProxyType

from vla_core.errors import VlaError
from vla_core.spec import load_robot
from vla_planner.language import parse
from vla_policy.shipped import checkpoint_folder
from vla_recorder.formats import find_format
from vla_sim.catalogue import BOWL, find_scene

Parameter = bool | int | float | str


@dataclass(frozen=True)
class NodeSpec:
    """One node: where its executable is, what it is told, and what its death means."""

    package: str
    executable: str
    name: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    remappings: tuple[tuple[str, str], ...] = ()
    respawn: bool = True  # a crash is followed by a fresh start
    critical: bool = False  # its end is the end of the run
    leads: bool = False  # its exit code is the run's


@dataclass(frozen=True)
class GraphOptions:
    """Everything a run of the graph can be told."""

    robot: str = 'panda'
    scene: str = BOWL
    policy: str = 'default'  # 'default', 'expert' or a checkpoint's folder
    head: str = ''  # '' is the checkpoint's own choice
    instruction: str = ''  # '' draws tasks and sentences by the seed
    episodes: int = 3
    seed: int = 0
    rotate: bool = True  # tasks in rotation; False draws them at random by the seed
    timeout_s: float = 0.0  # of an episode in simulated time; 0 is each task's own
    record: str = ''  # folder of the data set; '' does not record
    record_format: str = 'lerobot'
    record_raw: bool = False  # every topic at its own rate, not a row a policy step
    run: str = 'runs/latest'  # folder for video, contact sheet and results
    command: str = ''  # what the user typed, for the results
    gui: bool = False
    lockstep: bool = False


def sim_graph(options: GraphOptions) -> list[NodeSpec]:
    """Return the nodes of a simulated run, in the order they are started.

    Raises a VlaError for an unknown robot, policy or instruction, and for numbers out of range.
    """
    load_robot(options.robot)
    scene = find_scene(options.scene)
    common: dict[str, Parameter] = {'robot': options.robot, 'lockstep': options.lockstep}
    timed = partial(timed_node, common)
    nodes = [
        sim_node(common, scene.name, options.gui),
        timed('vla_perception', 'perception_node', 'perception', touch=scene.touch),
        timed('vla_planner', 'planner_node', 'planner',
              planner='embedded' if scene.name == BOWL else 'verbatim'),
        policy_node(options.policy, options.head, scene.name, timed),
        timed('vla_control', 'control_node', 'control'),
    ]
    if options.record:
        nodes.append(timed(
            'vla_recorder', 'recorder_node', 'recorder', root=options.record,
            source='raw' if options.record_raw else 'observation',
            format=find_format(options.record_format).name))
    return [*nodes, _session(options)]


def graph_environment() -> dict[str, str]:
    """Return the environment variables every node of the graph needs.

    Discovery stays on this host, and Fast DDS takes the shipped shared-memory profile unless
    the user chose one.
    """
    profile = os.environ.get('FASTRTPS_DEFAULT_PROFILES_FILE', str(shared_memory_profile()))
    return {
        'FASTRTPS_DEFAULT_PROFILES_FILE': profile,
        'ROS_AUTOMATIC_DISCOVERY_RANGE':
            os.environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST'),
        'PYTHONUNBUFFERED': '1',
        'OMP_NUM_THREADS': os.environ.get('OMP_NUM_THREADS', '1'),
    }


def shared_memory_profile() -> Path:
    """Return the Fast DDS profile that carries images through shared memory."""
    return Path(str(resources.files('vla_bringup'))) / 'config' / 'fastdds.xml'


def check_policy(name: str) -> None:
    """Raise a VlaError unless `name` is 'expert', the shipped policy or a folder."""
    if name != 'expert':
        checkpoint_folder(name)


def sim_node(common: Mapping[str, Parameter], scene: str, gui: bool) -> NodeSpec:
    """Return the simulator, whose end is the end of the run."""
    return NodeSpec('vla_sim', 'sim_node', 'sim', {**common, 'scene': scene, 'gui': gui},
                    respawn=False, critical=True)


def timed_node(
    common: Mapping[str, Parameter], package: str, executable: str, name: str, *,
    simulated: bool = True, **parameters: Parameter,
) -> NodeSpec:
    """Return a node that lives by the simulator's clock, also in a namespace."""
    return NodeSpec(
        package, executable, name, {**common, 'use_sim_time': simulated, **parameters},
        remappings=(('/clock', 'clock'),))  # rclpy listens to the absolute name


def policy_node(
    policy: str, head: str, scene: str, timed: Callable[..., NodeSpec],
) -> NodeSpec:
    """Return the policy, or the expert of a scene in its place."""
    check_policy(policy)
    if policy == 'expert':
        return timed('vla_sim', 'expert_node', 'policy', scene=scene)
    return timed('vla_policy', 'policy_node', 'policy', policy=policy, head=head)


def _session(options: GraphOptions) -> NodeSpec:
    if options.episodes < 1:
        raise VlaError(f'episodes: got {options.episodes}, allowed 1 or more')
    if options.seed < 0:
        raise VlaError(f'seed: got {options.seed}, allowed 0 or more')
    if options.instruction and options.scene == BOWL:
        parse(options.instruction)
    parameters = {
        'robot': options.robot, 'scene': options.scene, 'policy': options.policy,
        'instruction': options.instruction,
        'episodes': options.episodes, 'seed': options.seed, 'rotate': options.rotate,
        'timeout_s': options.timeout_s, 'run': options.run, 'command': options.command,
        'record': options.record,
    }
    return NodeSpec(
        'vla_bringup', 'session_node', 'session', MappingProxyType(parameters),
        respawn=False, critical=True, leads=True)
