"""The training loop: processes with a thread each, a time or step budget, resumable.

What a run leaves in its folder:
    state.safetensors   everything to go on after a kill, replaced about once a minute
    log.jsonl           losses
    curves.png          the same drawn
    candidates/NAME     checkpoints (averaged weights) to choose from by closed-loop success
"""

from collections.abc import Callable
from dataclasses import dataclass, field
import json
from pathlib import Path
import time

import numpy as np
import torch
from torch.multiprocessing import get_context
from vla_core.errors import InvalidDataError
from vla_core.spec import RobotSpec
from vla_core.tasks import TASKS
from vla_policy import checkpoint as checkpoints
from vla_policy.actions import Normalisation
from vla_policy.checkpoint import Checkpoint
from vla_policy.model import ModelConfig, SmallVla
from vla_policy.text import WordTokenizer
from vla_training.batches import Augmentation, Batches
from vla_training.data import AUXILIARY_DIM, Frames, open_frames
from vla_training.exchange import Exchange
from vla_training.learner import Learner, Optimisation
from vla_training.objective import compute_losses, Losses
from vla_training.plots import draw_curves
from vla_training.processes import deaf_children, die_with_parent, end

_LOG_EVERY = 25  # steps


@dataclass(frozen=True)
class TrainOptions:
    """How a run is done; give `minutes` or `steps`."""

    minutes: float | None = None
    steps: int | None = None
    batch: int = 32  # samples a process and step
    processes: int = 2
    seed: int = 0
    candidates: tuple[float, ...] = (0.8, 0.9, 1.0)  # fractions of the run
    save_every_s: float = 60.0
    optimisation: Optimisation = field(default_factory=Optimisation)
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise InvalidDataError(
                f'train: got minutes {self.minutes} and steps {self.steps}, allowed one of them')

    def fraction(self, step: int, elapsed_s: float) -> float:
        """Return how much of the run is done, 0..1."""
        if self.steps is not None:
            return step / self.steps
        return elapsed_s / (60.0 * self.minutes)


Report = Callable[[float, str], None]  # fraction done 0..1, a line of losses


@dataclass(frozen=True)
class _Job:
    """All a process needs; crosses to the others, so everything in it is plain data."""

    frames: Path
    out: Path
    options: TrainOptions
    config: ModelConfig
    tokenizer: str
    normalisation: Normalisation
    weights: torch.Tensor  # (P,) float32 shared: where the run starts


def train(
    frames: Path, out: Path, options: TrainOptions, spec: RobotSpec, *,
    init: Path | None = None, resume: bool = False, report: Report = lambda fraction, line: None,
) -> list[Path]:
    """Train on the arrays in `frames`; return the candidate checkpoints, oldest first.

    `init` starts from a checkpoint's weights, words and scales; `resume` goes on with the run
    that `out` holds, bit-identical for a budget in steps.
    """
    state = out / 'state.safetensors'
    if resume and not state.is_file():
        raise InvalidDataError(f'train: nothing to resume in {out}, allowed a folder with {state}')
    if not resume and state.exists():
        raise InvalidDataError(f'train: {out} holds a run already; use --resume or another --out')
    out.mkdir(parents=True, exist_ok=True)
    start = _start(open_frames(frames), spec, options.seed, init)
    weights = torch.nn.utils.parameters_to_vector(start.model.parameters()).detach()
    job = _Job(frames, out, options, start.model.config, start.tokenizer.to_json(),
               start.normalisation, weights.share_memory_())
    exchange = Exchange(options.processes, len(weights))
    partners = [get_context('spawn').Process(
        target=_work, args=(job, exchange, rank, resume), daemon=True)
        for rank in range(1, options.processes)]
    lead = _Run(job, exchange, 0, resume)  # before the others: it reads what may be broken
    with deaf_children():
        for partner in partners:
            partner.start()
    try:
        _lead(lead, start, spec, report)
    except BaseException:  # Ctrl-C, say: the last saved state is what a resumed run goes on from
        end(partners)
        raise
    for partner in partners:
        partner.join(60.0)
    return sorted((out / 'candidates').iterdir())


def _start(frames: Frames, spec: RobotSpec, seed: int, init: Path | None) -> Checkpoint:
    """Return the model to start from: a checkpoint's, or a fresh one."""
    if init is not None:
        return checkpoints.load(init, spec)
    torch.manual_seed(seed)
    words = [s for task in TASKS.values() for s in task.sentences]
    tokenizer = WordTokenizer.learn([*words, *frames.sentences])
    side = next(iter(frames.images.values())).shape[1]
    config = ModelConfig(
        vocabulary=tokenizer.size, cameras=tuple(sorted(frames.images)), image_px=side,
        state_dim=frames.state.shape[1], auxiliary_dim=AUXILIARY_DIM)
    return Checkpoint(SmallVla(config), tokenizer, frames.normalisation(), 'l1', spec.name)


class _Run:
    """One process's part: its batches, its copy of the weights, its generators."""

    def __init__(self, job: _Job, exchange: Exchange, rank: int, resume: bool) -> None:
        torch.set_num_threads(1)
        self.job, self.rank, self._exchange = job, rank, exchange
        model = SmallVla(job.config)
        torch.nn.utils.vector_to_parameters(job.weights.clone(), model.parameters())
        self.learner = Learner(model, job.options.optimisation)
        self.elapsed_s = 0.0
        if resume:
            self.elapsed_s = self.learner.load(job.out / 'state.safetensors')['elapsed_s']
        tokenizer = WordTokenizer.from_json(job.tokenizer, 'tokenizer')
        self._batches = Batches(
            open_frames(job.frames), tokenizer, job.normalisation, job.config.words,
            job.config.chunk, job.options.augmentation)

    def step(self) -> tuple[Losses, float]:
        """Learn from one batch; return its losses and the fraction done before it."""
        options, turn = self.job.options, self.learner.step
        rng = np.random.default_rng([options.seed, self.rank, turn])
        batch = self._batches.draw(options.batch, rng)
        noise = torch.Generator().manual_seed(int(rng.integers(2 ** 62)))
        losses = compute_losses(self.learner.model, batch, noise)
        losses.total.backward()
        fraction = options.fraction(turn, self.elapsed_s)
        gradient, fraction = self._exchange.mean(
            self.rank, turn, self.learner.gradient, fraction)
        self.learner.update(gradient, fraction)
        return losses, fraction


def _work(job: _Job, exchange: Exchange, rank: int, resume: bool) -> None:
    """Be a partner: step until the lead says that the run is over."""
    die_with_parent()
    run = _Run(job, exchange, rank, resume)
    while run.step()[1] < 1.0:
        pass


def _lead(run: _Run, start: Checkpoint, spec: RobotSpec, report: Report) -> None:
    """Be partner 0: keep the time, the log, the state and the candidates."""
    job, fraction, saved_s = run.job, 0.0, 0.0
    log, marks = _Log(job.out, run.learner.step), list(job.options.candidates)
    earlier_s, began = run.elapsed_s, time.monotonic()
    marks = [m for m in marks if m > job.options.fraction(run.learner.step, earlier_s)]
    while fraction < 1.0:
        losses, fraction = run.step()
        run.elapsed_s = earlier_s + time.monotonic() - began
        if line := log.add(run.learner.step, run.elapsed_s, losses):
            report(min(fraction, 1.0), line)
        while marks and fraction >= marks[0]:
            _keep(job, run.learner, start, spec, marks.pop(0))
        if run.elapsed_s - saved_s > job.options.save_every_s or fraction >= 1.0:
            saved_s = run.elapsed_s
            run.learner.save(job.out / 'state.safetensors', {'elapsed_s': run.elapsed_s})
            draw_curves(job.out / 'log.jsonl', job.out / 'curves.png')


def _keep(
    job: _Job, learner: Learner, start: Checkpoint, spec: RobotSpec, mark: float
) -> None:
    """Store the averaged weights as a checkpoint to choose from."""
    model = learner.averaged(SmallVla(job.config))
    kept = Checkpoint(model, start.tokenizer, start.normalisation, start.head, spec.name)
    card = f'# Candidate after {learner.step} steps\n\nNot evaluated yet.\n'
    name = f'at_{round(100 * mark):03d}'
    checkpoints.save(job.out / 'candidates' / name, kept, spec, card)


class _Log:
    """Averages losses over a few steps and appends them to log.jsonl."""

    def __init__(self, out: Path, step: int) -> None:
        self._path, self._rows = out / 'log.jsonl', []
        if self._path.exists():  # a resumed run repeats what came after the last saved state
            lines = self._path.read_text().splitlines()
            kept = [line for line in lines if json.loads(line)['step'] <= step]
            self._path.write_text(''.join(line + '\n' for line in kept))

    def add(self, step: int, elapsed_s: float, losses: Losses) -> str:
        """Take one step's losses; return a line when a mean was written, else nothing."""
        self._rows.append({name: float(value.detach()) for name, value in vars(losses).items()})
        if len(self._rows) < _LOG_EVERY:
            return ''
        row = {name: round(float(np.mean([r[name] for r in self._rows])), 5)
               for name in self._rows[0]}
        self._rows.clear()
        with self._path.open('a') as file:
            file.write(json.dumps({'step': step, 'seconds': round(elapsed_s, 1), **row}) + '\n')
        return f'step {step}  ' + '  '.join(f'{name} {value:.3f}' for name, value in row.items())
