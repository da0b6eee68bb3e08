"""The graph of `./vla replay` for `ros2 launch vla_bringup replay.launch.py bag:=BAG`.

It fails with the first difference from the golden steps, as the command does.
"""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from vla_bringup.graph import graph_environment
from vla_bringup.launch_node import launch_node, log_level_argument, YES_NO
from vla_bringup.replay import golden as files
from vla_bringup.replay.compare import compare, TOLERANCE
from vla_bringup.replay.graph import replay_graph
from vla_bringup.replay.run import prepare, ReplayConfig
from vla_core.errors import InvalidDataError, VlaError


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
            'golden', default_value='',
            description='file of the golden steps; empty is the one beside the bag'),
        DeclareLaunchArgument(
            'update', default_value='false', choices=YES_NO,
            description='write the golden steps instead of comparing with them'),
        DeclareLaunchArgument(
            'out', default_value='replay.npz', description='file of the steps of this replay'),
        log_level_argument(),
        *(SetEnvironmentVariable(name, value) for name, value in graph_environment().items()),
        OpaqueFunction(function=_nodes),
    ])


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = context.launch_configurations
    config = ReplayConfig(
        Path(given['bag']), given['policy'], given['head'], robot=given['robot'],
        instruction=given['instruction'])
    if not config.bag.exists():
        raise InvalidDataError(f'{config.bag}: got no such file or folder, allowed a bag')
    golden = Path(given['golden'] or files.golden_path(config.bag))
    update = given['update'] == 'true'
    expected = None if update else files.load(golden)
    script, identity = prepare(config)
    if expected is not None:
        identity.check(expected.identity, golden)
    out = golden if update else Path(given['out'])
    with closing(script.source):
        specs = replay_graph(config, script, identity, out.resolve())
    nodes = [launch_node(spec, given['log_level']) for spec in specs]
    last = nodes[-1]  # the replay's own; it is critical: its end is the end of all
    return [*nodes, RegisterEventHandler(OnProcessExit(
        target_action=last, on_exit=_judge(out.resolve(), expected)))]


def _judge(
    out: Path, golden: files.Recording | None,
) -> Callable[[ProcessExited, LaunchContext], LogInfo | None]:
    """Return what the end of the replay means: a line that tells it, or a failed launch."""
    def judge(event: ProcessExited, context: LaunchContext) -> LogInfo | None:
        if context.is_shutdown or event.returncode:
            return None
        if golden is None:
            return LogInfo(msg=f'golden steps are in {out}')
        result = compare(files.load(out).moments, golden.moments, TOLERANCE)
        if result.differences:
            raise VlaError(result.line)
        return LogInfo(msg=f'the same: {result.compared} steps')
    return judge
