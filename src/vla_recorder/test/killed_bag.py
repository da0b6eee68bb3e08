"""Kill a process that records into bags, again and again; tell what it had done each time.

A message is 10 ms of a clock that only the messages move, so "two seconds" means 200 messages
on any machine. Each output line is JSON: `[episodes finished, messages of the next one]`, as
far as the process could tell before it was killed.
"""

import argparse
import json
import os
from pathlib import Path
import random
import signal

import numpy as np
from vla_core.episode import Episode
from vla_recorder.bag.codec import open_writer
from vla_recorder.bag.stream import BagStream

STEP_NS = 10_000_000
LENGTH = 350  # messages of an episode that is finished


def header(number: int) -> Episode:
    return Episode(f'e{number}', 'panda', '', 'fold the towel', {}, success=True)


def record_until_killed(folder: Path, pipe: int) -> None:
    """Record one episode after another; tell the pipe of each message and each end."""
    open_writer(folder).close()  # keeps what the one before left
    rng = np.random.default_rng(0)
    number = 0
    while True:
        now = [0.0]
        stream = BagStream(folder, header(number), clock=lambda: now[0])  # noqa: B023
        for k in range(LENGTH):
            now[0] += STEP_NS / 1e9
            stream.add('observation/state/joint_position', k * STEP_NS, np.full(7, float(k)))
            stream.add('observation/images/static', k * STEP_NS,
                       rng.integers(0, 255, (24, 32, 3), dtype=np.uint8))
            os.write(pipe, b'm')
        stream.end(header(number))
        number += 1
        os.write(pipe, b'e')


def trial(folder: Path, rng: random.Random) -> tuple[int, int]:
    """Return how many episodes were finished, and messages of the next one, before the kill."""
    reader, pipe = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        record_until_killed(folder, pipe)
    os.close(pipe)
    with os.fdopen(reader, 'rb', buffering=0) as heard:
        wanted = rng.randrange(2 * LENGTH)
        told = b''
        while len(told) < wanted:
            told += heard.read(wanted - len(told))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while more := heard.read(4096):
            told += more
    return told.count(b'e'), len(told) - 1 - told.rfind(b'e')


def main() -> None:
    """Run the trials."""
    parser = argparse.ArgumentParser()
    parser.add_argument('folder', type=Path)
    parser.add_argument('trials', type=int)
    args = parser.parse_args()
    rng = random.Random(0)
    for number in range(args.trials):
        print(json.dumps(trial(args.folder / f'{number}', rng)), flush=True)


if __name__ == '__main__':
    main()
