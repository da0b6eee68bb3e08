"""Statistics of LeRobotDataset v3.0: moments, range and quantiles of every feature.

Those of an episode are exact. The data set's are put together as LeRobot does: moments exactly,
quantiles as the mean of the episodes' quantiles weighted by their frames.
"""

from collections.abc import Mapping

import cv2
import numpy as np

QUANTILES = {'q01': 0.01, 'q10': 0.1, 'q50': 0.5, 'q90': 0.9, 'q99': 0.99}

FeatureStats = dict[str, np.ndarray]  # statistic -> (D,) float64, images (C, 1, 1); count (1,)


def vector_stats(values: np.ndarray) -> FeatureStats:
    """Return the statistics of `values` (N,) or (N, ...) over its rows without NaN.

    `count` is the number of those rows; without one the rest is NaN.
    """
    shape = values.shape[1:] or (1,)
    rows = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    known = rows[~np.isnan(rows).any(axis=1)]
    rows = known if len(known) else np.full((1, rows.shape[1]), np.nan)
    quantiles = np.quantile(rows, list(QUANTILES.values()), axis=0)
    found = {
        'min': rows.min(axis=0), 'max': rows.max(axis=0),
        'mean': rows.mean(axis=0), 'std': rows.std(axis=0),
        **dict(zip(QUANTILES, quantiles, strict=True))}
    return {**{name: value.reshape(shape) for name, value in found.items()},
            'count': np.array([len(known)])}


class PixelStats:
    """Statistics of pictures a channel, gathered frame by frame.

    uint8 is scaled to 0..1 as LeRobot does; depth stays in its unit. Depth in metres counts by
    the millimetre and up to 65.535 m; what is not finite is left out.
    """

    def __init__(self, channels: int, dtype: np.dtype) -> None:
        self._dtype = np.dtype(dtype)
        self._counts = np.zeros((channels, 256 if self._dtype == np.uint8 else 65536), np.int64)
        self._unit = {'u1': 1 / 255.0, 'u2': 1.0}.get(self._dtype.str[1:], 0.001)
        self._frames = 0

    def add(self, frame: np.ndarray) -> None:
        """Count the pixels of a frame (H, W) or (H, W, C)."""
        if self._dtype.kind == 'f':
            known = frame[np.isfinite(frame)]
            frame = np.clip(np.rint(known * 1000.0), 0, 65535).astype(np.uint16)[None]
        levels = self._counts.shape[1]
        for channel, counts in enumerate(self._counts):
            counts += _count(frame, channel, levels)
        self._frames += 1

    def stats(self) -> FeatureStats:
        """Return the statistics, each (C, 1, 1)."""
        channels = [_histogram_stats(counts) for counts in self._counts]
        stats = {
            name: np.array([channel[name] for channel in channels]).reshape(-1, 1, 1) * self._unit
            for name in channels[0]}
        known = self._frames if self._counts.any() else 0
        return {**stats, 'count': np.array([known])}


def aggregate(first: Mapping[str, FeatureStats], second: Mapping[str, FeatureStats]
              ) -> dict[str, FeatureStats]:
    """Return the statistics of two sets of frames together."""
    return {name: _aggregate_feature(first[name], second[name]) for name in second}


def _count(frame: np.ndarray, channel: int, levels: int) -> np.ndarray:
    """Return how often each level occurs in a channel of a frame: (levels,) int64."""
    if not frame.size:
        return np.zeros(levels, np.int64)
    found = cv2.calcHist([np.ascontiguousarray(frame)], [channel], None, [levels], [0, levels])
    return found.reshape(-1).astype(np.int64)  # exact: float32 counts to 2**24 pixels


def _histogram_stats(counts: np.ndarray) -> dict[str, float]:
    levels = np.arange(len(counts), dtype=np.float64)
    total = counts.sum()
    if not total:
        return dict.fromkeys(('min', 'max', 'mean', 'std', *QUANTILES), np.nan)
    mean = counts @ levels / total
    present = np.flatnonzero(counts)
    below = np.cumsum(counts) / total
    return {
        'min': float(present[0]), 'max': float(present[-1]), 'mean': float(mean),
        'std': float(np.sqrt(counts @ (levels - mean) ** 2 / total)),
        **{name: float(np.searchsorted(below, q)) for name, q in QUANTILES.items()}}


def _aggregate_feature(first: FeatureStats, second: FeatureStats) -> FeatureStats:
    if not first['count'][0] or not second['count'][0]:
        return first if first['count'][0] else second
    count = first['count'] + second['count']
    share = (second['count'] / count).reshape([1] * first['mean'].ndim)
    blended = {
        name: first[name] * (1 - share) + second[name] * share
        for name in ('mean', *QUANTILES)}
    spread = share * (1 - share) * (second['mean'] - first['mean']) ** 2
    variance = first['std'] ** 2 * (1 - share) + second['std'] ** 2 * share + spread
    return {
        'min': np.minimum(first['min'], second['min']),
        'max': np.maximum(first['max'], second['max']),
        'std': np.sqrt(variance), 'count': count, **blended}
