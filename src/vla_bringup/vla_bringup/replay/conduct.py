"""Run a prepared replay, in one process or through the graph, and return what came of it."""

from collections.abc import Callable
from dataclasses import replace
import json
from pathlib import Path
import tempfile

from vla_bringup.replay import in_process
from vla_bringup.replay.golden import load, Recording
from vla_bringup.replay.graph import replay_graph
from vla_bringup.replay.identity import Identity
from vla_bringup.replay.run import make_planner, ReplayConfig
from vla_bringup.replay.script import Script
from vla_bringup.supervisor import Supervisor
from vla_core.errors import VlaError

OnEvent = Callable[[dict], None]


class ReplayBrokenError(VlaError):
    """A node died or fell silent in the middle of a replay."""


def play_in_process(config: ReplayConfig, script: Script, identity: Identity) -> Recording:
    """Replay in this process."""
    from vla_policy.policy import load_policy  # imports torch, which takes seconds
    policy = load_policy(config.policy, script.robot, config.head or None, config.threads)
    return in_process.run(script, make_planner(identity.planner), policy, identity)


def play_graph(
    config: ReplayConfig, script: Script, identity: Identity, *,
    log: Path | None = None, on_event: OnEvent = lambda event: None,
    on_start: Callable[[Supervisor], None] = lambda supervisor: None,
    live: bool = False, domain: int | None = None,
) -> Recording:
    """Replay through the nodes; raise ReplayBrokenError where one dies or falls silent.

    `on_event` hears what the replay node tells of its progress; `on_start` gets the supervisor.
    """
    wall_s = [0.0]

    def on_line(name: str, line: str) -> None:
        if name == 'replay' and line.startswith('{"event"'):
            event = json.loads(line)
            wall_s[0] = event.get('wall_s', wall_s[0])
            on_event(event)

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / 'replay.npz'
        nodes = replay_graph(config, script, identity, out, live=live)
        with (log or Path(folder) / 'log.txt').open('w') as lines:
            supervisor = Supervisor(nodes, lines, on_line, domain=domain)
            on_start(supervisor)
            code = supervisor.run()
        if code == 130:
            raise KeyboardInterrupt
        if code != 0:
            raise ReplayBrokenError(supervisor.problem or f'the replay ended with code {code}')
        return replace(load(out), wall_s=wall_s[0])
