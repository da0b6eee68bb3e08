"""Batches from other processes are those of this one, in order, whatever happens to them."""

from collections.abc import Iterator
import os
from pathlib import Path
import signal

from made_up_episodes import make_episode
import numpy as np
import pytest
from vla_core.errors import InvalidDataError, VlaError
from vla_recorder.hdf5.codec import Hdf5Writer
from vla_recorder.loader.loader import Loader, open_loader, SampleBatch
from vla_recorder.loader.processes import LoaderProcesses

LISTS = [[3, 0, 5], [1], [9, 8, 7], [2, 4], [6], [0, 1, 2]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for k in range(3):
        Hdf5Writer(tmp_path).write(make_episode(4, seed=k))
    return tmp_path


@pytest.fixture
def loader(folder: Path) -> Loader:
    return open_loader([folder], chunk=3)


@pytest.fixture
def others(loader: Loader) -> Iterator[LoaderProcesses]:
    processes = LoaderProcesses(loader, 3, 2)
    yield processes
    processes.close()


def assert_same(got: SampleBatch, wanted: SampleBatch) -> None:
    for name in ('state', 'action', 'real', 'stamp_ns', 'episode', 'frame'):
        np.testing.assert_array_equal(getattr(got, name), getattr(wanted, name), name)
    assert (got.instruction, got.subtask) == (wanted.instruction, wanted.subtask)
    assert got.images.keys() == wanted.images.keys()
    for camera, pixels in wanted.images.items():
        assert got.images[camera].tobytes() == pixels.tobytes()


def test_batches_come_in_order_again_and_again(loader: Loader, others: LoaderProcesses) -> None:
    for _ in range(2):
        kept = list(others.batches(LISTS))  # none is overwritten by a later one
        for got, indices in zip(kept, LISTS, strict=True):
            assert_same(got, loader.batch(indices))


def test_who_stops_early_may_begin_anew(loader: Loader, others: LoaderProcesses) -> None:
    assert_same(next(others.batches(LISTS)), loader.batch(LISTS[0]))
    assert_same(next(others.batches(LISTS[3:])), loader.batch(LISTS[3]))


def test_what_cannot_be_read_is_left_out_there_too(
    folder: Path, others: LoaderProcesses,
) -> None:
    (folder / 'episode_000001.h5').write_bytes(b'')
    batches = others.batches([[0, 4, 8], [5]])
    assert next(batches).episode.tolist() == [0, 2]
    with pytest.raises(InvalidDataError, match='none of which'):
        next(batches)


def test_a_killed_process_is_an_error_not_a_wait(others: LoaderProcesses) -> None:
    list(others.batches(LISTS))
    for worker in others._workers:
        os.kill(worker.process.pid, signal.SIGKILL)
        worker.process.join()
    with pytest.raises(VlaError, match='was killed'):
        list(others.batches(LISTS))
