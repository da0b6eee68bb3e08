"""Laws of arrays that stay in their file."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from vla_core.lazy import blocks, Gathered, is_lazy, SKIP, take


@dataclass
class File:
    """Lazy rows that count what is read of them."""

    rows: np.ndarray
    reads: list[slice] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.rows.shape

    @property
    def dtype(self) -> np.dtype:
        return self.rows.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice) -> np.ndarray:
        assert isinstance(rows, slice) and rows.step in (None, 1)
        self.reads.append(rows)
        return self.rows[rows]


def numbers(count: int) -> np.ndarray:
    return np.arange(count * 6, dtype=np.int32).reshape(count, 2, 3)


def test_only_what_stays_in_a_file_is_lazy() -> None:
    assert is_lazy(File(numbers(3))) and is_lazy(Gathered(File(numbers(3)), np.array([0])))
    assert not is_lazy(numbers(3)) and not is_lazy([1, 2]) and not is_lazy(np.float32(1))


@pytest.mark.parametrize('count', [0, 1, 31, 32, 33, 100])
def test_blocks_one_after_another_are_the_values(count: int) -> None:
    pieces = list(blocks(File(numbers(count))))
    assert all(0 < len(piece) <= 32 for piece in pieces)
    assert np.concatenate([numbers(0), *pieces]).tobytes() == numbers(count).tobytes()


@given(st.lists(st.integers(0, 99), max_size=40).map(sorted),
       st.integers(0, 45), st.integers(0, 45))
def test_gathered_rows_are_those_of_an_index(indices: list[int], start: int, stop: int) -> None:
    file, wanted = File(numbers(100)), np.array(indices, dtype=np.int64)
    gathered = Gathered(file, wanted)
    assert gathered.shape == (len(indices), 2, 3) and gathered.dtype == np.int32
    np.testing.assert_array_equal(gathered[start:stop], numbers(100)[wanted][start:stop])
    np.testing.assert_array_equal(gathered[:], numbers(100)[wanted])


def test_gathering_never_reads_much_more_than_is_asked_for() -> None:
    file = File(numbers(10_000))
    Gathered(file, np.array([0, 0, 3, 5000, 5000, 9999]))[:]
    assert sum(rows.stop - rows.start for rows in file.reads) <= 6 * SKIP


def test_taking_leaves_lazy_values_in_their_file() -> None:
    file = File(numbers(5))
    assert take(file, np.arange(5)) is file
    taken = take(take(file, np.array([0, 2, 4])), np.array([1, 1, 2]))
    assert is_lazy(taken) and not file.reads
    np.testing.assert_array_equal(taken[0:3], numbers(5)[[2, 2, 4]])
    np.testing.assert_array_equal(take(numbers(5), np.array([3, 1])), numbers(5)[[3, 1]])
