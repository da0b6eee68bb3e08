"""Convert, kill the converter again and again, and let it finish; print how often it was killed.

The converters are forked from this process, which has imported everything once.
"""

import argparse
import os
from pathlib import Path
import random
import signal
import time

from vla_recorder.convert.conversion import Conversion, convert
from vla_recorder.formats import find_format


class Silent:
    """A watcher that hears nothing."""

    def begin(self, total: int, done: int) -> None:
        """Ignore it."""

    def advance(self, share: float) -> None:
        """Ignore it."""

    def end(self, frames: int, left_out: int) -> None:
        """Ignore it."""

    def fail(self, index: int, message: str) -> None:
        """Ignore it."""


def run(plan: Conversion) -> None:
    """Convert in this process, never to return."""
    code = 1
    try:
        convert(plan, Silent())
        code = 0
    finally:
        os._exit(code)


def survives(plan: Conversion, after_s: float) -> bool:
    """Convert in a process that is killed `after_s` later; say whether it had finished."""
    child = os.fork()
    if not child:
        run(plan)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit('the converter failed')
    return os.WIFEXITED(status)


def main() -> None:
    """Kill for as long as the conversion is not finished, later and later."""
    parser = argparse.ArgumentParser()
    parser.add_argument('source', type=Path)
    parser.add_argument('destination', type=Path)
    parser.add_argument('format')
    parser.add_argument('seed', type=int)
    args = parser.parse_args()
    find_format(args.format).load()  # once, not in every child
    find_format('hdf5').load()
    plan = Conversion(args.source, args.destination, args.format)
    rng = random.Random(args.seed)
    kills = 0
    while not survives(plan, rng.uniform(0.0, 0.02 * 1.3 ** kills)):
        kills += 1
    print(kills)


if __name__ == '__main__':
    main()
