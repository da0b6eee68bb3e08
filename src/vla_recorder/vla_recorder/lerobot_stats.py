"""Statistics of LeRobotDataset v3.0: moments, range and quantiles of every feature.

Those of an episode are exact. The data set's are put together as LeRobot does: moments exactly,
quantiles as the mean of the episodes' quantiles weighted by their frames.
"""

from collections.abc import Mapping

import numpy as np

QUANTILES = {'q01': 0.01, 'q10': 0.1, 'q50': 0.5, 'q90': 0.9, 'q99': 0.99}

FeatureStats = dict[str, np.ndarray]  # statistic -> (D,) float64, images (3, 1, 1); count (1,)


def vector_stats(values: np.ndarray) -> FeatureStats:
    """Return the statistics of `values` (N,) or (N, D) over its rows without NaN.

    `count` is the number of those rows; without one the rest is NaN.
    """
    rows = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    known = rows[~np.isnan(rows).any(axis=1)]
    rows = known if len(known) else np.full((1, rows.shape[1]), np.nan)
    quantiles = np.quantile(rows, list(QUANTILES.values()), axis=0)
    return {
        'min': rows.min(axis=0), 'max': rows.max(axis=0),
        'mean': rows.mean(axis=0), 'std': rows.std(axis=0),
        'count': np.array([len(known)]), **dict(zip(QUANTILES, quantiles, strict=True))}


def image_stats(images: np.ndarray) -> FeatureStats:
    """Return the statistics of `images` (N, H, W, 3) uint8 a channel, scaled to 0..1."""
    channels = [_histogram_stats(images[..., c]) for c in range(images.shape[-1])]
    stats = {
        name: np.array([channel[name] for channel in channels]).reshape(-1, 1, 1) / 255.0
        for name in channels[0]}
    return {**stats, 'count': np.array([len(images)])}


def aggregate(first: Mapping[str, FeatureStats], second: Mapping[str, FeatureStats]
              ) -> dict[str, FeatureStats]:
    """Return the statistics of two sets of frames together."""
    return {name: _aggregate_feature(first[name], second[name]) for name in second}


def _histogram_stats(channel: np.ndarray) -> dict[str, float]:
    counts = np.bincount(channel.reshape(-1), minlength=256)
    levels = np.arange(256, dtype=np.float64)
    total = counts.sum()
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
