"""A recorder process that is killed: `python killed_recorder.py ROOT FORM SEED` records for ever.

It prints the id of every episode that the sink has finished, and nothing else.
"""

from itertools import count
from pathlib import Path
import sys
import time

from test_live_sinks import MS, NS, START, Studio


def main(root: str, form: str, seed: int) -> None:
    """Record one episode after another until death."""
    def say(line: str) -> None:
        if ' written (' in line:
            print(line.split()[1], flush=True)

    studio = Studio(Path(root), form, say)
    for number in count():
        start_ns = START + number * 10 * NS
        studio.recorder.start(start_ns, f'e{seed}-{number}')
        studio.play(0.4, start_ns=start_ns)
        studio.recorder.stop()
        while studio.recorder.state.waiting_bytes > 1 << 20:
            time.sleep(MS / NS)


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
