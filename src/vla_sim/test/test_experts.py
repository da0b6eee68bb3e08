"""The experts: they do their tasks, also when pushed off their way."""

import numpy as np
import pytest
from vla_core.control.controller import ArmController
from vla_core.rollout import rollout
from vla_sim.collect import DemoConfig, demonstrate, DisturbedExpert, Noise, NoiseConfig
from vla_sim.environment import TableEnvironment
from vla_sim.experts.motion import STEP_MAX
from vla_sim.tasks.bowl import TASKS


@pytest.mark.parametrize('task', TASKS)
def test_expert_succeeds_clean_and_disturbed(environment, task) -> None:
    noise = Noise(NoiseConfig(share_max=0.15, clean_episodes=0.0), np.random.default_rng(1))
    for seed, disturbance in ((11, None), (12, noise)):
        result = rollout(
            environment, ArmController(environment.spec),
            DisturbedExpert(environment, disturbance), None, '',
            seed=seed, task=task, timeout_s=12.0)
        assert result.outcome.success, (seed, result.outcome)


class Kept:
    """An EpisodeWriter that keeps episodes in memory."""

    def __init__(self) -> None:
        self.episodes = []

    def write(self, episode) -> None:
        self.episodes.append(episode)

    def close(self) -> None:
        pass


def test_labels_stay_clean_while_actions_are_disturbed() -> None:
    environment, kept = TableEnvironment(linger_steps=3), Kept()
    config = DemoConfig(noise=NoiseConfig(clean_episodes=0.0), follow_up=1.0)
    outcomes = list(demonstrate(environment, 'open_drawer', 2, kept, config))
    environment.close()
    assert len(outcomes) == len(kept.episodes) > 1  # another task followed
    episode = kept.episodes[0]
    labels = episode.streams['action'].values
    executed = episode.streams['action/proposed'].values
    assert (np.abs(labels[:, :3] - executed[:, :3]) > 1e-4).any()
    assert np.linalg.norm(labels[:, :3], axis=1).max() <= STEP_MAX + 1e-4
    assert episode.success and episode.streams['progress'].values[-1] > 0.95
