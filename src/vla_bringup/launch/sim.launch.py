"""The graph of `./vla sim` for `ros2 launch vla_bringup sim.launch.py`."""

from pathlib import Path
import time

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from vla_bringup.graph import graph_environment, GraphOptions, sim_graph
from vla_bringup.launch_node import launch_node, log_level_argument, whole, YES_NO
from vla_core.spec import robot_names
from vla_sim.catalogue import BOWL, SCENES


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
        log_level_argument(),
        *(SetEnvironmentVariable(name, value) for name, value in graph_environment().items()),
        OpaqueFunction(function=_nodes),
    ])


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = context.launch_configurations
    run = Path('runs', time.strftime('%Y%m%d-%H%M%S')).resolve()
    options = GraphOptions(
        robot=given['robot'], scene=given['scene'], policy=given['policy'], head=given['head'],
        instruction=given['instruction'], episodes=whole(given, 'episodes'),
        seed=whole(given, 'seed'), record=given['record'] or str(run / 'dataset'), run=str(run),
        command='ros2 launch vla_bringup sim.launch.py', gui=given['gui'] == 'true',
        lockstep=given['lockstep'] == 'true')
    nodes = [launch_node(spec, given['log_level']) for spec in sim_graph(options)]
    return [LogInfo(msg=f'results, video and data set: {run}'), *nodes]
