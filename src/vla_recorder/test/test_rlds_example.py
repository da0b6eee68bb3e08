"""tf.train.Example on the wire."""

import io

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest
from vla_recorder.rlds import example as wire

INT64 = st.integers(-2**63, 2**63 - 1)
LISTS = st.one_of(
    st.lists(INT64, max_size=9).map(lambda v: np.array(v, np.int64)),
    hnp.arrays(np.float32, st.integers(0, 9)),
    st.lists(st.binary(max_size=200), max_size=4))
EXTREMES = [0, 1, 127, 128, 300, -1, 2**63 - 1, -2**63]


def encode(value: np.ndarray | list[bytes]) -> wire.List:
    if isinstance(value, list):
        return wire.texts(value)
    return wire.floats(value) if value.dtype == np.float32 else wire.integers(value)


def example(values: dict) -> bytes:
    length, pieces = wire.example({name: encode(value) for name, value in values.items()})
    data = b''.join(pieces)
    assert len(data) == length
    return data


def parse(data: bytes) -> dict[str, wire.Found]:
    return wire.parse(io.BytesIO(data), 0, len(data))


def bytes_of(data: bytes, found: wire.Found) -> list[bytes]:
    return [wire.read(io.BytesIO(data), place) for place in found.places]


@pytest.mark.parametrize(('values', 'hexadecimal'), [  # as TensorFlow serialises them
    ({'a': np.array(EXTREMES)},
     '0a2f0a2d0a016112281a260a2400017f8001ac02ffffffffffffffffff01ffffffffffffffff7f'
     '80808080808080808001'),
    ({'b': np.array([1.5, -0.0], np.float32)}, '0a130a110a0162120c120a0a080000c03f00000080'),
    ({'c/d': [b'', b'x' * 130]},
     '0a95010a92010a03632f64128a010a87010a000a8201' + '78' * 130),
    ({'e': np.array([], np.int64)}, '0a090a070a016512021a00'),
])
def test_the_bytes_are_those_of_tensorflow(values: dict, hexadecimal: str) -> None:
    assert example(values).hex() == hexadecimal


@given(st.lists(INT64))
def test_pack_then_unpack_is_identity(values: list[int]) -> None:
    data = wire.pack_varints(np.array(values, np.int64))
    assert wire.unpack_varints(data).tolist() == values
    assert data == b''.join(wire.varint(value % 2**64) for value in values)


@given(st.dictionaries(st.text(max_size=9), LISTS, max_size=4))
def test_encode_then_parse_is_identity(values: dict) -> None:
    data = example(values)
    found = parse(data)
    assert found.keys() == values.keys()
    for name, value in values.items():
        if isinstance(value, list):
            assert bytes_of(data, found[name]) == value
        else:
            assert found[name].values().tobytes() == value.tobytes()
            assert found[name].values().dtype == value.dtype


@given(st.lists(st.binary(max_size=99)))
def test_a_spool_makes_the_same_list(values: list[bytes]) -> None:
    spool = io.BytesIO()
    spool.write(b'what was there before')
    spooled, texts = wire.spooled(spool, iter(values)), wire.texts(values)
    assert spooled.length == texts.length
    assert b''.join(spooled.pieces()) == b''.join(texts.pieces())


def test_numbers_that_are_not_packed_are_read() -> None:
    integers = b'\x1a\x04\x08\x07\x08\x09'  # value = 7, value = 9
    floats = b'\x12\x05\x0d\x00\x00\xc0\x3f'
    entries = b''.join(
        b'\x0a' + bytes([len(entry)]) + entry for entry in (
            b'\x0a\x01i\x12' + bytes([len(integers)]) + integers,
            b'\x0a\x01f\x12' + bytes([len(floats)]) + floats))
    found = parse(b'\x10\x05' + b'\x0a' + bytes([len(entries)]) + entries)  # 2: unknown field
    assert found['i'].values().tolist() == [7, 9]
    assert found['f'].values().tolist() == [1.5]


@given(st.data())
def test_no_damage_does_more_than_a_value_error(data: st.DataObject) -> None:
    whole = bytearray(example({'a': np.array(EXTREMES), 'b': [b'one', b'two']}))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[:data.draw(st.integers(0, len(whole)))])
    try:
        for found in parse(cut).values():
            found.values()
            assert sum(size for _, size in found.places) <= len(cut)
    except ValueError:
        pass


@pytest.mark.parametrize('data', [b'\x80', b'\xff' * 10 + b'\x01', b'\x01\x80'])
def test_a_broken_varint_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match='broken varint'):
        wire.unpack_varints(data)
