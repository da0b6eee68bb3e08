"""Laws of the flat learner and of the exchange between processes."""

from pathlib import Path
from threading import Thread

import pytest
import torch
from torch import nn
from vla_core.errors import InvalidDataError
from vla_training.exchange import Exchange
from vla_training.learner import Learner, Optimisation


def _model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))


def _learn(learner: Learner, steps: int, first: int = 0) -> None:
    for k in range(first, first + steps):
        x = torch.randn(8, 5, generator=torch.Generator().manual_seed(k)).to(
            learner.gradient.dtype)
        learner.model(x).float().square().mean().backward()
        learner.update(learner.gradient.float(), 0.0)


def test_update_is_adamw_of_the_library() -> None:
    how = Optimisation(rate=0.01, warmup_steps=1, weight_decay=0.1, clip=1e9)
    learner, gradient = Learner(_model(), how), torch.randn(39)
    ours = nn.Parameter(learner.master.detach().clone())
    theirs = torch.optim.AdamW([ours], 0.01, (how.beta1, how.beta2), weight_decay=0.1)
    for _ in range(3):
        ours.grad = gradient.clone()
        theirs.step()
        learner.update(gradient.clone(), 0.0)
    torch.testing.assert_close(learner.master, ours)


@pytest.mark.parametrize('kind', [torch.bfloat16, torch.float32])
def test_parameters_and_gradients_are_views_of_the_flat_vectors(kind: torch.dtype) -> None:
    learner = Learner(_model(), Optimisation(), kind)
    learner.model(torch.ones(1, 5, dtype=kind)).sum().backward()
    assert learner.gradient.abs().sum() > 0
    _learn(learner, 1)
    flat = torch.cat([p.flatten() for p in learner.model.parameters()])
    assert torch.equal(flat, learner.master.detach().to(kind))
    assert (learner.gradient == 0).all()


def test_gradient_is_clipped() -> None:
    learner = Learner(_model(), Optimisation(clip=1.0))
    gradient = torch.full((39,), 100.0)
    learner.update(gradient, 0.0)
    assert gradient.norm() == pytest.approx(1.0)


def test_rate_warms_up_then_falls_to_its_end() -> None:
    how = Optimisation(rate=1.0, warmup_steps=10, final_rate=0.02)
    assert how.rate_at(0, 0.0) == pytest.approx(0.1)
    assert how.rate_at(100, 0.0) == pytest.approx(1.0)
    assert how.rate_at(100, 0.5) == pytest.approx(0.51)
    assert how.rate_at(100, 1.0) == pytest.approx(0.02)


def test_resumed_learner_equals_one_that_went_on(tmp_path: Path) -> None:
    straight = Learner(_model(), Optimisation())
    _learn(straight, 6)
    first = Learner(_model(), Optimisation())
    _learn(first, 3)
    first.save(tmp_path / 'state.safetensors', {'elapsed_s': 1.5})
    second = Learner(_model(), Optimisation())
    assert second.load(tmp_path / 'state.safetensors')['elapsed_s'] == 1.5
    _learn(second, 3, first=3)
    assert torch.equal(second.master, straight.master)
    assert torch.equal(second.average, straight.average)


def test_truncated_state_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'state.safetensors'
    Learner(_model(), Optimisation()).save(path, {'elapsed_s': 0.0})
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(InvalidDataError, match='cannot be read'):
        Learner(_model(), Optimisation()).load(path)


def test_state_of_another_model_is_refused(tmp_path: Path) -> None:
    Learner(nn.Linear(2, 2), Optimisation()).save(tmp_path / 'state.safetensors', {})
    with pytest.raises(InvalidDataError, match='got 6 weights, this model has 39'):
        Learner(_model(), Optimisation()).load(tmp_path / 'state.safetensors')


def test_partners_agree_on_the_mean_and_on_the_leads_word() -> None:
    exchange, said = Exchange(2, 3), {}

    def partner(rank: int) -> None:
        for turn in range(4):
            row = torch.full((3,), float(rank + turn))
            said[rank, turn] = exchange.mean(rank, turn, row, 10.0 * rank + turn)

    threads = [Thread(target=partner, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for turn in range(4):
        for rank in range(2):
            mean, word = said[rank, turn]
            assert mean.tolist() == [turn + 0.5] * 3
            assert word == turn
