"""What a table of frames leaves out, in a Parquet file of its own beside each episode.

`raw/chunk-.../file-....parquet` has one row. Of every stream with stamps of its own it has the
columns `<stream>:stamps_ns` and `<stream>:values` (flat, in C order); of every column of the
table that was brought from other stamps `<stream>:age_s` [s], and of pictures `<stream>:shown_ns`,
the stamp of the one shown. LeRobot never looks into the folder.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from vla_core.episode import Stream
from vla_core.errors import InvalidDataError
from vla_recorder.lerobot_parquet import one_line, open_parquet
from vla_recorder.table import Table


def raw_table(table: Table) -> pa.Table:
    """Return what must be kept beside the columns of `table`; no rows for nothing."""
    parts: dict[str, np.ndarray] = {}
    for name, stream in table.beside.items():
        parts[f'{name}:stamps_ns'] = stream.stamps_ns
        parts[f'{name}:values'] = np.asarray(stream.values[0:len(stream)])
    parts |= {f'{name}:shown_ns': stamps for name, stamps in table.shown_ns.items()}
    parts |= {f'{name}:age_s': age for name, age in table.age_s.items()}
    columns = {name: pa.array(values.reshape(-1)) for name, values in parts.items()}
    fields = [
        pa.field(name, pa.list_(columns[name].type),
                 metadata={'shape': json.dumps(values.shape), 'dtype': values.dtype.str})
        for name, values in parts.items()]
    rows = [_one_row(columns[name]) for name in parts]
    return pa.Table.from_arrays(
        rows, schema=pa.schema(fields, {'dropped': json.dumps(table.dropped)}))


def read_raw(path: Path) -> Table:
    """Return a Table without columns: what was kept beside them."""
    with open_parquet(path) as file:
        table = file.read()
    try:
        return _restored(table)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InvalidDataError(
            f'{path}: not the raw streams of an episode ({one_line(error)})') from error


def _restored(table: pa.Table) -> Table:
    parts = {field.name: _to_numpy(table[field.name], field) for field in table.schema}
    found = {kind: {name.removesuffix(f':{kind}'): part for name, part in parts.items()
                    if name.endswith(f':{kind}')}
             for kind in ('stamps_ns', 'values', 'shown_ns', 'age_s')}
    beside = {name: Stream(found['stamps_ns'][name], values)
              for name, values in found['values'].items()}
    dropped = json.loads((table.schema.metadata or {})[b'dropped'])
    return Table(np.empty(0, np.int64), {}, beside, found['shown_ns'], found['age_s'], dropped)


def _one_row(values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)


def _to_numpy(column: pa.ChunkedArray, field: pa.Field) -> np.ndarray:
    if not pa.types.is_list(field.type) or not field.metadata:
        raise ValueError(f'{field.name} is {field.type}')
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    shape = tuple(json.loads(field.metadata[b'shape']))
    return flat.astype(field.metadata[b'dtype'].decode(), copy=False).reshape(shape)
