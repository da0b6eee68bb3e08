"""The graph of `./vla teleop` for `ros2 launch vla_bringup teleop.launch.py`.

Keys come from another terminal: `ros2 run vla_bringup console_node`.
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import OpaqueFunction, SetEnvironmentVariable
from vla_bringup.graph import graph_environment
from vla_bringup.launch_node import (
    launch_node,
    log_level_argument,
    operator_arguments,
    real,
    whole,
)
from vla_bringup.operator_graph import operator_graph, OperatorOptions


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the nodes."""
    return LaunchDescription([
        *operator_arguments(),
        log_level_argument(),
        *(SetEnvironmentVariable(name, value) for name, value in graph_environment().items()),
        OpaqueFunction(function=_nodes),
    ])


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = context.launch_configurations
    options = OperatorOptions(
        device=given['device'], robot=given['robot'], scene=given['scene'],
        real=given['real'] == 'true', policy=given['policy'], instruction=given['task'],
        seed=whole(given, 'seed'), speed=real(given, 'speed'), joystick=given['joystick'],
        drivers=True)
    return [launch_node(spec, given['log_level']) for spec in operator_graph(options)]
