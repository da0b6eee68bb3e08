"""The threads between the topics and the disk: nobody who hears messages ever waits for it.

One thread hands messages to the sink, a second one finishes the episodes that ended, so that
the next one can be recorded meanwhile. What waits between them is bounded: a message for which
there is no room is refused, and whoever heard it counts it.
"""

from collections.abc import Callable
import contextlib
from dataclasses import dataclass
import queue
import threading
import traceback

from vla_core.episode import Episode
from vla_core.errors import VlaError
from vla_recorder.live.sink import Finish, Sink
from vla_recorder.recording.raw_channels import Channel

SMALL = 64 << 10  # messages below it may use the last eighth of the queue: pictures never crowd
# out the joints
OVERHEAD = 256  # bytes that a waiting message takes beside its data
REST_S = 0.5


@dataclass(frozen=True)
class _Begin:
    header: Episode


@dataclass(frozen=True)
class _End:
    header: Episode


_DISCARD, _CLOSE = 'discard', 'close'


class SinkThread:
    """Hands messages to a sink, in their order."""

    def __init__(
        self, sink: Sink, say: Callable[[str], None], queue_bytes: int, finishing: int = 4,
    ) -> None:
        """Let `queue_bytes` of messages wait, and `finishing` ended episodes."""
        self.problem = ''  # why nothing is written any more
        self.written = self.failed = 0
        self._sink, self._say = sink, say
        self._limit = queue_bytes
        self._limit_large = queue_bytes - queue_bytes // 8
        self._put_bytes = self._taken_bytes = 0  # each is written by one thread alone
        self._lost = False  # the running episode failed: its messages go nowhere
        self._queue: queue.SimpleQueue = queue.SimpleQueue()
        self._ended: queue.Queue[tuple[Episode, Finish] | None] = queue.Queue(finishing)
        self._threads = [
            threading.Thread(target=self._hand_over, name='recorder sink', daemon=True),
            threading.Thread(target=self._finish, name='recorder finish', daemon=True)]
        for thread in self._threads:
            thread.start()

    @property
    def waiting_bytes(self) -> int:
        """Size of what waits for the sink."""
        return self._put_bytes - self._taken_bytes

    def put(self, channel: Channel, stamp_ns: int, heard_ns: int, data: bytes) -> bool:
        """Queue a message; return False where there is no room for it."""
        size = len(data) + OVERHEAD
        limit = self._limit if size < SMALL else self._limit_large
        if self.waiting_bytes + size > limit:
            return False
        self._put_bytes += size
        self._queue.put((channel, stamp_ns, heard_ns, data))
        return True

    def begin(self, header: Episode) -> None:
        """Begin an episode."""
        self._queue.put(_Begin(header))

    def end(self, header: Episode) -> None:
        """End the running episode and keep it."""
        self._queue.put(_End(header))

    def discard(self) -> None:
        """Forget the running episode."""
        self._queue.put(_DISCARD)

    def close(self) -> None:
        """Wait until everything queued is on the disk, then close the sink."""
        if self._threads[0].is_alive():
            self._queue.put(_CLOSE)
            for thread in self._threads:
                thread.join()
            self._sink.close()

    # --- the thread of the sink ---------------------------------------------------------------

    def _hand_over(self) -> None:
        while True:
            try:
                item = self._queue.get(timeout=REST_S)
            except queue.Empty:
                self._guarded(self._sink.rest)
                continue
            if item is _CLOSE:
                self._ended.put(None)
                return
            if type(item) is tuple:
                self._take(item)
            else:
                self._turn(item)

    def _take(self, item: tuple[Channel, int, int, bytes]) -> None:
        if not self._lost:
            self._guarded(self._sink.write, *item)
        self._taken_bytes += len(item[3]) + OVERHEAD

    def _turn(self, item: _Begin | _End | str) -> None:
        """Begin, end or discard an episode."""
        if isinstance(item, _Begin):
            self._lost = bool(self.problem)
            self._guarded(self._sink.begin, item.header)
        elif self._lost:
            self.failed += item != _DISCARD
        elif item == _DISCARD:
            self._guarded(self._sink.discard)
        else:
            finish = self._guarded(self._sink.end, item.header)
            if finish is not None:
                self._ended.put((item.header, finish))

    def _guarded(self, call: Callable, *arguments: object) -> Finish | None:
        """Call the sink; an error ends the running episode, one of the disk all recording."""
        if self._lost:
            return None
        try:
            return call(*arguments)
        except Exception as error:  # noqa: BLE001 - the thread's boundary
            self._lost = True
            self._report(error, 'the running episode')
            if isinstance(error, VlaError):
                with contextlib.suppress(OSError):  # the next episode may begin all the same
                    self._sink.discard()
            self.failed += call == self._sink.end  # of any other call its end will tell
            return None

    # --- the thread that finishes episodes ----------------------------------------------------

    def _finish(self) -> None:
        while (item := self._ended.get()) is not None:
            header, finish = item
            try:
                finish()
            except Exception as error:  # noqa: BLE001 - the thread's boundary
                self.failed += 1
                self._report(error, f'episode {header.episode_id}')
            else:
                self.written += 1
                verdict = {True: 'success', False: 'failure', None: 'not judged'}[header.success]
                self._say(f'episode {header.episode_id} written ({verdict})')

    def _report(self, error: Exception, what: str) -> None:
        if isinstance(error, VlaError):  # this episode's fault: the next may fit
            self._say(f'{what}: not written: {error}')
            return
        text = f'{type(error).__name__}: {error}'
        if not isinstance(error, OSError):
            text = traceback.format_exc()
        self.problem = text
        self._say(f'recording stopped, finished episodes stay: {text}')
