"""How fast a bag is replayed, as a multiple of the time it took to record."""

from contextlib import closing
import os
from pathlib import Path

import numpy as np
from vla_bringup.replay.conduct import play_graph, play_in_process
from vla_bringup.replay.run import prepare, ReplayConfig
from vla_core.errors import InvalidDataError

_RUNS = 3
BAG = Path('test', 'bags', 'red_block')


def run(policy: str, bag: Path | None) -> dict[str, dict]:
    """Return median and lowest speed [x real time] through the graph and in one process."""
    bag = bag or Path(os.environ.get('VLA_ROOT', '.')) / BAG
    if not bag.exists():
        raise InvalidDataError(f'--dataset: got no bag {bag}, allowed one to replay')
    config = ReplayConfig(bag, policy)
    script, identity = prepare(config)
    rows = {}
    with closing(script.source):
        for name, play in (('through the graph', play_graph), ('in one process', play_in_process)):
            speeds = []
            for _ in range(_RUNS):
                recording = play(config, script, identity)
                speeds.append(recording.speed(script.robot.policy.step_s))
            rows[f'{name} [x real time]'] = {
                'median': float(np.median(speeds)), 'lowest': float(min(speeds)),
                'count': len(speeds)}
    return rows
