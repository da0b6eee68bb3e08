"""What a process costs while it runs: processor time and memory, out of /proc."""

import os
from pathlib import Path
import threading

import numpy as np

_TICK = os.sysconf('SC_CLK_TCK')
_MB = 1e6


class Watch:
    """Samples a process each half second in a thread, until `end`."""

    def __init__(self, pid: int, period_s: float = 0.5) -> None:
        self._pid, self._period_s = pid, period_s
        self._rows: list[tuple[float, float, float]] = []  # steady [s], CPU [s], memory [MB]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> dict[str, float]:
        """Return cores used, the peak of memory and its slope over the second half."""
        self._over.set()
        self._thread.join()
        times, cpu, memory = np.array(self._rows).T
        half = len(times) // 2
        slope = np.polyfit(times[half:], memory[half:], 1)[0] if len(times) - half > 2 else 0.0
        return {'cores': float((cpu[-1] - cpu[0]) / max(times[-1] - times[0], 1e-9)),
                'peak_mb': float(memory.max()), 'slope_mb_min': float(60.0 * slope)}

    def _run(self) -> None:
        began = os.times().elapsed
        while not self._over.wait(self._period_s):
            try:
                self._rows.append((os.times().elapsed - began, *usage(self._pid)))
            except OSError:
                return


def usage(pid: int) -> tuple[float, float]:
    """Return CPU time [s] of a process with its children, and its own memory [MB].

    Memory is what it has for itself: pages of files can be dropped at any time.
    """
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    cpu_s = sum(map(int, fields[11:15])) / _TICK
    for line in Path(f'/proc/{pid}/status').read_text().splitlines():
        if line.startswith('RssAnon:'):
            return cpu_s, int(line.split()[1]) * 1024 / _MB
    return cpu_s, 0.0
