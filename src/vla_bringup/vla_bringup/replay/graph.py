"""The graph of a replay: the simulator's place is taken by the bag, the arm's by nobody."""

from dataclasses import asdict
import json
from pathlib import Path

from vla_bringup.graph import NodeSpec, Parameter
from vla_bringup.replay.identity import Identity
from vla_bringup.replay.run import ReplayConfig
from vla_bringup.replay.script import Script

CLOCK = (('/clock', 'clock'),)  # rclpy listens to the absolute name


def replay_graph(
    config: ReplayConfig, script: Script, identity: Identity, out: Path, *, live: bool = False,
) -> list[NodeSpec]:
    """Return the nodes of a replay that writes its recording to `out`.

    Every node is critical: a replay that lost one tells nothing. With `live` the bag is played
    by somebody else in real time, and the last node only listens.
    """
    robot = config.robot or script.robot.name
    common: dict[str, Parameter] = {'robot': robot, 'lockstep': not live, 'use_sim_time': True}

    def node(package: str, name: str, **parameters: Parameter) -> NodeSpec:
        return NodeSpec(package, f'{name}_node', name, {**common, **parameters}, CLOCK,
                        respawn=False, critical=True)

    return [
        node('vla_perception', 'perception', touch=script.source.touch),
        node('vla_planner', 'planner', planner=identity.planner),
        node('vla_policy', 'policy', policy=config.policy, head=config.head,
             threads=config.threads),
        NodeSpec(
            'vla_bringup', 'replay_live_node' if live else 'replay_node', 'replay',
            _told(config, identity, out), CLOCK, respawn=False, critical=True, leads=True)]


def _told(config: ReplayConfig, identity: Identity, out: Path) -> dict[str, Parameter]:
    return {
        'bag': str(config.bag.resolve()), 'robot': config.robot,
        'topic_map': str(config.topic_map.resolve()) if config.topic_map else '',
        'episode': -1 if config.episode is None else config.episode,
        'instruction': config.instruction, 'identity': json.dumps(asdict(identity)),
        'out': str(out.resolve()), 'stall_s': config.stall_s}
