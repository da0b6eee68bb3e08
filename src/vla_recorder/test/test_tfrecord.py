"""The framing of TFRecords."""

from pathlib import Path

from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st
import pytest
from vla_core.errors import InvalidDataError
from vla_recorder.rlds import tfrecord

# What TensorFlow's own writer leaves of b'hello' and b''.
GOLDEN = bytes.fromhex(
    '0500000000000000eab2043e68656c6c6fbb1f1c19000000000000000029039807d8ea82a2')


def write(path: Path, *data: bytes) -> Path:
    with path.open('wb') as file:
        for record in data:
            tfrecord.write_record(file, len(record), [record[:2], record[2:]])
    return path


def load(path: Path) -> list[bytes]:
    found = []
    for record in tfrecord.records(path):
        tfrecord.check(record)
        found.append(path.read_bytes()[record.start:record.start + record.length])
    return found


@pytest.mark.parametrize(('data', 'crc'), [  # RFC 3720, B.4
    (bytes(32), 0x8A9136AA), (b'\xff' * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C), (b'123456789', 0xE3069283),
])
def test_the_checksum_is_crc32c(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc
    assert crc32c(data[7:], crc32c(data[:7])) == crc


def test_the_file_is_what_tensorflow_writes(tmp_path: Path) -> None:
    assert write(tmp_path / 'a', b'hello', b'').read_bytes() == GOLDEN
    assert load(tmp_path / 'a') == [b'hello', b'']


@given(st.lists(st.binary(max_size=64), max_size=4))
def test_write_then_read_is_identity(tmp_path_factory: pytest.TempPathFactory, data) -> None:
    path = tmp_path_factory.mktemp('records') / 'a'
    assert load(write(path, *data)) == data


def test_data_longer_than_a_block_is_checked_in_blocks(tmp_path: Path) -> None:
    data = bytes(range(256)) * (2 * tfrecord.BLOCK // 256 + 3)
    assert load(write(tmp_path / 'a', data)) == [data]


@pytest.mark.parametrize('cut', range(1, 21))
def test_records_before_the_cut_are_found(tmp_path: Path, cut: int) -> None:
    path = tmp_path / 'a'
    path.write_bytes(GOLDEN[:-cut])
    whole = tfrecord.records(path)
    if cut == 16:  # between two records: nothing tells that there was one more
        assert len(list(whole)) == 1
        return
    if cut < 16:
        assert next(whole).length == 5
    with pytest.raises(InvalidDataError, match=r'a: record \d: got a file that ends within'):
        next(whole)


@pytest.mark.parametrize('at', range(21))
def test_every_wrong_byte_is_found(tmp_path: Path, at: int) -> None:
    path = tmp_path / 'a'
    data = bytearray(GOLDEN)
    data[at] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(InvalidDataError, match='wrong checksum'):
        load(path)


def test_a_record_of_another_length_than_announced_is_refused(tmp_path: Path) -> None:
    with (tmp_path / 'a').open('wb') as file, pytest.raises(ValueError, match='announced'):
        tfrecord.write_record(file, 3, [b'four'])
