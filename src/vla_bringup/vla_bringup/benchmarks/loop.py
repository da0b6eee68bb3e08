"""The loop's latency, rate and jitter, measured in the running graph by a probe node."""

import json
from pathlib import Path
import tempfile

from vla_bringup.graph import GraphOptions, NodeSpec, sim_graph
from vla_bringup.supervisor import Supervisor
from vla_core.errors import VlaError


def run(policy: str, episodes: int, seed: int, head: str = '') -> dict[str, dict]:
    """Return p50 and p99 of each figure over a few episodes in real time."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / 'loop.json'
        nodes = sim_graph(GraphOptions(
            policy=policy, head=head, episodes=episodes, seed=seed, run=str(Path(folder) / 'run')))
        probe = NodeSpec('vla_bringup', 'benchmarks.loop_node', 'probe', {'out': str(out)})
        with (Path(folder) / 'log.txt').open('w') as log:
            supervisor = Supervisor([*nodes[:-1], probe, nodes[-1]], log)
            code = supervisor.run()
        if code == 130:
            raise KeyboardInterrupt
        if code != 0 or not out.exists():
            raise VlaError(f'loop bench: {supervisor.problem or "the probe wrote nothing"}')
        return json.loads(out.read_text())
