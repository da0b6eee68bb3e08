"""An even time for the executor out of a timer that jitters and a clock that comes in steps.

A tick that comes 2 ms late must not make the reference leap 10 ms ahead. So time advances by
exactly one period a tick and is drawn gently towards the clock; only a gap (a pause, a stalled
process) makes it jump. Where the clock is exact, as in lockstep, it is the clock to the
microsecond, and arithmetic is on integers so that the clock's offset changes nothing.
"""

PULL = 20  # one part in so many of the error is corrected each tick
GAP_NS = 100_000_000


class Pacer:
    """Evenly spaced stamps that follow a clock."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self.reset(0)

    def reset(self, now_ns: int) -> None:
        """Let the next tick be at `now_ns`."""
        self._base_ns = now_ns
        self._ticks = 0

    def tick(self, now_ns: int) -> int:
        """Return the stamp [ns] of the control period that begins about `now_ns`."""
        stamp = self._base_ns + self._ticks * 1_000_000_000 // self._rate_hz
        error = now_ns - stamp
        if abs(error) > GAP_NS:
            self.reset(now_ns)
            stamp = now_ns
        else:
            self._base_ns += int(error / (1000 * PULL)) * 1000
        self._ticks += 1
        return stamp
