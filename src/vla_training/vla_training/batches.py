"""Draw and augment training batches; what is drawn is a function of seed, process and step."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from vla_policy.actions import Normalisation
from vla_policy.text import WordTokenizer
from vla_training.data import Frames


@dataclass(frozen=True)
class Batch:
    """B samples, normalised."""

    images: dict[str, Tensor]  # camera -> (B, H, W, 3) uint8
    words: Tensor  # (B, L) int64
    state: Tensor  # (B, S) float32
    action: Tensor  # (B, T, 7) float32
    real: Tensor  # (B, T) float32 0 after the end of the episode
    progress: Tensor  # (B,) float32
    auxiliary: Tensor  # (B, X) float32 NaN where unknown


@dataclass(frozen=True)
class Augmentation:
    """How much the looks of an image vary; the same for all cameras of a sample but the shift."""

    shift_px: int = 1  # images are coarse: a pixel is about a centimetre on the table
    brightness: float = 0.12
    contrast: float = 0.12
    state_noise: float = 0.02  # of a standard deviation


class Batches:
    """Endless supply of batches from a training set."""

    def __init__(
        self, frames: Frames, tokenizer: WordTokenizer, normalisation: Normalisation,
        words: int, steps: int, augmentation: Augmentation,
    ) -> None:
        self._frames, self._normalisation, self._steps = frames, normalisation, steps
        self._augmentation = augmentation
        self._words = np.stack([tokenizer.encode(s, words) for s in frames.sentences])
        self._cumulative = np.cumsum(frames.weight, dtype=np.float64)

    def draw(self, size: int, rng: np.random.Generator) -> Batch:
        """Return `size` augmented samples."""
        frames, how = self._frames, self._augmentation
        place = rng.random(size) * self._cumulative[-1]
        index = np.sort(np.minimum(self._cumulative.searchsorted(place), len(frames) - 1))
        action, real = frames.chunks(index, self._steps)
        words = self._words[frames.episode[index]]
        words = words[:, :max(1, int((words > 0).sum(1).max()))]
        state = self._normalisation.encode_state(frames.state[index])
        state = state + how.state_noise * rng.standard_normal(state.shape, dtype=np.float32)
        looks = _looks(size, how, rng)
        return Batch(
            images={name: torch.from_numpy(_varied(pixels[index], looks, how.shift_px, rng))
                    for name, pixels in frames.images.items()},
            words=torch.from_numpy(words), state=torch.from_numpy(state),
            action=torch.from_numpy(self._normalisation.encode(action)),
            real=torch.from_numpy(real), progress=torch.from_numpy(frames.progress[index]),
            auxiliary=torch.from_numpy(frames.auxiliary[index]))


def _looks(size: int, how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Return a table (B, 256) uint8 a sample: what becomes of each pixel value."""
    gain = 1.0 + how.contrast * rng.uniform(-1, 1, (size, 1))
    offset = 255.0 * how.brightness * rng.uniform(-1, 1, (size, 1))
    table = (np.arange(256) - 127.5) * gain + 127.5 + offset
    return table.clip(0, 255).astype(np.uint8)


def _varied(
    images: np.ndarray, looks: np.ndarray, shift: int, rng: np.random.Generator
) -> np.ndarray:
    """Return images (B, H, W, 3) shifted by up to `shift` px, edges repeated, and recoloured."""
    moves = rng.integers(-shift, shift + 1, (len(images), 2))
    rows, columns = np.arange(images.shape[1]), np.arange(images.shape[2])
    out = np.empty_like(images)
    for k, (down, right) in enumerate(moves):
        moved = images[k][np.clip(rows + down, 0, len(rows) - 1)]
        out[k] = looks[k][moved[:, np.clip(columns + right, 0, len(columns) - 1)]]
    return out
