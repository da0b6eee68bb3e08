"""CALVIN's annotation files: a pickled dict inside an .npy, read without trusting it.

NumPy would unpickle such a file with every power of `pickle`, so this module reads it with an
unpickler that knows three names, NumPy's array, dtype and scalar, and puts classes of its own
in their place: not even NumPy's C code sees the foreign state, only `np.frombuffer` for plain
numbers does. All other names are refused. Lists, dicts, text and numbers need no name.
"""

from dataclasses import dataclass
import io
import operator
from pathlib import Path
import pickle
from typing import Any

import numpy as np
from numpy.lib import format as npy
from vla_core.errors import InvalidDataError

_MALFORMED = (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError,
              ValueError, OverflowError, ImportError, RecursionError)
_KINDS = 'biufSU'  # plain numbers and text


class _Dtype:
    """Stands for numpy.dtype; of its state only the byte order counts."""

    def __init__(self, code: str, *_: object) -> None:
        self.is_object, self._code = code in ('O', 'O8'), code
        self._order = '='

    def __setstate__(self, state: tuple) -> None:
        self._order = {'<': '<', '>': '>'}.get(state[1], '=')

    def plain(self) -> np.dtype:
        """Return the NumPy type of numbers or text, else raise ValueError."""
        dtype = np.dtype(self._code)
        if dtype.kind not in _KINDS or dtype.fields or dtype.subdtype:
            raise ValueError(f'an array of {self._code!r}')
        return dtype.newbyteorder(self._order)


class _Array:
    """Stands for numpy.ndarray and for the function that begins one."""

    def __init__(self, *_: object) -> None:
        self.values: np.ndarray | list = []

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, raw = state
        if dtype.is_object:  # a list of the elements in their order
            self.values = raw[0] if shape == () else raw
        else:
            flat = np.frombuffer(raw, dtype.plain())
            self.values = flat.reshape(shape, order='F' if fortran else 'C')


class _Scalar:
    """Stands for the function that makes a NumPy scalar."""

    def __init__(self, dtype: _Dtype, raw: bytes) -> None:
        self.value = np.frombuffer(raw, dtype.plain())[0]

    def __setstate__(self, state: object) -> None:
        raise ValueError('a scalar with a state')

    def __index__(self) -> int:
        return operator.index(self.value)


@dataclass(frozen=True)
class _Begin:
    """Stands for `_reconstruct`, whose result the pickle then fills."""

    def __call__(self, *_: object) -> _Array:
        return _Array()

    def __setstate__(self, state: object) -> None:
        raise ValueError('a function with a state')


_KNOWN = {('numpy', 'ndarray'): _Array, ('numpy', 'dtype'): _Dtype}
_KNOWN |= {(f'numpy.{core}.multiarray', name): stand_in for core in ('core', '_core')
           for name, stand_in in (('_reconstruct', _Begin()), ('scalar', _Scalar))}


class _Refused(pickle.UnpicklingError):
    """A name that is not known here."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise _Refused(f'{module}.{name}')
        return _KNOWN[module, name]


def load_dict(path: Path) -> dict:
    """Return the dict in an .npy of CALVIN's; arrays in it are read with `as_list`.

    Raises InvalidDataError naming the file, and the class where it holds a foreign one.
    """
    try:
        return _load_dict(path)
    except _Refused as error:
        raise InvalidDataError(
            f'{path}: got a pickled {error}, allowed dict, list, tuple, str, int, float and '
            'NumPy arrays of numbers') from error
    except OSError as error:
        raise InvalidDataError(f'{path}: {error.strerror}, allowed a readable file') from error
    except _MALFORMED as error:
        raise InvalidDataError(
            f'{path}: not a readable annotation file ({_line(error)}), '
            'allowed an .npy that holds one dict') from error


def _load_dict(path: Path) -> dict:
    with open(path, 'rb') as file:
        version = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if dtype != np.dtype(object) or shape != ():
            raise ValueError(f'it holds {dtype} of shape {shape}')
        array = _Unpickler(file).load()
    if not isinstance(array, _Array) or not isinstance(array.values, dict):
        raise ValueError('it holds something else')
    return array.values


def as_list(value: object) -> list:
    """Return a list, tuple or array of a loaded dict as a list; raise TypeError for others."""
    if isinstance(value, _Array):
        value = value.values
    if isinstance(value, np.ndarray):
        return value.tolist()
    if not isinstance(value, list | tuple):
        raise TypeError(f'{type(value).__name__.strip("_").lower()} where a list belongs')
    return list(value)


def dump_dict(value: dict) -> bytes:
    """Return the .npy that `np.save` writes of a dict of lists, tuples, text and numbers.

    CALVIN's annotation files are pickles by definition and its own loader accepts nothing else,
    so this is one, of builtin types alone. The array around the dict is spelled out under the
    name that NumPy 1 and 2 both know; NumPy 2 would write one that CALVIN's NumPy lacks.
    """
    header = io.BytesIO()
    npy.write_array_header_1_0(
        header, {'descr': '|O', 'fortran_order': False, 'shape': ()})
    body = pickle.dumps(value, protocol=3)
    return header.getvalue() + _BEFORE + body[2:-1] + _AFTER  # without its PROTO and STOP


def load_array(path: Path, columns: int | None = None) -> np.ndarray:
    """Return the plain array of an .npy, (N,) or (N, columns); never unpickles."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise InvalidDataError(
            f'{path}: not a readable array ({_line(error)}), allowed an .npy of integers'
        ) from error
    wanted = ('N',) if columns is None else ('N', columns)
    if array.dtype.kind not in 'iu' or array.ndim != len(wanted) or array.shape[1:] != wanted[1:]:
        raise InvalidDataError(
            f'{path}: got {array.dtype} {array.shape}, '
            f'allowed integers ({", ".join(map(str, wanted))})')
    return array


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


# _reconstruct(ndarray, (0,), b'b'), then the state (1, (), dtype('O8', False, True), False, [...])
_BEFORE = (b'\x80\x03cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R'
           b'(K\x01)cnumpy\ndtype\nX\x02\x00\x00\x00O8\x89\x88\x87R'
           b'(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89]')
_AFTER = b'atb.'
