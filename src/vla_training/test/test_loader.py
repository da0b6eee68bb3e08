"""Batches of tensors are the samples, whoever reads them; a restart repeats and skips none."""

import pytest
import torch
from torch.utils.data import DataLoader
from training_fakes import write_episodes
from vla_core.errors import InvalidDataError
from vla_recorder.loader.loader import Loader, open_loader
from vla_training.loader import BatchLoader, TorchSamples


@pytest.fixture(scope='module')
def loader(tmp_path_factory: pytest.TempPathFactory) -> Loader:
    """Return four episodes of six frames."""
    folder = tmp_path_factory.mktemp('episodes')
    write_episodes(folder, 4)
    return open_loader([folder], chunk=3)


def seen(batches: BatchLoader) -> list[tuple[int, int]]:
    return [pair for batch in batches
            for pair in zip(batch.episode.tolist(), batch.frame.tolist())]


def test_a_data_loader_of_torch_reads_the_same(loader: Loader) -> None:
    lists = [[7, 2], [0]]
    batches = DataLoader(TorchSamples(loader), batch_size=None, sampler=lists, num_workers=1)
    for indices, batch in zip(lists, batches, strict=True):
        wanted = loader.batch(indices)
        assert batch.images['wrist'].numpy().tobytes() == wanted.images['wrist'].tobytes()
        assert batch.frame.tolist() == wanted.frame.tolist()


def test_a_batch_holds_the_samples_of_the_loader(loader: Loader) -> None:
    batch = TorchSamples(loader)[[7, 2]]
    for row, index in enumerate((7, 2)):
        sample = loader[index]
        assert batch.images['static'][row].numpy().tobytes() == sample.images['static'].tobytes()
        assert batch.action[row].numpy().tobytes() == sample.action.tobytes()
        assert batch.real[row].tolist() == sample.real.tolist()
        assert batch.instruction[row] == sample.instruction
    assert batch.images['static'].dtype == torch.uint8
    assert len(batch.to('cpu')) == 2


@pytest.mark.parametrize('processes', [0, 2])
def test_an_epoch_has_every_sample_once_whoever_reads(loader: Loader, processes: int) -> None:
    batches = BatchLoader(loader, 5, seed=4, processes=processes)
    first, second = seen(batches), seen(batches)
    assert sorted(first) == sorted(second) == [(e, f) for e in range(4) for f in range(6)]
    assert first != second
    assert first == seen(BatchLoader(loader, 7, seed=4))
    batches.close()


def test_a_restart_goes_on_after_the_last_batch_handed_out(loader: Loader) -> None:
    whole = seen(BatchLoader(loader, 4, seed=1))
    stopped = BatchLoader(loader, 4, seed=1, processes=2)
    had = [batch for _, batch in zip(range(3), stopped)]
    again = BatchLoader(loader, 4, seed=0)
    again.load_state_dict(stopped.state_dict())
    stopped.close()
    taken = [pair for b in had for pair in zip(b.episode.tolist(), b.frame.tolist())]
    assert len(again) == 3
    assert taken + seen(again) == whole
    assert again.state_dict()['epoch'] == 1


def test_ranks_share_an_epoch(loader: Loader) -> None:
    parts = [seen(BatchLoader(loader, 4, seed=2, rank=rank, ranks=3)) for rank in range(3)]
    assert [len(part) for part in parts] == [8, 8, 8]
    assert len({pair for part in parts for pair in part}) == 24


def test_batches_of_nothing_are_refused(loader: Loader) -> None:
    with pytest.raises(InvalidDataError, match='allowed 1 or more'):
        BatchLoader(loader, 0)
