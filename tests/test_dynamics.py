"""The dynamics: what it promises before training, and that it learns to beat copying."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.checkpoint import save_checkpoint
from models.dynamics import KINDS, Dynamics, DynamicsConfig, load_dynamics
from pretrain_visual import _skill, sample_windows


def config(kind: str) -> DynamicsConfig:
    return DynamicsConfig(latent_channels=2, kind=kind, width=32, depth=2, heads=2)


def moving_latents(count: int, length: int, seed: int) -> torch.Tensor:
    """(count, length, 2, 9, 10): patterns that move one column to the right at every frame."""
    rng = np.random.default_rng(seed)
    patterns = rng.uniform(-0.9, 0.9, (count, 2, 9, 10)).astype(np.float32)
    return torch.stack([torch.from_numpy(np.roll(patterns, t, axis=-1)) for t in range(length)], 1)


@pytest.mark.parametrize("kind", KINDS)
def test_an_untrained_model_copies(kind):
    latents = torch.rand(3, 4, 2, 9, 10)
    dynamics = Dynamics(config(kind))
    assert torch.equal(dynamics(latents), latents[:, -1])
    rollout = dynamics.rollout(latents, 5)
    assert torch.equal(rollout, latents[:, -1:].expand(-1, 5, -1, -1, -1))


def test_a_rollout_feeds_back_its_own_predictions():
    dynamics, latents = Dynamics(config("mlp")), torch.rand(2, 4, 2, 9, 10)
    torch.nn.init.normal_(dynamics.network.head[-1].weight, std=0.01)
    first = dynamics(latents).clamp(-1, 1)
    second = dynamics(torch.cat([latents[:, 1:], first[:, None]], 1)).clamp(-1, 1)
    rollout = dynamics.rollout(latents, 2)
    torch.testing.assert_close(rollout, torch.stack([first, second], 1))


@pytest.mark.parametrize(("kind", "steps"), [("transformer", 30), ("mlp", 100)])
def test_it_learns_a_moving_pattern(kind, steps):
    torch.manual_seed(0)
    dynamics = Dynamics(config(kind))
    latents = moving_latents(16, 12, seed=0)
    # Patterns that the transformer never saw; the mlp has no notion of place, so only later times.
    unseen = moving_latents(8, 5, seed=1 if kind == "transformer" else 0)
    optimizer = torch.optim.AdamW(dynamics.parameters(), lr=2e-3)
    for step in range(steps):
        windows = sample_windows(list(latents), 16, 5, np.random.default_rng(step))
        loss = F.mse_loss(dynamics(windows[:, :-1]), windows[:, -1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    error = F.mse_loss(dynamics(unseen[:, :4]), unseen[:, 4])
    assert error < 0.5 * F.mse_loss(unseen[:, 3], unseen[:, 4])  # skill above 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_a_latent_action_tells_apart_what_may_come(kind):
    """Patterns move right or left, as if by a coin: a bit of it is what it takes."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    told, untold = (
        Dynamics(replace(config(kind), action_bits=bits, context_frames=1)) for bits in (2, 0)
    )
    base = torch.from_numpy(rng.uniform(-0.9, 0.9, (4, 2, 9, 10)).astype(np.float32))

    def draw(count: int) -> tuple[torch.Tensor, ...]:
        before = base[rng.integers(4, size=count)]
        signs = torch.from_numpy(rng.choice([-1, 1], count))
        after = torch.stack([b.roll(int(s), -1) for b, s in zip(before, signs, strict=True)])
        return before[:, None], after, signs

    for model in (told, untold):
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
        for _ in range(150):
            before, after, _ = draw(16)
            loss = F.mse_loss(model(before, after), after)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    before, after, signs = draw(64)
    copied = F.mse_loss(before[:, 0], after)
    told.eval()
    assert F.mse_loss(told(before, after), after) < 0.1 * copied
    assert F.mse_loss(untold(before), after) > 0.2 * copied  # the mean of both: a quarter
    bits = told.infer(before[:, 0], after)
    assert (bits * signs[:, None]).mean(dim=0).abs().max() > 0.9
    rollout = told.rollout(before, 1, after[:, None])
    torch.testing.assert_close(rollout[:, 0], told(before, after).clamp(-1, 1))
    with pytest.raises(ValueError, match="to infer the latent action, got none"):
        told(before)


def test_skill_against_copying():
    row = _skill("", torch.tensor([1.0, 3.0]), torch.tensor([4.0, 4.0]))
    assert row == {"skill": 0.5, "mse": 2.0, "mse_copy": 4.0, "windows": 2}
    assert _skill("_changed", torch.empty(0), torch.empty(0))["skill_changed"] == 0.0


def test_windows_are_consecutive_and_of_one_run():
    runs = [torch.arange(5.0), torch.arange(100.0, 112.0)]
    windows = sample_windows(runs, 200, 4, np.random.default_rng(0))
    assert windows.shape == (200, 4)
    assert (windows.diff(dim=1) == 1).all()
    assert {w[0].item() for w in windows} == {0, 1, *range(100, 109)}


def test_round_trip_and_wrong_shapes(tmp_path):
    dynamics = Dynamics(config("transformer"))
    torch.nn.init.normal_(dynamics.network.head[-1].weight)
    path = tmp_path / "dynamics.pkl"
    save_checkpoint(path, "dynamics", dynamics.config, dynamics.state_dict())
    latents = torch.rand(2, 4, 2, 9, 10)
    assert torch.equal(load_dynamics(path)(latents), dynamics(latents))
    with pytest.raises(ValueError, match="expected latents"):
        dynamics(latents[:, :3])
    with pytest.raises(ValueError, match="transformer/mlp"):
        DynamicsConfig(kind="oracle")
