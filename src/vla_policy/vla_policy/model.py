"""A small vision-language-action model in one file, built the way the big ones are.

- a CNN stem a camera: 6 x 6 image tokens, and a keypoint token (spatial softmax at stride 4)
- half of the keypoints are asked for by the sentence, half are learned: normalised logits
- words, the arm's state and all images go through one bidirectional transformer trunk
- two action experts with their own weights read the trunk's keys and values layer by layer,
  as in pi0 (Black et al., arXiv:2410.24164): one by flow matching (Lipman et al.,
  arXiv:2210.02747), one by L1 regression from learned queries; the trunk runs once a chunk
- progress of the subtask, and positions of objects as an auxiliary training target only:
  the simulator's privileged state shapes the stem, and is neither input nor output later

Attention is written out: on a CPU its backward pass is faster than the fused kernel's.
B is the batch, T the chunk's rows, A = 7 action dimensions, P the trunk's tokens, D its width.
Actions are normalised here: motion by its scale, gripper -1 closed .. 1 open.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import math

import torch
from torch import nn, Tensor
import torch.nn.functional as F  # noqa: N812, the name everybody knows

PATCH = 4  # px: the stem's first convolution sees 3 x 3 patches of this side
WIDEN = 2  # hidden width of the perceptrons

KeysValues = list[tuple[Tensor, Tensor]]  # a layer: keys and values, each (B, heads, P, D/heads)


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a SmallVla; everything else follows from it."""

    vocabulary: int
    cameras: tuple[str, ...] = ('static', 'wrist')
    image_px: int = 96
    state_dim: int = 17
    action_dim: int = 7
    chunk: int = 12
    width: int = 192
    layers: int = 4
    heads: int = 4
    expert_width: int = 128
    stem_channels: int = 48
    keypoints: int = 32
    words: int = 24  # the longest sentence in tokens
    auxiliary_dim: int = 21  # privileged training targets, see vla_training.data
    flow_steps: int = 10


@dataclass(frozen=True)
class Prefix:
    """What the trunk knows about one observation; computed once a chunk."""

    keys_values: KeysValues
    mask: Tensor  # (B, 1, 1, P) float 0 or -inf, hides the padding of the sentence
    summary: Tensor  # (B, D) the state token after the last layer


class Stem(nn.Module):
    """Turn one camera's image into tokens and keypoints."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c, d, k = config.stem_channels, config.width, config.keypoints
        self.fine = nn.Sequential(
            nn.Conv2d(3 * PATCH ** 2, c, 3, padding=1), nn.ReLU(),
            nn.Conv2d(c, c, 3, padding=1), nn.ReLU())
        self.coarse = nn.Sequential(
            nn.Conv2d(c, 2 * c, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(2 * c, d, 3, stride=2, padding=1))
        cells = (config.image_px // 16) ** 2
        self.place = nn.Parameter(torch.zeros(cells, d))
        self.queries = nn.Parameter(torch.randn(k // 2, c) / math.sqrt(c))
        self.asked = nn.Linear(d, (k - k // 2) * c)
        self.keys = nn.Sequential(nn.Linear(c, c), nn.LayerNorm(c, elementwise_affine=False))
        self.sharpness = nn.Parameter(torch.tensor(math.log(16.0)))
        self.keypoint_token = nn.Linear(3 * k, d)

    def forward(self, image: Tensor, sentence: Tensor) -> Tensor:
        """Map image (B, H, W, 3) uint8 and sentence (B, D) to tokens (B, cells + 1, D)."""
        b, h, w, c = image.shape
        patches = image.view(b, h // PATCH, PATCH, w // PATCH, PATCH, c).transpose(2, 3)
        patches = patches.reshape(b, h // PATCH, w // PATCH, -1).to(sentence.dtype)
        fine = self.fine((patches / 127.5 - 1.0).permute(0, 3, 1, 2))  # channels_last in memory
        tokens = self.coarse(fine).flatten(2).transpose(1, 2) + self.place
        return torch.cat([tokens, self._keypoints(fine, sentence).unsqueeze(1)], 1)

    def _keypoints(self, fine: Tensor, sentence: Tensor) -> Tensor:
        """Return one token (B, D) of where the learned and the asked-for things are."""
        keys = self.keys(fine.permute(0, 2, 3, 1).flatten(1, 2))  # (B, cells, C), length sqrt(C)
        asked = self.asked(sentence).unflatten(1, (-1, keys.shape[2]))
        learned = self.queries.expand(len(asked), -1, -1)
        queries = F.normalize(torch.cat([learned, asked], 1), dim=2) * keys.shape[2] ** -0.5
        cosine = (queries @ keys.transpose(1, 2)).float()  # (B, K, cells)
        weights = (cosine * self.sharpness.exp().float()).softmax(2)
        place, sure = weights @ grid(fine.shape[2]), cosine.amax(2, keepdim=True)
        points = torch.cat([place, sure], 2)  # (B, K, 3)
        return self.keypoint_token(points.flatten(1).to(sentence.dtype))


def grid(side: int) -> Tensor:
    """Return x and y of side x side cells in -1..1, row by row: (cells, 2) float32."""
    line = torch.linspace(-1.0, 1.0, side)
    return torch.stack(torch.meshgrid(line, line, indexing='xy'), -1).reshape(-1, 2)


class Mlp(nn.Sequential):
    """Widen, ReLU, narrow."""

    def __init__(self, width: int) -> None:
        wide = WIDEN * width
        super().__init__(nn.Linear(width, wide), nn.ReLU(), nn.Linear(wide, width))


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Return softmax attention of (B, heads, T, d) queries, heads merged: (B, T, heads * d)."""
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    if mask is not None:
        scores = scores + mask.to(scores.dtype)
    return (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)


class TrunkLayer(nn.Module):
    """One pre-norm transformer layer that also hands out its keys and values."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.before, self.between = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.mlp = Mlp(config.width)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Map tokens (B, P, D) to tokens and the layer's keys and values."""
        qkv = self.qkv(self.before(x)).unflatten(2, (3, self.heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = x + self.out(attend(query, key, value, mask))
        return x + self.mlp(self.between(x)), (key, value)


class ExpertLayer(nn.Module):
    """One narrow layer whose tokens attend to the trunk's keys and values and to each other."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.before = nn.LayerNorm(config.expert_width)
        self.between = nn.LayerNorm(config.expert_width)
        self.qkv = nn.Linear(config.expert_width, 3 * config.width)
        self.out = nn.Linear(config.width, config.expert_width)
        self.mlp = Mlp(config.expert_width)

    def forward(self, x: Tensor, seen: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """Map action tokens (B, T, E) to action tokens."""
        qkv = self.qkv(self.before(x)).unflatten(2, (3, self.heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        key = torch.cat([seen[0], key], 2)
        value = torch.cat([seen[1], value], 2)
        x = x + self.out(attend(query, key, value, mask))
        return x + self.mlp(self.between(x))


class Expert(nn.Module):
    """Read the trunk's prefix and turn T action tokens into T rows of A numbers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(config.chunk, config.expert_width) * 0.02)
        self.layers = nn.ModuleList(ExpertLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.expert_width)
        self.out = nn.Linear(config.expert_width, config.action_dim)

    def forward(self, tokens: Tensor, prefix: Prefix) -> Tensor:
        """Map tokens (B, T, E), added to the learned queries, to (B, T, A)."""
        x = tokens + self.queries
        mask = F.pad(prefix.mask, (0, x.shape[1]))  # every action token is visible
        for layer, seen in zip(self.layers, prefix.keys_values, strict=True):
            x = layer(x, seen, mask)
        return self.out(self.norm(x))


class FlowExpert(Expert):
    """Predict the velocity that carries noise to the chunk; time goes from 0 noise to 1 data."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        width = config.expert_width
        self.embed = nn.Linear(config.action_dim, width)
        self.mix = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, width))

    def velocity(self, noisy: Tensor, time: Tensor, prefix: Prefix) -> Tensor:
        """Map noisy chunks (B, T, A) at times (B,) to velocities (B, T, A)."""
        embedded = self.embed(noisy)
        frequencies = torch.linspace(0.0, math.log(100.0), embedded.shape[2] // 2).exp()
        angle = time.float()[:, None] * frequencies
        clock = torch.cat([angle.sin(), angle.cos()], 1).unsqueeze(1).to(embedded.dtype)
        clock = clock.expand(-1, noisy.shape[1], -1)
        return self(self.mix(torch.cat([embedded, clock], 2)), prefix)


class SmallVla(nn.Module):
    """Images, a sentence and the arm's state to a chunk of actions and the task's progress."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        d = config.width
        self.stems = nn.ModuleDict({name: Stem(config) for name in config.cameras})
        self.word = nn.Embedding(config.vocabulary, d, padding_idx=0)
        self.word_place = nn.Parameter(torch.zeros(config.words, d))
        self.state = nn.Sequential(nn.Linear(config.state_dim, d), nn.ReLU(), nn.Linear(d, d))
        self.trunk = nn.ModuleList(TrunkLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(d)
        self.flow = FlowExpert(config)
        self.l1 = Expert(config)
        self.progress = nn.Linear(d, 1)
        self.auxiliary = nn.Linear(d, config.auxiliary_dim)
        self._initialise()

    def _initialise(self) -> None:
        """Set what the defaults get wrong.

        | weights            | init             | why                                       |
        | words              | normal 0.5       | as large as what the stems hand over      |
        | conv               | Kaiming          | ReLU                                      |
        | out, last of MLP   | / sqrt(2 layers) | the residual stream keeps its scale       |
        """
        nn.init.normal_(self.word.weight, std=0.5)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
            if isinstance(module, (TrunkLayer, ExpertLayer)):
                for last in (module.out, module.mlp[2]):
                    last.weight.data.mul_((2 * self.config.layers) ** -0.5)

    def prefix(self, images: Mapping[str, Tensor], words: Tensor, state: Tensor) -> Prefix:
        """Run the trunk once.

        images: camera -> (B, H, W, 3) uint8; words (B, L) int64, 0 is padding;
        state (B, S) float32 normalised.
        """
        blank = words == 0
        sentence = self.word(words) + self.word_place[:words.shape[1]]
        count = (~blank).sum(1, keepdim=True).clamp(min=1)
        meaning = sentence.masked_fill(blank.unsqueeze(2), 0.0).sum(1) / count
        seen = [self.stems[name](images[name], meaning) for name in self.config.cameras]
        x = torch.cat([self.state(state).unsqueeze(1), sentence, *seen], 1)
        mask = torch.zeros(x.shape[:2], dtype=torch.float32)
        mask[:, 1:1 + words.shape[1]].masked_fill_(blank, -torch.inf)
        mask = mask[:, None, None, :]
        keys_values = []
        for layer in self.trunk:
            x, seen_here = layer(x, mask)
            keys_values.append(seen_here)
        return Prefix(keys_values, mask, self.norm(x[:, 0]))

    def regress(self, prefix: Prefix) -> Tensor:
        """Return the L1 head's chunk (B, T, A); the gripper is a logit."""
        tokens = prefix.summary.new_zeros((len(prefix.summary), 1, self.config.expert_width))
        return self.l1(tokens, prefix)

    def sample(self, prefix: Prefix, noise: Tensor) -> Tensor:
        """Carry noise (B, T, A) to a chunk (B, T, A) in Euler steps along the flow."""
        return integrate(lambda x, t: self.flow.velocity(x, t, prefix), noise,
                         self.config.flow_steps)


def integrate(
    velocity: Callable[[Tensor, Tensor], Tensor], noise: Tensor, steps: int
) -> Tensor:
    """Follow dx/dt = velocity(x, t (B,)) from t = 0 to 1 in equal Euler steps."""
    x = noise
    for k in range(steps):
        x = x + velocity(x, torch.full((len(x),), k / steps)) / steps
    return x
