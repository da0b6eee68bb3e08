"""`meta/stats.json` of a LeRobotDataset v3.0 against the numbers it speaks of.

Normalisation uses these statistics: wrong ones spoil a policy without a word. Pictures are left
out, as LeRobot itself measures only a sample of them.
"""

from collections.abc import Iterator, Mapping
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from vla_core.errors import InvalidDataError
from vla_recorder.check.findings import Finding, Level, WHOLE
from vla_recorder.lerobot.parquet import open_parquet
from vla_recorder.lerobot.stats import aggregate, FeatureStats, vector_stats
from vla_recorder.store import publish, temporary_file

INFO, STATS = 'meta/info.json', 'meta/stats.json'
JUDGED = ('min', 'max', 'mean', 'std')
SHARE = 0.02  # of a number's range that a statistic may be off


def stats_findings(root: Path) -> Iterator[Finding]:
    """Yield the features whose stored statistics are not those of the data."""
    try:
        wrong = wrong_stats(root)
    except InvalidDataError as error:
        yield Finding(Level.ERROR, WHOLE, STATS, 'cannot be checked', str(error), 'whole files')
        return
    for feature, what in wrong.items():
        yield Finding(Level.ERROR, WHOLE, f'{STATS} {feature}', 'is not of this data', what,
                      f'as recomputed, within {100 * SHARE:.0f} % of the range')


def wrong_stats(root: Path) -> dict[str, str]:
    """Return what differs, by feature; raise InvalidDataError naming a file that is broken."""
    stored, wrong = _read(root / STATS), {}
    for feature, known in recomputed(root).items():
        given = stored.get(feature)
        if not isinstance(given, dict):
            wrong[feature] = 'nothing'
            continue
        spread = np.maximum(np.ravel(known['max'] - known['min']), 1e-6)
        for name in JUDGED:
            told, true = _numbers(given.get(name)), np.ravel(known[name])
            if told is None or told.shape != true.shape:
                wrong[feature] = f'{name} of another size'
                break
            off = np.abs(told - true) / spread
            if not (off <= SHARE).all():  # NaN is wrong, too
                worst = int(np.nan_to_num(off, nan=np.inf).argmax())
                wrong[feature] = f'{name}[{worst}] {told[worst]:.4g} for {true[worst]:.4g}'
                break
    return wrong


def recomputed(root: Path) -> dict[str, FeatureStats]:
    """Return the statistics of every feature of numbers; one file is in memory at a time."""
    features = _read(root / INFO).get('features')
    names = [name for name, feature in (features if isinstance(features, dict) else {}).items()
             if isinstance(feature, dict) and _is_numbers(str(feature.get('dtype')))]
    total: dict[str, FeatureStats] = {}
    for path in sorted((root / 'data').glob('*/*.parquet')):
        with open_parquet(path) as file:
            present = [name for name in names if name in file.schema_arrow.names]
            table = file.read(columns=present)
        if len(table):
            one = {name: vector_stats(_rows(path, name, table[name])) for name in present}
            both = {name: stats for name, stats in one.items() if name in total}
            total = {**total, **one, **aggregate(total, both)}
    return {name: stats for name, stats in total.items() if stats['count'][0]}


def rewrite_stats(root: Path) -> list[str]:
    """Replace the statistics that are wrong, at once and durably; return their features."""
    wrong = wrong_stats(root)
    if wrong:
        true, stored = recomputed(root), _read(root / STATS)
        for feature in wrong:
            stored[feature] = {name: value.tolist() for name, value in true[feature].items()}
        path = root / STATS
        with temporary_file(path.parent) as temporary:
            temporary.write_text(json.dumps(stored, indent=1))
            publish(temporary, path)
    return list(wrong)


def _is_numbers(dtype: str) -> bool:
    return dtype.startswith(('float', 'int', 'uint'))


def _rows(path: Path, name: str, column: pa.ChunkedArray) -> np.ndarray:
    """Return a column as (N, D) float64."""
    array = column.combine_chunks()
    try:
        while pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type):
            array = array.flatten()
        return array.to_numpy(zero_copy_only=False).astype(np.float64).reshape(len(column), -1)
    except (ValueError, TypeError, pa.ArrowException) as error:
        raise InvalidDataError(f'{path}: got {name} {column.type}, allowed rows of numbers'
                               ) from error


def _numbers(value: object) -> np.ndarray | None:
    try:
        return np.ravel(np.asarray(value, dtype=np.float64))
    except (ValueError, TypeError):
        return None


def _read(path: Path) -> Mapping:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidDataError(f'{path}: not readable JSON ({error})') from error
    if not isinstance(value, dict):
        raise InvalidDataError(f'{path}: got a {type(value).__name__}, allowed a JSON object')
    return value
