"""The thread that waits for the disk, so that nobody else has to."""

from collections.abc import Callable
import queue
import threading
import traceback

from vla_core.episode import Episode, EpisodeWriter
from vla_core.errors import VlaError


class WriterThread:
    """Writes episodes in their order; at most `capacity` wait."""

    def __init__(self, writer: EpisodeWriter, capacity: int, say: Callable[[str], None]) -> None:
        self.written = 0
        self.failed = 0
        self.problem = ''  # why nothing is written any more
        self._writer, self._say = writer, say
        self._queue: queue.Queue[Episode | None] = queue.Queue(capacity)
        self._thread = threading.Thread(target=self._run, name='episode writer', daemon=True)
        self._thread.start()

    @property
    def queued(self) -> int:
        """Number of episodes that wait."""
        return self._queue.qsize()

    def put(self, episode: Episode) -> bool:
        """Queue an episode; return False when the queue is full."""
        try:
            self._queue.put_nowait(episode)
        except queue.Full:
            return False
        return True

    def close(self) -> None:
        """Wait until everything queued is written, then close the writer."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
            self._writer.close()

    def _run(self) -> None:
        while (episode := self._queue.get()) is not None:
            if self.problem:
                self.failed += 1
            else:
                self._write(episode)

    def _write(self, episode: Episode) -> None:
        try:
            self._writer.write(episode)
        except VlaError as error:  # this episode's fault: the next may fit
            self.failed += 1
            self._say(f'episode {episode.episode_id}: not written: {error}')
        except OSError as error:  # the disk's fault: full, gone, read-only
            self._stop(f'{type(error).__name__}: {error}')
        except Exception:  # noqa: BLE001 - the thread's boundary: stop recording, not the robot
            self._stop(traceback.format_exc())
        else:
            self.written += 1
            verdict = {True: 'success', False: 'failure', None: 'not judged'}[episode.success]
            self._say(f'episode {episode.episode_id} written ({verdict})')

    def _stop(self, problem: str) -> None:
        self.failed += 1
        self.problem = problem
        self._say(f'recording stopped, finished episodes stay: {problem}')
