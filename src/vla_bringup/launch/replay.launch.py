"""The graph of `./vla replay` for `ros2 launch vla_bringup replay.launch.py bag:=BAG`."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

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
from vla_bringup.graph import graph_environment, NodeSpec
from vla_bringup.replay.graph import replay_graph
from vla_bringup.replay.run import prepare, ReplayConfig
from vla_core.errors import VlaError


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the nodes."""
    return LaunchDescription([
        DeclareLaunchArgument('bag', description='rosbag2 folder or storage file'),
        DeclareLaunchArgument(
            'policy', default_value='default',
            description="'default' or the folder of a checkpoint"),
        DeclareLaunchArgument(
            'head', default_value='', choices=['', 'flow', 'l1'],
            description="action head of the policy; empty is the checkpoint's own choice"),
        DeclareLaunchArgument(
            'robot', default_value='', description='robot of a bag that does not tell'),
        DeclareLaunchArgument(
            'instruction', default_value='', description='what to ask for; empty: as the bag'),
        DeclareLaunchArgument(
            'out', default_value='replay.npz', description='file of the steps, as of --update'),
        DeclareLaunchArgument(
            'log_level', default_value='info', choices=['debug', 'info', 'warn', 'error', 'fatal'],
            description='least severity the nodes log'),
        *(SetEnvironmentVariable(name, value) for name, value in graph_environment().items()),
        OpaqueFunction(function=_nodes),
    ])


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = context.launch_configurations
    config = ReplayConfig(
        Path(given['bag']), given['policy'], given['head'], robot=given['robot'],
        instruction=given['instruction'])
    script, identity = prepare(config)
    out = Path(given['out']).resolve()
    with closing(script.source):
        specs = replay_graph(config, script, identity, out)
    return [LogInfo(msg=f'steps: {out}'), *(_node(spec, given['log_level']) for spec in specs)]


def _node(spec: NodeSpec, log_level: str) -> Node:
    return Node(
        package=spec.package, executable=spec.executable, name=spec.name, output='both',
        parameters=[{  # the type given, or a text that reads as a number becomes one
            key: ParameterValue(value, value_type=type(value))
            for key, value in spec.parameters.items()}],
        remappings=list(spec.remappings), ros_arguments=['--log-level', log_level],
        on_exit=_judge(spec))


def _judge(spec: NodeSpec) -> Callable[[ProcessExited, LaunchContext], Shutdown | None]:
    """Return what a node's end means: the end of all, or, as an exception, a failed replay."""
    def judge(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
        if context.is_shutdown:
            return None
        if event.returncode or not spec.leads:
            raise VlaError(f'{spec.name} has ended with code {event.returncode}')
        return Shutdown(reason='the replay has ended')
    return judge
