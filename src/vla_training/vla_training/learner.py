"""Weights in training: bfloat16 for speed, float32 masters, moments and average for accuracy.

A processor that has no bfloat16 emulates it many times slower: there they are float32.

All parameters of the model are views of one flat vector, and so are their gradients. So the
optimiser, the exponential average, the exchange between processes and the saved state are each
a few lines about single vectors of P numbers.
"""

from dataclasses import dataclass
import json
import os
from pathlib import Path

from safetensors import safe_open, SafetensorError
from safetensors.torch import save_file
import torch
from torch import nn, Tensor
from vla_core.errors import InvalidDataError

_VECTORS = ('master', 'average', 'moment', 'square')


@dataclass(frozen=True)
class Optimisation:
    """AdamW (Loshchilov and Hutter, arXiv:1711.05101) with an exponential moving average."""

    rate: float = 6e-4
    warmup_steps: int = 200
    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.98
    clip: float = 1.0  # of the gradient's norm
    average: float = 0.998
    final_rate: float = 0.02  # of `rate`, where the cosine ends

    def rate_at(self, step: int, fraction: float) -> float:
        """Return the learning rate: warm-up, then a cosine over the fraction 0..1 of the run."""
        cosine = 0.5 + 0.5 * torch.cos(torch.tensor(torch.pi * min(fraction, 1.0))).item()
        scale = self.final_rate + (1.0 - self.final_rate) * cosine
        return self.rate * scale * min(1.0, (step + 1) / self.warmup_steps)


def fast_kind() -> torch.dtype:
    """Return bfloat16 where this processor computes with it, else float32."""
    native = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if native else torch.float32


class Learner:
    """A model whose parameters live in one vector, and the float32 vectors behind it."""

    def __init__(
        self, model: nn.Module, optimisation: Optimisation, kind: torch.dtype | None = None,
    ) -> None:
        """Compute in `kind`; without one in what suits this processor."""
        self.model, self._how, self.step = model, optimisation, 0
        self.master = torch.cat([p.detach().float().flatten() for p in model.parameters()])
        self.average = self.master.clone()
        self.moment, self.square = torch.zeros_like(self.master), torch.zeros_like(self.master)
        self._adam = torch.optim.AdamW(
            [self.master.requires_grad_()], fused=True, weight_decay=optimisation.weight_decay,
            betas=(optimisation.beta1, optimisation.beta2))
        self._adam.state[self.master] = {
            'step': torch.zeros(()), 'exp_avg': self.moment, 'exp_avg_sq': self.square}
        self._weights = self.master.detach().to(kind or fast_kind(), copy=True)
        self.gradient = torch.zeros_like(self._weights)  # (P,), backward adds here
        start = 0
        for parameter in model.parameters():
            stop = start + parameter.numel()
            parameter.data = self._weights[start:stop].view(parameter.shape)
            parameter.grad = self.gradient[start:stop].view(parameter.shape)
            start = stop

    @torch.no_grad()
    def update(self, gradient: Tensor, fraction: float) -> None:
        """Take one step with a float32 gradient (P,), spend it, and clear `self.gradient`."""
        how, t = self._how, self.step + 1
        gradient.mul_(how.clip / gradient.norm().clamp(min=how.clip))
        self._adam.param_groups[0]['lr'] = how.rate_at(self.step, fraction)
        self.master.grad = gradient
        self._adam.step()
        self.average.lerp_(self.master, 1 - min(how.average, t / (t + 10)))
        self._weights.copy_(self.master)
        self.gradient.zero_()
        self.step = t

    def averaged(self, like: nn.Module) -> nn.Module:
        """Put the averaged weights into a float32 model of the same shape and return it."""
        torch.nn.utils.vector_to_parameters(self.average.clone(), like.parameters())
        return like

    def save(self, path: Path, notes: dict[str, float]) -> None:
        """Store everything for a resumed run; the file appears whole or not at all."""
        temporary = path.with_suffix('.tmp')
        save_file({name: getattr(self, name).detach() for name in _VECTORS}, temporary,
                  {'notes': json.dumps({**notes, 'step': self.step})})
        with open(temporary, 'rb') as file:
            os.fsync(file.fileno())
        temporary.replace(path)

    def load(self, path: Path) -> dict[str, float]:
        """Continue from what `save` stored; return its notes."""
        try:
            with safe_open(path, 'pt') as file:
                notes = json.loads(file.metadata()['notes'])
                stored = {name: file.get_tensor(name) for name in _VECTORS}
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise InvalidDataError(f'training state {path}: cannot be read: {error}') from error
        if stored['master'].shape != self.master.shape:
            raise InvalidDataError(
                f'training state {path}: got {len(stored["master"])} weights, this model has '
                f'{len(self.master)}')
        with torch.no_grad():
            for name in _VECTORS:
                getattr(self, name).copy_(stored[name])
            self._weights.copy_(self.master)
        self.step = int(notes['step'])
        self._adam.state[self.master]['step'].fill_(self.step)
        return notes
