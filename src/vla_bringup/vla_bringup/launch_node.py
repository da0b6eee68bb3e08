"""The nodes of a graph as `ros2 launch` starts them: what every launch file of ours does alike."""

from collections.abc import Callable, Mapping

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, Shutdown
from launch.events.process import ProcessExited
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from vla_bringup.graph import NodeSpec
from vla_control.teleop.devices import DEVICES
from vla_core.errors import InvalidDataError, VlaError
from vla_core.ros.spin import EXIT_MENDABLE
from vla_core.spec import robot_names
from vla_sim.catalogue import BOWL, SCENES

YES_NO = ['true', 'false']
RESPAWN_DELAY_S = 1.0
FINISH_S = '15'  # SIGINT until SIGTERM: the recorder may still write


def log_level_argument() -> DeclareLaunchArgument:
    """Return the argument that every launch file has."""
    return DeclareLaunchArgument(
        'log_level', default_value='info', choices=['debug', 'info', 'warn', 'error', 'fatal'],
        description='least severity the nodes log')


def operator_arguments() -> list[DeclareLaunchArgument]:
    """Return the arguments of the launch files in which a person drives."""
    return [
        DeclareLaunchArgument(
            'device', default_value='gamepad', choices=list(DEVICES),
            description='what the person holds'),
        DeclareLaunchArgument(
            'robot', default_value='panda',
            description=f"{', '.join(robot_names())}, or the path of a robot's YAML file"),
        DeclareLaunchArgument(
            'scene', default_value=BOWL, choices=list(SCENES),
            description='what stands on the table, in simulation'),
        DeclareLaunchArgument(
            'real', default_value='false', choices=YES_NO,
            description="the arm's own drivers are running: no simulation"),
        DeclareLaunchArgument(
            'policy', default_value='',
            description="a policy that drives until the person takes over: 'default' or a folder"),
        DeclareLaunchArgument(
            'task', default_value='',
            description="what is to be done: a sentence or a task's name"),
        DeclareLaunchArgument('seed', default_value='0', description='seed of the first scene'),
        DeclareLaunchArgument(
            'speed', default_value='0.5', description='share of full speed to begin with'),
        DeclareLaunchArgument(
            'joystick', default_value='',
            description='path of a gamepad to read; empty listens to a running joy_node'),
    ]


def launch_node(spec: NodeSpec, log_level: str) -> Node:
    """Return a node as an action."""
    return Node(
        package=spec.package, executable=spec.executable, name=spec.name, output='both',
        parameters=[{  # the type given, or a text that reads as a number becomes one
            key: ParameterValue(value, value_type=type(value))
            for key, value in spec.parameters.items()}],
        remappings=list(spec.remappings), ros_arguments=['--log-level', log_level],
        respawn=spec.respawn, respawn_delay=RESPAWN_DELAY_S, sigterm_timeout=FINISH_S,
        on_exit=_judge(spec))


def whole(given: Mapping[str, str], name: str) -> int:
    """Return an argument that is a whole number; raise InvalidDataError for another."""
    try:
        return int(given[name])
    except ValueError:
        raise InvalidDataError(f'{name}: got {given[name]!r}, allowed a whole number') from None


def real(given: Mapping[str, str], name: str) -> float:
    """Return an argument that is a number; raise InvalidDataError for another."""
    try:
        return float(given[name])
    except ValueError:
        raise InvalidDataError(f'{name}: got {given[name]!r}, allowed a number') from None


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
