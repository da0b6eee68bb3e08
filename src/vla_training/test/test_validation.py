"""The loss of a checkpoint is what its run logged, or what it errs on episodes it has not seen."""

from dataclasses import replace
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from training_fakes import SPEC, write_episodes
from vla_core.errors import InvalidDataError
from vla_policy import checkpoint as checkpoints
from vla_policy.checkpoint import Checkpoint
from vla_policy.model import ModelConfig, SmallVla
from vla_policy.text import WordTokenizer
from vla_training.data import build, Frames
from vla_training.validation import chunk_error, training_loss, validation_losses


@pytest.fixture(scope='module')
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """Return two episodes of six frames."""
    root = tmp_path_factory.mktemp('frames')
    write_episodes(root / 'demos', 2)
    return build([root / 'demos'], root / 'arrays')


def _checkpoint(frames: Frames, head: str = 'l1') -> Checkpoint:
    """Return a small model that has learnt nothing."""
    torch.manual_seed(0)
    tokenizer = WordTokenizer.learn(frames.sentences)
    config = ModelConfig(
        vocabulary=tokenizer.size, cameras=tuple(sorted(frames.images)), image_px=96,
        state_dim=frames.state.shape[1], auxiliary_dim=1)
    return Checkpoint(SmallVla(config).eval(), tokenizer, frames.normalisation(), head, SPEC.name)


@pytest.mark.parametrize('head', ['l1', 'flow'])
def test_error_is_the_same_every_time_and_finite(frames: Frames, head: str) -> None:
    one = _checkpoint(frames, head)
    assert 0.0 < chunk_error(one, frames) == chunk_error(one, frames) < 10.0


def test_who_foretells_the_demonstration_errs_less(frames: Frames) -> None:
    nothing = _checkpoint(frames)
    knows = _checkpoint(frames)
    with torch.no_grad():
        for parameter in knows.model.parameters():
            parameter.zero_()  # every chunk rests, with the gripper half open
    still = replace(frames, action=np.tile(
        np.array([0, 0, 0, 0, 0, 0, 0.5], np.float32), (len(frames), 1)))
    assert chunk_error(knows, still) < 1e-6 < chunk_error(nothing, still)


def test_losses_come_in_the_order_of_the_folders(frames: Frames, tmp_path: Path) -> None:
    write_episodes(tmp_path / 'demos', 2)
    folders = [tmp_path / 'l1', tmp_path / 'flow']
    for folder in folders:
        checkpoints.save(folder, _checkpoint(frames, folder.name), SPEC, '')
    one, two = validation_losses(folders, tmp_path / 'demos', tmp_path / 'frames', SPEC)
    assert one != two
    again = validation_losses(folders, tmp_path / 'demos', tmp_path / 'frames', SPEC, 'flow')
    assert again == [two, two]


def test_cameras_of_another_arm_are_refused(frames: Frames) -> None:
    blind = replace(frames, images={'static': frames.images['static']})
    with pytest.raises(InvalidDataError, match=r"got cameras \['static'\], allowed"):
        chunk_error(_checkpoint(frames), blind)


def test_training_loss_is_the_last_one_logged_before_the_candidate(tmp_path: Path) -> None:
    folder = tmp_path / 'candidates' / 'at_050'
    folder.mkdir(parents=True)
    assert training_loss(folder) is None  # no card, no log
    (folder / 'README.md').write_text('# Candidate after 60 steps\n\nNot evaluated yet.\n')
    (folder / 'config.json').write_text(json.dumps({'head': 'flow'}))
    (tmp_path / 'log.jsonl').write_text(''.join(
        json.dumps({'step': step, 'l1': 9.0, 'flow': flow}) + '\n'
        for step, flow in ((25, 0.8), (50, 0.4), (75, 0.2))))
    assert training_loss(folder) == 0.4
    (folder / 'README.md').write_text('# SmallVla\n')
    assert training_loss(folder) is None
