"""Kill a writer again and again; say what it had finished each time, as JSON on stdout.

The writers are forked from this process, which has imported everything once: a trial costs
milliseconds. Each output line is `[episodes found, episodes written]` of one writer.
"""

import argparse
import json
import os
from pathlib import Path
import random
import signal
import time

from made_up_episodes import make_episode
from vla_core.episode import EpisodeWriter
from vla_core.spec import load_robot
from vla_recorder.formats import create_dataset, find_format, WriteOptions
from vla_recorder.lerobot.codec import LeRobotWriter


def open_writer(kind: str, folder: Path) -> tuple[EpisodeWriter, int]:
    """Return a writer and how many episodes it finds."""
    if kind in ('hdf5', 'aloha'):
        writer = create_dataset(folder, kind, WriteOptions(compress=kind == 'aloha'))
        return writer, len(find_format(kind).load().list_episodes(folder))
    if kind in ('rlds', 'mcap'):
        codec = find_format(kind).load()
        writer = codec.open_writer(folder, WriteOptions())
        return writer, len(codec.open_reader(folder)) if codec.holds(folder) else 0
    writer = LeRobotWriter(folder, 12, load_robot('panda'))
    return writer, writer.episodes


def write_until_killed(kind: str, folder: Path, pipe: int) -> None:
    """Append to the folder without end; tell the pipe of each finished episode."""
    writer, found = open_writer(kind, folder)
    os.write(pipe, f'{found}\n'.encode())
    while True:
        writer.write(make_episode(steps=3, seed=found))
        found += 1
        os.write(pipe, b'written\n')


def trial(kind: str, folder: Path, rng: random.Random) -> list[int]:
    """Return how many episodes one writer found, and wrote before it was killed."""
    reader, pipe = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        write_until_killed(kind, folder, pipe)
    os.close(pipe)
    with os.fdopen(reader) as heard:
        found = int(heard.readline())
        before = [heard.readline() for _ in range(rng.randrange(3))]
        time.sleep(rng.uniform(0.0, 0.05))  # then at any instant of the next one
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return [found, len(before) + len(heard.readlines())]


def main() -> None:
    """Run the trials."""
    parser = argparse.ArgumentParser()
    parser.add_argument('kind', choices=['hdf5', 'aloha', 'lerobot', 'rlds', 'mcap'])
    parser.add_argument('folder', type=Path)
    parser.add_argument('trials', type=int)
    args = parser.parse_args()
    rng = random.Random(0)
    for _ in range(args.trials):
        print(json.dumps(trial(args.kind, args.folder, rng)), flush=True)


if __name__ == '__main__':
    main()
