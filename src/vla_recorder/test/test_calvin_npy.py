"""Laws of reading pickled annotation files: what is plain comes back, nothing else runs."""

from pathlib import Path, PurePosixPath
import pickle

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from vla_core.errors import InvalidDataError
from vla_recorder.calvin.npy import as_list, dump_dict, load_array, load_dict

PLAIN = st.recursive(
    st.one_of(st.text(max_size=8), st.integers(), st.floats(allow_nan=False), st.none(),
              st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=4), inner, max_size=3)), max_leaves=8)


@given(value=st.dictionaries(st.text(max_size=5), PLAIN, max_size=4))
@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_numpy_and_we_read_the_same_of_what_we_write(tmp_path: Path, value: dict) -> None:
    path = tmp_path / 'a.npy'
    path.write_bytes(dump_dict(value))
    assert load_dict(path) == np.load(path, allow_pickle=True).item() == value


@pytest.mark.parametrize('array', [
    np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)),
    np.array([1, 2], '>i4'), np.array(['ab', 'c']), np.array(['a', 3], object),
    np.zeros((2, 1, 384), np.float32)])
@pytest.mark.parametrize('core', [b'numpy._core', b'numpy.core'])
def test_arrays_that_numpy_saved_come_back(tmp_path: Path, array: np.ndarray, core: bytes) -> None:
    path = tmp_path / 'a.npy'
    with open(path, 'wb') as file:
        np.lib.format.write_array_header_1_0(
            file, {'descr': '|O', 'fortran_order': False, 'shape': ()})
        wrapped = np.array({'x': array, 'k': np.int64(7)}, object)
        file.write(pickle.dumps(wrapped, protocol=3).replace(b'numpy._core', core))
    loaded = load_dict(path)
    assert as_list(loaded['x']) == array.tolist()
    assert loaded['k'].__index__() == 7


class Burglar:
    """Runs code where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self._path,)


def test_a_foreign_object_is_refused_by_name_and_never_made(tmp_path: Path) -> None:
    path, trace = tmp_path / 'auto_lang_ann.npy', tmp_path / 'was_here'
    np.save(path, {'language': Burglar(trace)})
    with pytest.raises(InvalidDataError, match=r'auto_lang_ann\.npy: got a pickled .*Path') as e:
        load_dict(path)
    assert '\n' not in str(e.value)
    assert not trace.exists()
    np.save(path, {'language': PurePosixPath('x')})
    with pytest.raises(InvalidDataError, match='got a pickled pathlib'):
        load_dict(path)


@pytest.mark.parametrize('forged', [
    b'cnumpy\ndtype\n}b.',  # a state for the class itself
    b'cnumpy.core.multiarray\n_reconstruct\n}X\x01\x00\x00\x00aK\x01sb.',
    b'cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x01\x00\x00\x00O\x85RC\x08AAAAAAAA\x86R.',
    b'cnumpy\nndarray\n)R(K\x01K\x01\x85cnumpy\ndtype\nX\x01\x00\x00\x00O\x85R'
    b'K\x00C\x08AAAAAAAAtb.',  # bytes where references belong
    b'cnumpy\nndarray\n)R(K\x01K\x01\x85cnumpy\ndtype\nX\x02\x00\x00\x00i4\x85R'
    b'K\x00C\x01Atb.',  # fewer bytes than the shape needs
])
def test_forged_arrays_are_refused(tmp_path: Path, forged: bytes) -> None:
    path = tmp_path / 'a.npy'
    with open(path, 'wb') as file:
        np.lib.format.write_array_header_1_0(
            file, {'descr': '|O', 'fortran_order': False, 'shape': ()})
        file.write(b'\x80\x03' + forged)
    with pytest.raises(InvalidDataError, match=r'a\.npy: not a readable annotation file'):
        load_dict(path)


@pytest.mark.parametrize('keep', [0, 5, 60, 140, -1])
def test_a_truncated_annotation_file_is_refused_by_name(tmp_path: Path, keep: int) -> None:
    path = tmp_path / 'a.npy'
    path.write_bytes(dump_dict({'language': {'ann': ['x']}})[:keep])
    with pytest.raises(InvalidDataError, match=r'a\.npy: not a readable'):
        load_dict(path)


def test_index_arrays_are_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / 'ep_start_end_ids.npy'
    np.save(path, np.array([{}], object))
    with pytest.raises(InvalidDataError, match=r'ids\.npy: not a readable array'):
        load_array(path, 2)
    np.save(path, np.zeros((2, 3), int))
    with pytest.raises(InvalidDataError, match=r'got int64 \(2, 3\), allowed integers \(N, 2\)'):
        load_array(path, 2)
