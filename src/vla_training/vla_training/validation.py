"""What a checkpoint's loss is, for showing that it does not tell its success."""

from collections.abc import Sequence
from dataclasses import replace
import json
from pathlib import Path
import re

import numpy as np
import torch
from vla_core.errors import InvalidDataError
from vla_core.spec import RobotSpec
from vla_policy import checkpoint as checkpoints
from vla_policy.checkpoint import Checkpoint
from vla_training.data import build, Frames
from vla_training.objective import row_weights

_FRAMES = 1500  # looked at, evenly over all
_BATCH = 32
_STEPS = re.compile(r'^# Candidate after (\d+) steps$', re.MULTILINE)


def training_loss(folder: Path) -> float | None:
    """Return the last training loss logged before a candidate was kept; None where unknown.

    It is the loss of the head that the checkpoint uses, read from the log.jsonl of its run.
    """
    card, log = folder / 'README.md', folder.parent.parent / 'log.jsonl'
    if not card.is_file() or not log.is_file():
        return None
    steps = _STEPS.search(card.read_text())
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    seen = [row for row in rows if steps and row['step'] <= int(steps[1])]
    head = json.loads((folder / 'config.json').read_text())['head']
    return float(seen[-1][head]) if seen else None


def validation_losses(
    folders: Sequence[Path], demos: Path, frames: Path, spec: RobotSpec,
    head: str | None = None,
) -> list[float]:
    """Return `chunk_error` of each checkpoint on the episodes in `demos`.

    `head` is used instead of the checkpoints' own; the arrays are kept in `frames`.
    """
    arrays = build([demos], frames)
    loaded = (checkpoints.load(folder, spec) for folder in folders)
    return [chunk_error(replace(one, head=head or one.head), arrays) for one in loaded]


@torch.inference_mode()
def chunk_error(checkpoint: Checkpoint, frames: Frames) -> float:
    """Return the mean absolute error of predicted chunks, in the actions' own spread.

    Rows are weighed as in training; the scale is that of `frames`, so that checkpoints with
    other scales can be compared.
    """
    cameras, known = set(checkpoint.model.config.cameras), set(frames.images)
    if not cameras <= known:
        raise InvalidDataError(
            f'episodes: got cameras {sorted(known)}, allowed those of the checkpoint, '
            f'{sorted(cameras)}')
    scale = frames.normalisation()
    weight = row_weights(checkpoint.model.config.chunk).numpy()  # (T,) float32
    chosen = np.unique(np.linspace(0, len(frames) - 1, _FRAMES).round().astype(np.int64))
    error = total = 0.0
    for start in range(0, len(chosen), _BATCH):
        index = chosen[start:start + _BATCH]
        action, real = frames.chunks(index, len(weight))
        guess = checkpoint.normalisation.decode(_predict(checkpoint, frames, index))
        off = np.abs(scale.encode(guess) - scale.encode(action)).mean(2)  # (B, T)
        error += float((off * real * weight).sum())
        total += float((real * weight).sum())
    return error / total


def _predict(checkpoint: Checkpoint, frames: Frames, index: np.ndarray) -> np.ndarray:
    """Return normalised chunks (B, T, 7) float32 of the frames `index`."""
    model, config = checkpoint.model, checkpoint.model.config
    words = np.stack([checkpoint.tokenizer.encode(frames.sentences[e], config.words)
                      for e in frames.episode[index]])
    prefix = model.prefix(
        {camera: torch.from_numpy(frames.images[camera][index]) for camera in config.cameras},
        torch.from_numpy(words[:, :max(1, int((words > 0).sum(1).max()))]),
        torch.from_numpy(checkpoint.normalisation.encode_state(frames.state[index])))
    if checkpoint.head == 'l1':
        rows = model.regress(prefix)
        rows[..., 6] = rows[..., 6].sigmoid() * 2.0 - 1.0
        return rows.numpy()
    noise = torch.randn(len(index), config.chunk, config.action_dim,
                        generator=torch.Generator().manual_seed(int(index[0])))
    return model.sample(prefix, noise).numpy()
