"""Streams of an episode as the checks want them: numbers, of a shape they understand."""

import numpy as np
from vla_core.episode import Episode, Stream


def known_rows(episode: Episode, name: str, width: int | None = None) -> Stream | None:
    """Return the rows (M, D) float64 of a stream that are finite; None where there is none.

    `width` is the D that is understood; None: any but 0.
    """
    stream = episode.streams.get(name)
    if stream is None or len(stream.values.shape) != 2 or not stream.values.shape[1]:
        return None
    if width is not None and stream.values.shape[1] != width:
        return None
    values = np.asarray(stream.values[:], dtype=np.float64)
    known = np.isfinite(values).all(axis=1)
    return Stream(stream.stamps_ns[known], values[known]) if known.any() else None


def whole_stream(episode: Episode, name: str, width: int | None = None) -> Stream | None:
    """Return a stream (N, D) float64 of which all rows are finite, else None."""
    rows = known_rows(episode, name, width)
    return rows if rows is not None and len(rows) == len(episode.streams[name]) else None


def whole_series(episode: Episode, name: str) -> Stream | None:
    """Return a stream (N,) float64 of which all values are finite, else None."""
    stream = episode.streams.get(name)
    if stream is None or len(stream.values.shape) != 1 or not len(stream):
        return None
    values = np.asarray(stream.values[:], dtype=np.float64)
    return Stream(stream.stamps_ns, values) if np.isfinite(values).all() else None
