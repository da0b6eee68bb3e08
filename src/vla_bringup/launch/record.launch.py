"""The graph of `./vla record` for `ros2 launch vla_bringup record.launch.py out:=data/mine`.

What is recorded is said on the topic `operator` (start, stop, success, failure, keep, redo,
discard, quit): by the device's buttons, or by the keys of `ros2 run vla_bringup console_node`.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from vla_bringup.graph import graph_environment
from vla_bringup.launch_node import (
    launch_node,
    log_level_argument,
    operator_arguments,
    real,
    whole,
    YES_NO,
)
from vla_bringup.operator_graph import operator_graph, OperatorOptions, SCRIPTED
from vla_bringup.recordings import check_data_set


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the nodes."""
    return LaunchDescription([
        DeclareLaunchArgument(
            'out', description='folder of the data set; an existing one grows up to `episodes`'),
        DeclareLaunchArgument(
            'episodes', default_value='20', description='episodes the data set shall have'),
        DeclareLaunchArgument(
            'format', default_value='lerobot', choices=['lerobot', 'mcap'],
            description='format of the data set'),
        DeclareLaunchArgument(
            'hands_free', default_value='false', choices=YES_NO,
            description="begin, judge and keep by the simulator's verdict"),
        *operator_arguments(),
        log_level_argument(),
        *(SetEnvironmentVariable(name, value) for name, value in graph_environment().items()),
        OpaqueFunction(function=_nodes),
    ])


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = context.launch_configurations
    episodes, out = whole(given, 'episodes'), Path(given['out']).resolve()
    check_data_set(out, episodes, given['format'])
    options = OperatorOptions(
        device=given['device'], robot=given['robot'], scene=given['scene'],
        real=given['real'] == 'true', policy=given['policy'], instruction=given['task'],
        episodes=episodes, seed=whole(given, 'seed'), record=str(out),
        record_format=given['format'],
        hands_free=given['hands_free'] == 'true' or given['device'] == SCRIPTED,
        speed=real(given, 'speed'), joystick=given['joystick'], drivers=True)
    return [launch_node(spec, given['log_level']) for spec in operator_graph(options)]
