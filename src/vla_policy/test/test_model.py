"""Laws of the model: attention, flow, masks, and what the trunk may see."""

from policy_fakes import random_observation, tiny_checkpoint
import torch
import torch.nn.functional as F  # noqa: N812, the name everybody knows
from vla_policy.model import attend, grid, integrate, SmallVla


def _prefix(model: SmallVla, words: torch.Tensor, seed: int = 0):
    observation = random_observation(seed)
    images = {name: torch.from_numpy(image)[None] for name, image in observation.images.items()}
    return model.prefix(images, words, torch.zeros(1, model.config.state_dim))


def test_exact_velocity_carries_noise_to_data() -> None:
    noise, data = torch.randn(2, 12, 7), torch.randn(2, 12, 7)
    reached = integrate(lambda x, t: data - noise, noise, 10)
    torch.testing.assert_close(reached, data)


def test_velocity_toward_one_point_reaches_it_from_any_noise() -> None:
    data = torch.randn(1, 12, 7)
    reached = integrate(
        lambda x, t: (data - x) / (1 - t[:, None, None]), torch.randn(5, 12, 7), 10)
    torch.testing.assert_close(reached, data.expand(5, -1, -1), atol=1e-5, rtol=1e-5)


def test_integration_times_run_from_zero_to_below_one() -> None:
    times = []
    integrate(lambda x, t: times.append(float(t[0])) or x, torch.zeros(1, 12, 7), 4)
    assert times == [0.0, 0.25, 0.5, 0.75]


def test_attention_equals_the_library() -> None:
    q, k, v = torch.randn(3, 2, 4, 5, 8)
    ours = attend(q, k, v, None)
    theirs = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    torch.testing.assert_close(ours, theirs)


def test_padding_words_change_nothing() -> None:
    model = tiny_checkpoint().model
    short, long = torch.tensor([[2, 3, 4]]), torch.tensor([[2, 3, 4, 0, 0]])
    with torch.no_grad():
        a, b = (model.regress(_prefix(model, words)) for words in (short, long))
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_words_and_images_reach_both_heads() -> None:
    model = tiny_checkpoint().model
    noise = torch.zeros(1, 12, 7)
    with torch.no_grad():
        base = _prefix(model, torch.tensor([[2, 3]]))
        for other in (_prefix(model, torch.tensor([[2, 4]])),
                      _prefix(model, torch.tensor([[2, 3]]), seed=1)):
            assert not torch.allclose(model.regress(base), model.regress(other), atol=1e-6)
            assert not torch.allclose(
                model.sample(base, noise), model.sample(other, noise), atol=1e-6)


def test_grid_covers_the_image_row_by_row() -> None:
    cells = grid(3)
    assert cells[0].tolist() == [-1.0, -1.0]
    assert cells[1].tolist() == [0.0, -1.0]
    assert cells[-1].tolist() == [1.0, 1.0]
