"""Several processes that read batches ahead, through memory that all of them share.

The pictures of a batch are written once into a place of shared memory and copied out of it
once: making new shared memory for each batch takes longer than reading it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
import mmap
import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.reduction import DupFd
import os
import signal

import numpy as np
from vla_core.errors import InvalidDataError, VlaError
from vla_recorder.loader.loader import Loader, SampleBatch

AHEAD = 2  # batches that each process may have ready
_ENDS_S = 5.0  # time to end by itself


class LoaderProcesses:
    """Processes with a copy of a loader each; close them, or let them end with this one."""

    def __init__(self, loader: Loader, batch: int, processes: int) -> None:
        """Start `processes` processes for batches of up to `batch` samples."""
        context = multiprocessing.get_context('spawn')
        shapes = {camera: (AHEAD, batch, pictures.height, pictures.width, 3)
                  for camera, pictures in loader.episodes[0].pictures.items()}
        self._workers = [_Worker(context, loader, shapes) for _ in range(processes)]

    def batches(self, lists: Sequence[Sequence[int]]) -> Iterator[SampleBatch]:
        """Yield the batch of each list of samples, in their order.

        Raises what `Loader.batch` raises; VlaError when a process was killed.
        """
        count = len(self._workers)
        for worker in self._workers:
            worker.forget()
        for k in range(min(AHEAD * count, len(lists))):
            self._workers[k % count].ask(lists[k])
        for k in range(len(lists)):
            worker = self._workers[k % count]
            batch = worker.answer()
            if k + AHEAD * count < len(lists):
                worker.ask(lists[k + AHEAD * count])
            yield batch

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            worker.process.join(_ENDS_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


class _Worker:
    """One process as its user sees it: questions go in, answers come out in their order."""

    def __init__(
        self, context: multiprocessing.context.SpawnContext, loader: Loader,
        shapes: Mapping[str, tuple[int, ...]],
    ) -> None:
        self._asked = self._answered = 0
        self.connection, theirs = context.Pipe()
        memory = os.memfd_create('loader')  # not of /dev/shm, which containers keep small
        try:
            os.ftruncate(memory, max(1, sum(int(np.prod(s)) for s in shapes.values())))
            self._places = _places(memory, shapes)
            # The parent's end is not passed on, so that the child sees the parent's end.
            self.process = context.Process(
                target=_serve, args=(loader, theirs, _Handle(memory), shapes), daemon=True)
            self.process.start()
        finally:
            os.close(memory)
            theirs.close()

    def ask(self, indices: Sequence[int]) -> None:
        """Send the samples of a batch; at most AHEAD of them before their answers."""
        try:
            self.connection.send((self._asked % AHEAD, list(indices)))
        except OSError as error:
            raise _killed() from error
        self._asked += 1

    def answer(self) -> SampleBatch:
        """Return the batch that was asked for first."""
        place = self._answered % AHEAD
        try:
            batch = self.connection.recv()
        except (EOFError, OSError) as error:
            raise _killed() from error
        self._answered += 1
        if isinstance(batch, str):
            raise InvalidDataError(batch)
        return replace(batch, images={
            camera: pixels[place, :len(batch)].copy() for camera, pixels in self._places.items()})

    def forget(self) -> None:
        """Let go of answers nobody waits for any more."""
        while self._answered < self._asked:
            self.connection.recv()
            self._answered += 1


class _Handle:
    """A file descriptor that reaches a process as it is started."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __reduce__(self) -> tuple:
        return _detached, (DupFd(self._descriptor),)


def _detached(handle: DupFd) -> int:
    return handle.detach()


def _serve(
    loader: Loader, connection: Connection, memory: int, shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that asks
    places = _places(memory, shapes)
    os.close(memory)
    while True:
        try:
            place, indices = connection.recv()
        except (EOFError, OSError):
            return
        mine = {camera: pixels[place, :len(indices)] for camera, pixels in places.items()}
        try:
            answer: SampleBatch | str = replace(loader.batch(indices, mine), images={})
        except InvalidDataError as error:
            answer = str(error)
        try:
            connection.send(answer)
        except OSError:
            return


def _places(memory: int, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Return arrays (AHEAD, B, H, W, 3) uint8 in shared memory."""
    shared, places, start = mmap.mmap(memory, 0), {}, 0
    for camera, shape in shapes.items():
        size = int(np.prod(shape))
        places[camera] = np.frombuffer(shared, np.uint8, size, start).reshape(shape)
        start += size
    return places


def _killed() -> VlaError:
    return VlaError('a process of the loader was killed, perhaps for memory; allowed: fewer '
                    'processes or a smaller batch')
