"""Which sample comes next: shuffled over all episodes, shared by ranks, resumable."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from vla_core.errors import InvalidDataError


@dataclass(frozen=True)
class Position:
    """A place in the endless row of samples; everything that decides what comes next."""

    size: int  # samples in the data set
    seed: int
    epoch: int = 0
    done: int = 0  # samples of this epoch that all ranks together have had

    def order(self) -> np.ndarray:
        """Return the samples of this epoch (size,) int64 in their order."""
        return np.random.default_rng([self.seed, self.epoch]).permutation(self.size)

    def rest(self, rank: int = 0, ranks: int = 1) -> np.ndarray:
        """Return what a rank gets of the rest of this epoch (M,) int64.

        All ranks get as many; up to ranks - 1 samples at the end of an epoch are left out,
        others in each. `done` means the same for any number of ranks, so a run may go on
        with another number of them.
        """
        left = self.order()[self.done:]
        return left[rank:len(left) // ranks * ranks:ranks]

    def after(self, samples: int, ranks: int = 1) -> 'Position':
        """Return the position after each rank had `samples` more of this epoch."""
        done = self.done + samples * ranks
        if self.size - done < ranks:
            return replace(self, epoch=self.epoch + 1, done=0)
        return replace(self, done=done)


class ShuffledSampler:
    """Yields the samples of a rank, epoch after epoch; its state is a small dict."""

    def __init__(self, size: int, seed: int = 0, rank: int = 0, ranks: int = 1) -> None:
        if size < ranks or not 0 <= rank < ranks:
            raise InvalidDataError(
                f'sampler: got rank {rank} of {ranks} for {size} samples, '
                'allowed ranks from 0 that get one or more each')
        self.position, self.rank, self.ranks = Position(size, seed), rank, ranks

    def __len__(self) -> int:
        """Return how many samples are left of this epoch for this rank."""
        return (self.position.size - self.position.done) // self.ranks

    def __iter__(self) -> Iterator[int]:
        """Yield the rest of this epoch."""
        for index in self.position.rest(self.rank, self.ranks).tolist():
            self.position = self.position.after(1, self.ranks)
            yield index

    def state_dict(self) -> dict[str, int]:
        """Return what `load_state_dict` needs to go on with the next sample."""
        position = self.position
        return {'size': position.size, 'seed': position.seed, 'epoch': position.epoch,
                'done': position.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where another sampler was; InvalidDataError for a data set of another size."""
        try:
            position = Position(**state)
        except TypeError as error:
            raise InvalidDataError(
                f'sampler state: got {sorted(state)}, allowed size, seed, epoch, done') from error
        if position.size != self.position.size:
            raise InvalidDataError(
                f'sampler state: got a position in {position.size} samples, '
                f'allowed {self.position.size} as this data set has')
        self.position = position
