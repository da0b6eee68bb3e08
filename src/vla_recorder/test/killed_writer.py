"""Write episodes until killed; say the number of each finished one on standard output."""

import argparse
from pathlib import Path

from episodes import make_episode
from vla_core.spec import load_robot

from vla_recorder.hdf5 import Hdf5Writer
from vla_recorder.lerobot import LeRobotWriter


def main() -> None:
    """Append to the folder without end."""
    parser = argparse.ArgumentParser()
    parser.add_argument('format', choices=['hdf5', 'lerobot'])
    parser.add_argument('folder', type=Path)
    parser.add_argument('first', type=int)
    args = parser.parse_args()
    writer = (Hdf5Writer(args.folder) if args.format == 'hdf5'
              else LeRobotWriter(args.folder, 12, load_robot('panda')))
    index = args.first
    while True:
        writer.write(make_episode(steps=3, seed=index))
        print(index, flush=True)
        index += 1


if __name__ == '__main__':
    main()
