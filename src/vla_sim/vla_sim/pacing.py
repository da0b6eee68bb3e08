"""When the simulation may take its next control step: by the clock, or by acknowledgement."""


class Pacer:
    """Real time: how many control periods are due; a long debt is dropped, never chased."""

    def __init__(self, period_s: float, max_burst: int = 12) -> None:
        self._period_s = period_s
        self._max_burst = max_burst
        self._start_s = 0.0
        self._done = 0
        self.dropped = 0  # periods the machine was too slow for

    def start(self, now_s: float) -> None:
        """Count from the steady time `now_s`."""
        self._start_s, self._done = now_s, 0

    def due(self, now_s: float) -> int:
        """Return the periods to take now; they count as taken."""
        behind = int((now_s - self._start_s) / self._period_s) - self._done
        if behind > self._max_burst:
            self.dropped += behind - self._max_burst
            self._start_s += (behind - self._max_burst) * self._period_s
            behind = self._max_burst
        self._done += max(behind, 0)
        return max(behind, 0)


class CommandGate:
    """Lockstep: whether control has acknowledged the tick and all it sent has arrived."""

    def __init__(self) -> None:
        self._stamp_ns: int | None = None
        self._promised: int | None = None
        self._arrived = 0

    def open(self, stamp_ns: int) -> None:
        """Wait for the commands of the tick at `stamp_ns`."""
        self._stamp_ns, self._promised, self._arrived = stamp_ns, None, 0

    def close(self) -> None:
        """Wait for nothing."""
        self._stamp_ns = None

    def on_ack(self, stamp_ns: int, sent: int) -> None:
        """Take control's acknowledgement: it sent so many commands."""
        if stamp_ns == self._stamp_ns:
            self._promised = sent

    def on_command(self, stamp_ns: int | None = None) -> None:
        """Take a command; one without a stamp belongs to the running tick."""
        if stamp_ns is None or stamp_ns == self._stamp_ns:
            self._arrived += 1

    @property
    def waiting(self) -> bool:
        """Say whether a tick is open and not yet complete."""
        return self._stamp_ns is not None and not self.ready

    @property
    def ready(self) -> bool:
        """Say whether the open tick is complete."""
        return (self._stamp_ns is not None and self._promised is not None
                and self._arrived >= self._promised)
