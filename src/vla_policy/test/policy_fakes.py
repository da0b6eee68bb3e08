"""A tiny model and its checkpoint, for tests that need one but not a good one."""

import numpy as np
import torch
from vla_core.spec import load_robot
from vla_core.types import Observation, Subtask
from vla_policy.actions import Normalisation
from vla_policy.checkpoint import Checkpoint
from vla_policy.model import ModelConfig, SmallVla
from vla_policy.text import WordTokenizer

SPEC = load_robot('panda')


def tiny_checkpoint(seed: int = 0) -> Checkpoint:
    """Return an untrained model of the default interface, narrow and shallow."""
    torch.manual_seed(seed)
    tokenizer = WordTokenizer.learn(['lift the red block', 'open the drawer'])
    model = SmallVla(ModelConfig(
        vocabulary=tokenizer.size, width=32, layers=2, heads=2, expert_width=16,
        stem_channels=8, keypoints=4, words=8))
    normalisation = Normalisation(
        np.zeros(17, np.float32), np.ones(17, np.float32), np.full(6, 0.01, np.float32))
    return Checkpoint(model.eval(), tokenizer, normalisation, 'l1', SPEC.name)


def random_observation(seed: int = 0) -> Observation:
    """Return what two cameras and an arm might show."""
    rng = np.random.default_rng(seed)
    return Observation(
        stamp_ns=1_000, episode_id='lift-1',
        images={name: rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
                for name in SPEC.cameras},
        joint_position=SPEC.joints.home, joint_velocity=rng.normal(size=7) * 0.1,
        tool_pose=np.array([0.5, 0.0, 0.3, 1.0, 0.0, 0.0, 0.0]), gripper=1.0)


def red_subtask(text: str = 'lift the red block') -> Subtask:
    """Return a subtask the tiny model has words for."""
    return Subtask(subtask_id='s', episode_id='lift-1', instruction=text, text=text)
