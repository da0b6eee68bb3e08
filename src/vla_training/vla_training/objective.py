"""What training minimises: both heads, progress and the privileged hints on one trunk."""

from dataclasses import dataclass

import torch
from torch import Tensor
import torch.nn.functional as F  # noqa: N812, the name everybody knows
from vla_policy.model import SmallVla
from vla_training.batches import Batch


@dataclass(frozen=True)
class Losses:
    """The parts of the objective, each a mean over the batch."""

    l1: Tensor  # chunk of the regression head, normalised
    flow: Tensor  # squared error of the velocity
    progress: Tensor
    auxiliary: Tensor  # positions of things [0.1 m]

    @property
    def total(self) -> Tensor:
        """The sum that is minimised."""
        return self.l1 + self.flow + 0.3 * self.progress + self.auxiliary


def compute_losses(model: SmallVla, batch: Batch, generator: torch.Generator) -> Losses:
    """Run the trunk once and both experts; the model may be in bfloat16, losses are float32."""
    kind = model.progress.weight.dtype
    prefix = model.prefix(batch.images, batch.words, batch.state.to(kind))
    weight = batch.real * row_weights(batch.action.shape[1])
    weight = (weight / weight.sum()).unsqueeze(2)
    noise = torch.randn(batch.action.shape, generator=generator)
    time = flow_time(len(noise), generator)
    noisy = torch.lerp(noise, batch.action, time[:, None, None])
    velocity = model.flow.velocity(noisy.to(kind), time, prefix).float()
    squared = (velocity - (batch.action - noise)).square().mean(2, keepdim=True)
    progress = model.progress(prefix.summary).float().squeeze(1).sigmoid()
    guess = model.auxiliary(prefix.summary).float()
    return Losses(
        l1=(_regression(model.regress(prefix).float(), batch.action) * weight).sum(),
        flow=(squared * weight).sum(),
        progress=(progress - batch.progress).abs().mean(),
        auxiliary=_known(guess, batch.auxiliary))


def row_weights(steps: int) -> Tensor:
    """Return (T,) weights: a chunk is replaced soon after it begins, so its first rows count."""
    return 0.25 + 1.75 * 0.8 ** torch.arange(steps, dtype=torch.float32)


def flow_time(size: int, generator: torch.Generator) -> Tensor:
    """Draw times (B,) that favour the noisy end, as pi0 does (Beta(1.5, 1) of the noise)."""
    return 1.0 - torch.rand(size, generator=generator) ** (1 / 1.5)


def _regression(chunk: Tensor, action: Tensor) -> Tensor:
    """Return (B, T, 1): L1 of the motion, cross entropy of the gripper."""
    motion = (chunk[..., :6] - action[..., :6]).abs().mean(2, keepdim=True)
    gripper = F.binary_cross_entropy_with_logits(
        chunk[..., 6:], 0.5 * action[..., 6:] + 0.5, reduction='none')
    return motion + 0.3 * gripper


def _known(guess: Tensor, truth: Tensor) -> Tensor:
    known = ~truth.isnan()
    error = F.smooth_l1_loss(guess, truth.nan_to_num(), reduction='none', beta=0.1)
    return (error * known).sum() / known.sum().clamp(min=1)
