"""Encodings between robot and model: frozen callables, each with its `inverse()`.

A transform never changes its argument.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
from scipy import sparse
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.geometry import (
    apply_delta,
    delta_between,
    quat_to_rotvec,
    rotvec_to_quat,
)

MODES = ('mean_std', 'quantile')
TINY_SPREAD = 1e-6  # a dimension that hardly varies is shifted and not scaled


class Transform(Protocol):
    """A pure function of an array that can be undone."""

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the encoded values."""

    def inverse(self) -> 'Transform':
        """Return the transform that undoes this one."""


@dataclass(frozen=True)
class Chain:
    """Transforms one after the other; the inverse undoes them from the last."""

    parts: tuple[Transform, ...]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the values after all parts."""
        for part in self.parts:
            values = part(values)
        return values

    def inverse(self) -> 'Chain':
        """Return the chain of the inverses, backwards."""
        return Chain(tuple(part.inverse() for part in reversed(self.parts)))


@dataclass(frozen=True, eq=False)
class Statistics:
    """What is known of the distribution of each dimension; all (D,) float64."""

    mean: np.ndarray
    std: np.ndarray
    q01: np.ndarray  # 1 % quantile
    q99: np.ndarray  # 99 % quantile
    min: np.ndarray
    max: np.ndarray

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = np.asarray(getattr(self, entry.name), dtype=np.float64)
            if value.shape != np.shape(self.mean) or value.ndim != 1:
                raise InvalidDataError(
                    f'statistics.{entry.name}: got shape {value.shape}, '
                    f'allowed (D,) as mean {np.shape(self.mean)}')
            if not np.isfinite(value).all():
                raise InvalidDataError(
                    f'statistics.{entry.name}: got {value.tolist()}, allowed finite numbers')
            object.__setattr__(self, entry.name, value)

    @classmethod
    def from_arrays(cls, arrays: Sequence[np.ndarray]) -> 'Statistics':
        """Measure all rows of arrays (N_i, D)."""
        rows = np.concatenate([np.asarray(a, dtype=np.float64) for a in arrays])
        if rows.ndim != 2 or not len(rows):
            raise InvalidDataError(
                f'statistics: got rows of shape {rows.shape}, allowed (N, D) with N > 0')
        q01, q99 = np.quantile(rows, [0.01, 0.99], axis=0)
        return cls(rows.mean(0), rows.std(0), q01, q99, rows.min(0), rows.max(0))

    def to_dict(self) -> dict[str, list[float]]:
        """Return the JSON form."""
        return {name: value.tolist() for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Sequence[float]]) -> 'Statistics':
        """Read the JSON form; raise InvalidDataError for missing or unknown entries."""
        names = {entry.name for entry in fields(cls)}
        if data.keys() != names:
            raise InvalidDataError(
                f'statistics: got entries {sorted(data)}, allowed {sorted(names)}')
        return cls(**{name: np.asarray(data[name], dtype=np.float64) for name in names})


def _centre_and_scale(statistics: Statistics, mode: str) -> tuple[np.ndarray, np.ndarray]:
    if mode not in MODES:
        raise UnknownNameError('normalisation', mode, MODES)
    if mode == 'mean_std':
        centre, scale = statistics.mean, statistics.std
    else:
        centre = 0.5 * (statistics.q99 + statistics.q01)
        scale = 0.5 * (statistics.q99 - statistics.q01)
    return centre, np.where(scale < TINY_SPREAD, 1.0, scale)


@dataclass(frozen=True)
class Normalize:
    """Bring (..., D) to mean 0 and deviation 1, or its 1..99 % quantiles to -1..1."""

    statistics: Statistics
    mode: str = 'mean_std'  # one of MODES

    def __post_init__(self) -> None:
        _centre_and_scale(self.statistics, self.mode)

    @cached_property
    def _terms(self) -> tuple[np.ndarray, np.ndarray]:
        return _centre_and_scale(self.statistics, self.mode)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return (values - centre) / scale, in the floating type of `values`."""
        centre, scale = self._terms
        return ((values - centre) / scale).astype(values.dtype, copy=False)

    def inverse(self) -> 'Unnormalize':
        """Return the way back."""
        return Unnormalize(self.statistics, self.mode)


@dataclass(frozen=True)
class Unnormalize:
    """Bring normalised (..., D) back to its units."""

    statistics: Statistics
    mode: str = 'mean_std'  # one of MODES

    def __post_init__(self) -> None:
        _centre_and_scale(self.statistics, self.mode)

    @cached_property
    def _terms(self) -> tuple[np.ndarray, np.ndarray]:
        return _centre_and_scale(self.statistics, self.mode)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return values * scale + centre, in the floating type of `values`."""
        centre, scale = self._terms
        return (values * scale + centre).astype(values.dtype, copy=False)

    def inverse(self) -> Normalize:
        """Return the way there."""
        return Normalize(self.statistics, self.mode)


@dataclass(frozen=True, eq=False)
class DeltaToAbsolute:
    """Turn an `ee_delta` chunk (T, 7) into `ee_absolute`: xyz, rotation vector, gripper.

    Each row moves on from the target of the row before it; the first from `start`.
    """

    start: np.ndarray  # (7,) float64 the target pose before the chunk, in the base frame

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return absolute rows, in the floating type of `values`."""
        pose, rows = self.start, []
        for row in values:
            pose = apply_delta(pose, row[:6])
            rows.append([*pose[:3], *quat_to_rotvec(pose[3:]), row[6]])
        return np.array(rows, dtype=values.dtype).reshape(values.shape)

    def inverse(self) -> 'AbsoluteToDelta':
        """Return the way back."""
        return AbsoluteToDelta(self.start)


@dataclass(frozen=True, eq=False)
class AbsoluteToDelta:
    """Turn an `ee_absolute` chunk (T, 7) into `ee_delta`, starting from the pose `start`."""

    start: np.ndarray  # (7,) float64 the target pose before the chunk, in the base frame

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return delta rows, in the floating type of `values`."""
        before, rows = self.start, []
        for row in values:
            pose = np.concatenate([row[:3], rotvec_to_quat(row[3:6])])
            rows.append([*delta_between(before, pose), row[6]])
            before = pose
        return np.array(rows, dtype=values.dtype).reshape(values.shape)

    def inverse(self) -> DeltaToAbsolute:
        """Return the way back."""
        return DeltaToAbsolute(self.start)


@dataclass(frozen=True)
class PixelMap:
    """Map pixel coordinates (..., 2) u v; the centre of the first pixel is at 0, 0."""

    scale: tuple[float, float]  # of u and v
    shift: tuple[float, float]  # [px] added to u + 0.5 and v + 0.5 after scaling

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Return the coordinates in the other image (..., 2) float64 [px]."""
        return (np.asarray(pixels) + 0.5) * self.scale + self.shift - 0.5

    def inverse(self) -> 'PixelMap':
        """Return the way back."""
        scale = tuple(1.0 / s for s in self.scale)
        return PixelMap(scale, tuple(-t * s for t, s in zip(self.shift, scale)))


@dataclass(frozen=True)
class Resize:
    """Fit an image into another size, keeping its shape and padding with black.

    Shrinking averages over areas, growing interpolates bilinearly. Pixels cannot be brought
    back, so the inverse maps coordinates: from the resized image to the source.
    """

    source: tuple[int, int]  # height, width [px]
    target: tuple[int, int]  # height, width [px]

    @cached_property
    def inner(self) -> tuple[int, int]:
        """Height and width of the picture inside the padding [px]."""
        ratio = min(t / s for s, t in zip(self.source, self.target))
        return tuple(max(1, round(s * ratio)) for s in self.source)

    @cached_property
    def offset(self) -> tuple[int, int]:
        """Rows above and columns left of the picture [px]."""
        return tuple((t - i) // 2 for t, i in zip(self.target, self.inner))

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the image (H, W, C) uint8 at the target size."""
        if image.shape[:2] != self.source or image.ndim != 3 or image.dtype != np.uint8:
            raise InvalidDataError(
                f'resize: got image {image.shape} {image.dtype}, '
                f'allowed {(*self.source, "C")} uint8')
        if self.source == self.target:
            return image
        rows, columns = (_weights(s, i) for s, i in zip(self.source, self.inner))
        (height, width), channels = self.inner, image.shape[2]
        tall = rows @ image.reshape(len(image), -1).astype(np.float32)  # (h, W C)
        wide = columns @ tall.reshape(height, -1, channels).swapaxes(0, 1).reshape(
            image.shape[1], -1)  # (w, h C)
        picture = wide.reshape(width, height, channels).swapaxes(0, 1)
        out = np.zeros((*self.target, channels), dtype=np.uint8)
        top, left = self.offset
        out[top:top + height, left:left + width] = np.rint(picture)
        return out

    def pixels(self) -> PixelMap:
        """Return the map of pixel coordinates from the source to the resized image."""
        scale = tuple(i / s for s, i in zip(self.source, self.inner))
        return PixelMap(scale[::-1], tuple(map(float, self.offset[::-1])))

    def inverse(self) -> PixelMap:
        """Return the map of pixel coordinates from the resized image to the source."""
        return self.pixels().inverse()


@lru_cache(maxsize=32)
def _weights(source: int, target: int) -> sparse.csr_matrix:
    """Return (target, source) float32 weights of one axis; each row sums to one."""
    build: Callable[[int, int], np.ndarray] = _area if target < source else _bilinear
    return sparse.csr_matrix(build(source, target).astype(np.float32))


def _area(source: int, target: int) -> np.ndarray:
    """Weigh each source pixel by how much of it lies under the target pixel."""
    edges = np.arange(target + 1) * (source / target)
    left, right = edges[:-1, None], edges[1:, None]
    cells = np.arange(source)[None]
    overlap = np.clip(np.minimum(right, cells + 1) - np.maximum(left, cells), 0.0, None)
    return overlap / overlap.sum(1, keepdims=True)


def _bilinear(source: int, target: int) -> np.ndarray:
    """Weigh the two source pixels around the centre of the target pixel."""
    centre = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0.0, source - 1.0)
    below = np.minimum(np.floor(centre).astype(int), max(source - 2, 0))
    weights = np.zeros((target, source))
    rows = np.arange(target)
    weights[rows, below] = 1.0 - (centre - below)
    if source > 1:
        weights[rows, below + 1] += centre - below
    return weights
