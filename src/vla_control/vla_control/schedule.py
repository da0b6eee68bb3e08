"""When a control tick is due in real time."""

NS = 1_000_000_000


class TickSchedule:
    """The control periods of the robot's clock, whether it runs at the speed of ours or not.

    The time is the newest joint state's stamp plus the steady time since it arrived, plus a lead:
    set-points leave that much before their time, to be there when it comes. Ticks lie on an
    even grid of that time, so set-points are evenly spaced however unevenly messages arrive,
    keep pace with a simulation slower than real time, and go on (to come to rest) when joint
    states stop. When the robot's clock then lags the grid, a moving arm waits for it: time goes
    back only at rest.
    """

    def __init__(
        self, period_ns: int, lead_ns: int, slip_ns: int = 100_000_000
    ) -> None:
        self._period_ns = period_ns
        self._lead_ns = lead_ns
        self._slip_ns = slip_ns
        self._burst = slip_ns // period_ns + 1
        self._anchor: tuple[int, float] | None = None  # stamp [ns], steady at its arrival [s]
        self._next_ns: int | None = None

    def on_joint_state(self, stamp_ns: int, steady_s: float) -> None:
        """Take the stamp of a joint state that arrives now."""
        self._anchor = (stamp_ns, steady_s)

    def restart(self) -> None:
        """Begin the grid anew with the next tick."""
        self._next_ns = None

    def now_ns(self, steady_s: float) -> int:
        """Return the robot's time, lead included [ns]; 0 before the first joint state."""
        if self._anchor is None:
            return 0
        stamp_ns, since_s = self._anchor
        return stamp_ns + self._lead_ns + int((steady_s - since_s) * NS)

    def due(self, steady_s: float, *, moving: bool) -> list[int]:
        """Return the ticks [ns] due now, oldest first.

        Missed ticks are caught up with, so that the motion stays where it should be by now;
        after a gap of more than `slip_ns` the grid begins anew.
        """
        if self._anchor is None:
            return []
        now = self.now_ns(steady_s)
        if self._next_ns is None or self._slipped(now, moving):
            self._next_ns = now
        ticks = []
        while self._next_ns <= now and len(ticks) < self._burst:
            ticks.append(self._next_ns)
            self._next_ns += self._period_ns
        return ticks

    def _slipped(self, now_ns: int, moving: bool) -> bool:
        behind_ns = now_ns - self._next_ns
        return behind_ns > self._slip_ns or (behind_ns < -self._slip_ns and not moving)
