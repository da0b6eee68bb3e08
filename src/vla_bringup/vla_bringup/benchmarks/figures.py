"""Percentiles, and how they are printed."""

from collections.abc import Mapping, Sequence

import numpy as np


def percentiles(values: Sequence[float]) -> dict[str, float | int]:
    """Return p50, p99 and the count of values; nan without any."""
    if not len(values):
        return {'p50': float('nan'), 'p99': float('nan'), 'count': 0}
    p50, p99 = np.percentile(np.asarray(values, dtype=np.float64), [50, 99])
    return {'p50': float(p50), 'p99': float(p99), 'count': len(values)}


def table(rows: Mapping[str, Mapping[str, float | int]]) -> str:
    """Return rows of named figures as aligned text."""
    lines = []
    for name, figures in rows.items():
        cells = '  '.join(f'{key} {_shown(value)}' for key, value in figures.items())
        lines.append(f'{name:<34}{cells}')
    return '\n'.join(lines)


def _shown(value: float | int) -> str:
    return f'{value:>8d}' if isinstance(value, int) else f'{value:>8.2f}'
