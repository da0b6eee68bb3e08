"""Training learns a world of dots, goes on after a kill, and refuses contradictions."""

from pathlib import Path
import signal
import subprocess
import sys

import numpy as np
import pytest
from safetensors.torch import load_file
import torch
from training_fakes import SENTENCES, SPEC, write_episodes
from vla_core.errors import InvalidDataError
from vla_policy.model import ModelConfig, SmallVla
from vla_policy.text import WordTokenizer
from vla_training.batches import Augmentation, Batches
from vla_training.dagger import train_stage
from vla_training.data import AUXILIARY_DIM, build, check_source, Frames
from vla_training.learner import Learner, Optimisation
from vla_training.objective import compute_losses, flow_time, row_weights
from vla_training.train import train, TrainOptions

torch.set_num_threads(1)


def _world(folder: Path, episodes: int) -> Frames:
    write_episodes(folder / 'episodes', episodes, steps=2)
    return build([folder / 'episodes'], folder / 'frames')


def _small(vocabulary: int) -> SmallVla:
    torch.manual_seed(0)
    return SmallVla(ModelConfig(
        vocabulary=vocabulary, width=64, layers=2, heads=2, expert_width=32, stem_channels=16,
        keypoints=8, words=6, chunk=2, auxiliary_dim=AUXILIARY_DIM))


def _batches(frames: Frames, how: Augmentation) -> tuple[Batches, int]:
    tokenizer = WordTokenizer.learn(SENTENCES.values())
    return Batches(frames, tokenizer, frames.normalisation(), 6, 2, how), tokenizer.size


def test_both_heads_learn_to_go_to_the_dot_that_is_named(tmp_path: Path) -> None:
    batches, vocabulary = _batches(_world(tmp_path, 24), Augmentation(0, 0.0, 0.0, 0.0))
    learner = Learner(_small(vocabulary), Optimisation(rate=3e-3, warmup_steps=10))
    history = []
    for step in range(80):
        batch = batches.draw(16, np.random.default_rng(step))
        losses = compute_losses(learner.model, batch, torch.Generator().manual_seed(step))
        losses.total.backward()
        learner.update(learner.gradient.float(), step / 80)
        history.append([float(losses.l1.detach()), float(losses.flow.detach())])
    begin, end = np.mean(history[:5], 0), np.mean(history[-10:], 0)
    assert end[0] < 0.4 * begin[0]
    assert end[1] < 0.5 * begin[1]


def test_drawn_batch_is_a_function_of_its_generator(tmp_path: Path) -> None:
    batches, _ = _batches(_world(tmp_path, 4), Augmentation())
    one, two, other = (batches.draw(8, np.random.default_rng(k)) for k in (1, 1, 2))
    assert torch.equal(one.images['wrist'], two.images['wrist'])
    assert torch.equal(one.state, two.state)
    assert not torch.equal(one.images['wrist'], other.images['wrist'])


def test_no_augmentation_leaves_images_alone(tmp_path: Path) -> None:
    frames = _world(tmp_path, 1)
    batches, _ = _batches(frames, Augmentation(0, 0.0, 0.0, 0.0))
    image = batches.draw(1, np.random.default_rng(0)).images['static'][0].numpy()
    np.testing.assert_array_equal(image, frames.images['static'][0])


def test_first_rows_weigh_most_and_noise_is_favoured() -> None:
    weights = row_weights(12)
    assert (weights[:-1] > weights[1:]).all()
    times = flow_time(4000, torch.Generator().manual_seed(0))
    assert 0 <= times.min() and times.max() <= 1
    assert times.mean() == pytest.approx(0.4, abs=0.02)  # Beta(1.5, 1) has mean 0.6 of noise


def _run(folder: Path, name: str, steps: int, resume: bool = False) -> list[Path]:
    options = TrainOptions(
        steps=steps, batch=2, processes=2, candidates=(1.0,), save_every_s=0.0)
    return train(folder / 'frames', folder / name, options, SPEC, resume=resume)


_KILLED_RUN = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_train
from vla_training.learner import Learner

def save_and_die(self, path, notes, save=Learner.save):
    save(self, path, notes)
    if self.step == 3:
        os.kill(os.getpid(), signal.SIGKILL)

Learner.save = save_and_die
test_train._run(Path(sys.argv[2]), 'killed', 5)
"""


def test_killed_run_goes_on_to_the_same_bits_and_leaves_no_process(tmp_path: Path) -> None:
    _world(tmp_path, 4)
    here = str(Path(__file__).parent)
    ended = subprocess.run(  # returns once nobody holds the pipes: the partner is gone too
        [sys.executable, '-c', _KILLED_RUN, here, str(tmp_path)],
        capture_output=True, text=True, timeout=200)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert not (tmp_path / 'killed' / 'candidates').exists()
    resumed = _run(tmp_path, 'killed', 5, resume=True)[0]
    straight = _run(tmp_path, 'straight', 5)[0]
    weights, again = (load_file(p / 'model.safetensors') for p in (straight, resumed))
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_stage_refuses_arrays_of_other_episodes(tmp_path: Path) -> None:
    write_episodes(tmp_path / 'a', 2)
    write_episodes(tmp_path / 'b', 3)
    build([tmp_path / 'a'], tmp_path / 'out' / 'frames')
    check_source(tmp_path / 'out' / 'frames', [tmp_path / 'a'])
    with pytest.raises(InvalidDataError, match=r'other episodes \(2, .*\(3, '):
        train_stage(
            [tmp_path / 'b'], {}, tmp_path / 'out', TrainOptions(steps=1), SPEC, None,
            lambda fraction, line: None)


def test_resuming_nothing_and_overwriting_a_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match='nothing to resume'):
        _run(tmp_path, 'none', 2, resume=True)
    (tmp_path / 'old').mkdir()
    (tmp_path / 'old' / 'state.safetensors').touch()
    with pytest.raises(InvalidDataError, match='holds a run already'):
        _run(tmp_path, 'old', 2)


def test_budget_is_minutes_or_steps() -> None:
    for wrong in ({}, {'minutes': 1.0, 'steps': 1}):
        with pytest.raises(InvalidDataError, match='allowed one of them'):
            TrainOptions(**wrong)
    assert TrainOptions(minutes=2.0).fraction(999, 60.0) == 0.5
    assert TrainOptions(steps=10).fraction(5, 1e9) == 0.5
