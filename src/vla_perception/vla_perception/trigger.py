"""Which instant the next observation is of, and when it is time to make it."""

from collections.abc import Collection

from vla_core.types import Tick

NS = 1_000_000_000


class FrameTrigger:
    """Real time: each frame of the reference camera that is a policy step after the last.

    It is due once no stream is missing at its stamp, or after `patience_s` on the steady clock:
    a camera that is not synchronised has no frame of that very stamp, and the nearest serves.
    """

    def __init__(self, step_s: float, patience_s: float = 0.02) -> None:
        self._gap_ns = round(0.75 * step_s * NS)  # frames jitter; 1.0 would lose every other
        self._patience_s = patience_s
        self._last_ns: int | None = None
        self._pending: tuple[int, float] | None = None  # stamp [ns], steady at arrival [s]

    def on_frame(self, stamp_ns: int, steady_s: float) -> None:
        """Take the stamp of a reference frame that arrives now."""
        last = self._last_ns
        if last is None or stamp_ns < last or stamp_ns - last >= self._gap_ns:
            self._pending = (stamp_ns, steady_s)
            self._last_ns = stamp_ns

    def pending_ns(self) -> int | None:
        """Return the stamp that waits [ns]."""
        return None if self._pending is None else self._pending[0]

    def take(self, missing: Collection[str], steady_s: float) -> int | None:
        """Return the stamp to observe now, given the streams that miss it; None: not yet."""
        if self._pending is None:
            return None
        stamp_ns, since_s = self._pending
        if missing and steady_s - since_s < self._patience_s:
            return None
        self._pending = None
        return stamp_ns


class TickTrigger:
    """Lockstep: exactly the stamp of each observe tick, once all it stands on has come.

    That is a sample of this stamp from every stream; or, where the tick counts the messages
    sent before it, so many of them: streams of a bag need not share a stamp.
    """

    def __init__(self) -> None:
        self._pending: int | None = None
        self._expected = 0  # messages before the pending tick; 0: not counted
        self._heard = 0  # messages since the start

    def on_message(self) -> None:
        """Count a message of any sensor."""
        self._heard += 1

    def on_tick(self, tick: Tick) -> None:
        """Take a tick."""
        if tick.observe:
            self._pending, self._expected = tick.stamp_ns, tick.messages

    def pending_ns(self) -> int | None:
        """Return the stamp that waits [ns]."""
        return self._pending

    def take(self, missing: Collection[str], steady_s: float) -> int | None:
        """Return the stamp to observe now, given the streams that miss it; None: not yet."""
        del steady_s  # waits as long as it takes: the simulation waits too
        waits = self._heard < self._expected if self._expected else bool(missing)
        if self._pending is None or waits:
            return None
        stamp_ns, self._pending = self._pending, None
        return stamp_ns


class EpisodeClock:
    """Which episode an instant belongs to, from the ticks the simulation publishes.

    Without a simulation no tick ever comes and the episode id stays empty.
    """

    def __init__(self) -> None:
        self._starts: list[tuple[int, str]] = []  # first tick's stamp [ns], episode id

    def on_tick(self, tick: Tick) -> None:
        """Take a tick."""
        if not self._starts or self._starts[-1][1] != tick.episode_id:
            self._starts = [*self._starts[-1:], (tick.stamp_ns, tick.episode_id)]

    def at(self, stamp_ns: int) -> str:
        """Return the id of the episode that was on at the stamp."""
        ids = [episode for start, episode in self._starts if start <= stamp_ns]
        return ids[-1] if ids else ''
