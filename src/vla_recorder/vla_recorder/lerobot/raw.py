"""What a table of frames leaves out, in a Parquet file of its own beside each episode.

`raw/chunk-.../file-....parquet` has of every stream with stamps of its own the columns
`<stream>:stamps_ns` and `<stream>:values` (in C order); of every column of the table that was
brought from other stamps `<stream>:age_s` [s], and of pictures `<stream>:shown_ns`, the stamp of
the one shown. Each is cut into rows of at most BLOCK numbers, whatever its length: a column is
its rows one after another. LeRobot never looks into the folder.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from vla_core.episode import Stream
from vla_core.errors import InvalidDataError
from vla_recorder.lerobot.parquet import one_line, open_parquet
from vla_recorder.table import Table

BLOCK = 1 << 16


def raw_table(table: Table) -> pa.Table:
    """Return what must be kept beside the columns of `table`; no rows for nothing."""
    parts: dict[str, np.ndarray] = {}
    for name, stream in table.beside.items():
        parts[f'{name}:stamps_ns'] = stream.stamps_ns
        parts[f'{name}:values'] = np.asarray(stream.values[0:len(stream)])
    parts |= {f'{name}:shown_ns': stamps for name, stamps in table.shown_ns.items()}
    parts |= {f'{name}:age_s': age for name, age in table.age_s.items()}
    rows = max((-(-values.size // BLOCK) for values in parts.values()), default=0)
    fields = [
        pa.field(name, pa.list_(pa.from_numpy_dtype(values.dtype)),
                 metadata={'shape': json.dumps(values.shape), 'dtype': values.dtype.str})
        for name, values in parts.items()]
    return pa.Table.from_arrays(
        [_rows(values.reshape(-1), rows) for values in parts.values()],
        schema=pa.schema(fields, {'dropped': json.dumps(table.dropped)}))


def write_raw(path: Path, raw: pa.Table) -> None:
    """Write what `raw_table` returned."""
    pq.write_table(raw, path, compression='zstd', use_dictionary=False, row_group_size=64)


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


def _rows(values: np.ndarray, rows: int) -> pa.Array:
    """Cut values (N,) into `rows` lists, the last ones empty where there are fewer."""
    ends = np.minimum(np.arange(rows + 1) * BLOCK, len(values)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values))


def _to_numpy(column: pa.ChunkedArray, field: pa.Field) -> np.ndarray:
    if not pa.types.is_list(field.type) or not field.metadata:
        raise ValueError(f'{field.name} is {field.type}')
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    shape = tuple(json.loads(field.metadata[b'shape']))
    return flat.astype(field.metadata[b'dtype'].decode(), copy=False).reshape(shape)
