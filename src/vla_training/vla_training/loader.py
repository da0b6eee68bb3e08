"""Batches of tensors from data sets on the disk, by several processes, resumable to the sample.

`open_batches` is for training straight from HDF5, LeRobot or any other format, without arrays
built beforehand: what does not fit into memory or onto the disk twice. Numbers stay as recorded;
pictures are uint8.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from math import ceil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from vla_core.errors import InvalidDataError
from vla_recorder.loader.loader import Loader, open_loader, SampleBatch
from vla_recorder.loader.processes import LoaderProcesses
from vla_recorder.loader.sampler import ShuffledSampler


@dataclass(frozen=True)
class TensorBatch:
    """B samples; B is smaller at the end of an epoch, and where pictures cannot be read."""

    images: dict[str, Tensor]  # camera -> (B, H, W, 3) uint8 RGB
    state: Tensor  # (B, S) float32
    action: Tensor  # (B, T, A) float32
    real: Tensor  # (B, T) bool; False after the end of the episode
    instruction: tuple[str, ...]
    subtask: tuple[str, ...]
    stamp_ns: Tensor  # (B,) int64
    episode: Tensor  # (B,) int64
    frame: Tensor  # (B,) int64

    @classmethod
    def of(cls, batch: SampleBatch) -> 'TensorBatch':
        """Return the batch as tensors that share its memory."""
        return cls(**{field.name: _tensors(getattr(batch, field.name)) for field in fields(cls)})

    def to(self, device: torch.device | str) -> 'TensorBatch':
        """Return the batch on a device."""
        return TensorBatch(**{
            field.name: _moved(getattr(self, field.name), device) for field in fields(self)})

    def __len__(self) -> int:
        return len(self.state)


class TorchSamples(Dataset):
    """A Loader as torch's DataLoader wants it: a list of indices in, a batch out.

    For `DataLoader(samples, batch_size=None, sampler=lists of indices)`, where a program is
    built around one; `BatchLoader` is faster and can be resumed.
    """

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return len(self.loader)

    def __getitem__(self, indices: int | Sequence[int]) -> TensorBatch:
        """Return one sample or several as a batch."""
        return TensorBatch.of(self.loader.batch(np.atleast_1d(indices)))


class BatchLoader:
    """Shuffled batches of this rank, an epoch each time it is iterated over.

    `state_dict` tells how far the batches that were handed out go, not those that are being
    read ahead; a loader that loads it goes on with the very next sample, also on another
    number of ranks or processes.
    """

    def __init__(
        self, loader: Loader, batch: int, *, seed: int = 0, processes: int = 0,
        rank: int = 0, ranks: int = 1,
    ) -> None:
        """Read batches of `batch` samples in `processes` others, 0: in this one."""
        if batch < 1 or processes < 0:
            raise InvalidDataError(
                f'batches: got {batch} samples in {processes} processes, '
                'allowed 1 or more in 0 or more')
        self.loader = loader
        self._batch, self._processes = batch, processes
        self._sampler = ShuffledSampler(len(loader), seed, rank, ranks)
        self._others: LoaderProcesses | None = None

    def __len__(self) -> int:
        """Return how many batches are left of this epoch."""
        return ceil(len(self._sampler) / self._batch)

    def __iter__(self) -> Iterator[TensorBatch]:
        """Yield the rest of this epoch."""
        sampler = self._sampler
        rest = sampler.position.rest(sampler.rank, sampler.ranks).tolist()
        lists = [rest[k:k + self._batch] for k in range(0, len(rest), self._batch)]
        for indices, batch in zip(lists, self._read(lists), strict=True):
            sampler.position = sampler.position.after(len(indices), sampler.ranks)
            yield TensorBatch.of(batch)

    def _read(self, lists: Sequence[Sequence[int]]) -> Iterator[SampleBatch]:
        if not self._processes:
            return map(self.loader.batch, lists)
        if self._others is None:
            self._others = LoaderProcesses(self.loader, self._batch, self._processes)
        return self._others.batches(lists)

    def close(self) -> None:
        """End the processes and close the files; they start again when they are needed."""
        if self._others is not None:
            self._others.close()
            self._others = None
        self.loader.close()

    def state_dict(self) -> dict[str, int]:
        """Return the position after the last batch that was handed out."""
        return self._sampler.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a position in the same data."""
        self._sampler.load_state_dict(state)


def open_batches(
    paths: Sequence[Path], batch: int, chunk: int, cameras: Sequence[str] | None = None,
    *, seed: int = 0, processes: int = 0, rank: int = 0, ranks: int = 1,
) -> BatchLoader:
    """Open data sets of any format for training."""
    loader = open_loader(paths, chunk, cameras)
    return BatchLoader(loader, batch, seed=seed, processes=processes, rank=rank, ranks=ranks)


def _tensors(value: object) -> object:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    if isinstance(value, tuple):
        return value
    return {name: torch.from_numpy(pixels) for name, pixels in value.items()}


def _moved(value: object, device: torch.device | str) -> object:
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, tuple):
        return value
    return {name: pixels.to(device, non_blocking=True) for name, pixels in value.items()}
