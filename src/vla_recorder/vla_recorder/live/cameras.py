"""Several cameras as frames of common instants while they come: one row at a time, no more kept.

The instants are the stamps of the first camera, and each camera shows its frame nearest to
them. A frame is chosen as soon as no later one can be nearer, or when `PATIENCE_S` has passed.
A camera that fell silent goes on showing its last frame, and the age of it says so; if it is
the first camera that fell silent, its instants go on at the declared rate. There are no rows
before every camera has brought a frame.
"""

from array import array
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

PATIENCE_S = 0.15
LATE = 1.8  # periods without a frame of the first camera: it fell silent

Row = Callable[[str, np.ndarray], None]  # camera, frame (H, W, 3) uint8


class LiveCameras:
    """Chooses the frames of each row."""

    def __init__(self, cameras: Sequence[str], rate_hz: float, emit: Row) -> None:
        """`emit` takes the frame of every camera for every row; the first camera leads."""
        self.stamps = array('q')  # of the rows [ns]
        self.ages = {camera: array('d') for camera in cameras}  # row minus frame [s]
        self.repeats = dict.fromkeys(cameras, 0)  # rows that show the frame of the row before
        self._lead, self._period_ns, self._emit = cameras[0], 1e9 / rate_hz, emit
        self._frames: dict[str, deque[tuple[int, np.ndarray]]] = {c: deque() for c in cameras}
        self._shown: dict[str, int] = {}
        self._pending: deque[int] = deque()
        self._newest_ns = 0

    def add(self, camera: str, stamp_ns: int, frame: np.ndarray) -> None:
        """Take a frame; stamps of a camera only grow."""
        self._frames[camera].append((stamp_ns, frame))
        self._newest_ns = max(self._newest_ns, stamp_ns)
        self._forget(self._frames[camera])
        last_ns = self._last_instant()
        if camera == self._lead:
            if last_ns is None or stamp_ns > last_ns:
                self._pending.append(stamp_ns)
        elif last_ns is not None:
            self._go_on_without_lead(last_ns)
        while self._pending and self._decided(self._pending[0]):
            self._row(self._pending.popleft())

    def end(self) -> None:
        """Show the rows that still waited for a nearer frame."""
        while self._pending:
            self._row(self._pending.popleft())

    def _last_instant(self) -> int | None:
        if self._pending:
            return self._pending[-1]
        return self.stamps[-1] if self.stamps else None

    def _forget(self, frames: deque[tuple[int, np.ndarray]]) -> None:
        """Drop frames that no instant can ask for any more."""
        oldest_ns = self._newest_ns - PATIENCE_S * 1e9 - 2 * self._period_ns
        while len(frames) > 1 and frames[1][0] < oldest_ns:
            frames.popleft()

    def _go_on_without_lead(self, last_ns: int) -> None:
        limit_ns = max(LATE * self._period_ns, PATIENCE_S * 1e9)
        while self._newest_ns - last_ns > limit_ns:
            last_ns += round(self._period_ns)
            self._pending.append(last_ns)

    def _decided(self, instant_ns: int) -> bool:
        if self._newest_ns - instant_ns > PATIENCE_S * 1e9:
            return True
        return all(frames and frames[-1][0] >= instant_ns for frames in self._frames.values())

    def _row(self, instant_ns: int) -> None:
        if not all(self._frames.values()):
            return
        self.stamps.append(instant_ns)
        for camera, frames in self._frames.items():
            while len(frames) > 1 and (
                    abs(frames[1][0] - instant_ns) < abs(frames[0][0] - instant_ns)):
                frames.popleft()
            stamp_ns, frame = frames[0]
            self.repeats[camera] += self._shown.get(camera) == stamp_ns
            self._shown[camera] = stamp_ns
            self.ages[camera].append((instant_ns - stamp_ns) / 1e9)
            self._emit(camera, frame)
