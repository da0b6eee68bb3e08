"""The graph of `./vla sim` for `ros2 launch vla_bringup sim.launch.py`."""

from collections.abc import Callable
from pathlib import Path
import time

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.events.process import ProcessExited
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from vla_bringup.graph import graph_environment, GraphOptions, NodeSpec, sim_graph
from vla_core.errors import InvalidDataError, VlaError
from vla_core.ros.spin import EXIT_MENDABLE
from vla_core.spec import robot_names
from vla_sim.catalogue import BOWL, SCENES

YES_NO = ['true', 'false']
RESPAWN_DELAY_S = 1.0
FINISH_S = '15'  # SIGINT until SIGTERM: the recorder may still write


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the nodes."""
    return LaunchDescription([
        DeclareLaunchArgument(
            'robot', default_value='panda',
            description=f"{', '.join(robot_names())}, or the path of a robot's YAML file"),
        DeclareLaunchArgument(
            'scene', default_value=BOWL, choices=list(SCENES),
            description='what stands on the table'),
        DeclareLaunchArgument(
            'policy', default_value='default',
            description="'default', 'expert' (scripted) or the folder of a checkpoint"),
        DeclareLaunchArgument(
            'head', default_value='', choices=['', 'flow', 'l1'],
            description="action head of the policy; empty is the checkpoint's own choice"),
        DeclareLaunchArgument(
            'instruction', default_value='',
            description='what to ask for; empty takes the tasks in turn'),
        DeclareLaunchArgument('episodes', default_value='3', description='episodes to run'),
        DeclareLaunchArgument('seed', default_value='0', description='seed of the first episode'),
        DeclareLaunchArgument(
            'record', default_value='',
            description="folder of the recorded data set; empty puts it into the run's folder"),
        DeclareLaunchArgument(
            'gui', default_value='false', choices=YES_NO,
            description="show the simulator's window"),
        DeclareLaunchArgument(
            'lockstep', default_value='false', choices=YES_NO,
            description='step as fast as the nodes answer instead of in real time'),
        DeclareLaunchArgument(
            'log_level', default_value='info', choices=['debug', 'info', 'warn', 'error', 'fatal'],
            description='least severity the nodes log'),
        *(SetEnvironmentVariable(name, value) for name, value in graph_environment().items()),
        OpaqueFunction(function=_nodes),
    ])


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = context.launch_configurations
    run = Path('runs', time.strftime('%Y%m%d-%H%M%S')).resolve()
    options = GraphOptions(
        robot=given['robot'], scene=given['scene'], policy=given['policy'], head=given['head'],
        instruction=given['instruction'], episodes=_whole(given, 'episodes'),
        seed=_whole(given, 'seed'), record=given['record'] or str(run / 'dataset'), run=str(run),
        command='ros2 launch vla_bringup sim.launch.py', gui=given['gui'] == 'true',
        lockstep=given['lockstep'] == 'true')
    nodes = [_node(spec, given['log_level']) for spec in sim_graph(options)]
    return [LogInfo(msg=f'results, video and data set: {run}'), *nodes]


def _node(spec: NodeSpec, log_level: str) -> Node:
    return Node(
        package=spec.package, executable=spec.executable, name=spec.name, output='both',
        parameters=[{  # the type given, or a text that reads as a number becomes one
            key: ParameterValue(value, value_type=type(value))
            for key, value in spec.parameters.items()}],
        remappings=list(spec.remappings), ros_arguments=['--log-level', log_level],
        respawn=spec.respawn, respawn_delay=RESPAWN_DELAY_S, sigterm_timeout=FINISH_S,
        on_exit=_judge(spec))


def _judge(spec: NodeSpec) -> Callable[[ProcessExited, LaunchContext], Shutdown | None]:
    """Return what a node's end means: nothing, the end, or, as an exception, a failed run."""
    def judge(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
        if context.is_shutdown:
            return None
        failed = event.returncode if spec.critical else event.returncode == EXIT_MENDABLE
        if failed:
            raise VlaError(f'{spec.name} has ended with code {event.returncode}')
        return Shutdown(reason=f'{spec.name} has ended') if spec.critical else None
    return judge


def _whole(given: dict[str, str], name: str) -> int:
    try:
        return int(given[name])
    except ValueError:
        raise InvalidDataError(f'{name}: got {given[name]!r}, allowed a whole number') from None
