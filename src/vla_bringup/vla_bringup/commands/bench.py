"""Measure the loop, the cameras, the tables, recording, loading and replay."""

from dataclasses import dataclass
from pathlib import Path
import shlex
import sys
from typing import Literal

import tyro
from vla_bringup.benchmarks import camera, inference, load, loop, record, replay, sim
from vla_bringup.benchmarks.figures import table
from vla_bringup.graph import check_policy
from vla_bringup.report import write_json
from vla_core.errors import VlaError


@dataclass(frozen=True)
class BenchOptions:
    """Measure one part on this machine.

    Examples:
        ./vla bench loop
        ./vla bench camera --json camera.json
        ./vla bench inference
        ./vla bench sim --episodes 8
        ./vla bench record --seconds 300 --lerobot-python ~/lerobot/bin/python
        ./vla bench load --lerobot-python ~/lerobot/bin/python

    """

    what: tyro.conf.Positional[
        Literal['loop', 'camera', 'inference', 'sim', 'record', 'load', 'replay']]
    """loop: image to joint command in the running graph; camera: frames lost at 30 Hz;
    inference: one chunk with 1 and 2 threads; sim: steps and demonstrations a second;
    record: 3 cameras of 640x480 at 30 Hz and joints at 1 kHz into the recorder;
    load: training samples at random from HDF5 and mp4, beside the limit of decoding;
    replay: a bag through perception, planner and policy, as multiple of real time."""
    policy: str = 'default'
    """'default', 'expert' (loop only) or the folder of a checkpoint."""
    episodes: int = 4
    """Episodes of the loop; of sim, a measurement."""
    seed: int = 100
    """Seed of the first episode of loop and sim."""
    frames: int = 150
    """Frames a camera."""
    repetitions: int = 50
    """Inferences timed."""
    seconds: float = 20.0
    """How long record records; as MCAP it takes 5 GB a minute of the disk."""
    lerobot_python: Path | None = None
    """An interpreter that has lerobot: record and load measure LeRobot's own beside ours."""
    dataset: Path | None = None
    """The data that load reads, of any format; without it, pictures of 224 px are rendered.
    The bag that replay plays; without it, the one of the repository."""
    json: Path | None = None
    """File for the figures."""


def main(options: BenchOptions) -> int:
    """Measure and print p50 and p99."""
    check_policy(options.policy)
    if (options.what, options.policy) == ('inference', 'expert'):
        raise VlaError("--policy: got 'expert', which has no model, allowed 'default' or a folder")
    if options.repetitions < 1:
        raise VlaError(f'--repetitions: got {options.repetitions}, allowed 1 or more')
    rows = {
        'loop': lambda: loop.run(options.policy, options.episodes, options.seed),
        'camera': lambda: camera.run(options.frames),
        'inference': lambda: inference.run(options.policy, options.repetitions),
        'sim': lambda: sim.run(options.episodes, options.seed),
        'record': lambda: record.run(options.seconds, options.lerobot_python),
        'replay': lambda: replay.run(options.policy, options.dataset),
        'load': lambda: load.run(options.dataset, options.lerobot_python, options.seed),
    }[options.what]()
    print(table(rows))
    if options.json is not None:
        write_json(options.json, {
            'bench': options.what, 'figures': rows, 'policy': options.policy,
            'command': shlex.join(['./vla', *sys.argv[1:]])})
    return 0
