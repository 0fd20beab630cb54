"""The parts of PPO that must be right, without an emulator."""

import numpy as np
import pytest
import torch

from models.actor_critic import (
    ActorCritic,
    ActorCriticConfig,
    Outlook,
    load_policy,
    save_policy,
)
from models.archive import Archive, Entry
from models.blocks import SHIFTS, shifts
from models.novelty import Novelty
from models.tokenizer import Encoder, TokenizerConfig
from train_with_cnn_reward import gae, return_filter


def slow_gae(rewards, values, next_values, boundaries, gamma, gae_lambda):
    """The definition: the discounted sum of TD errors up to the next boundary."""
    T, N = rewards.shape
    advantages = np.zeros((T, N))
    for n in range(N):
        for t in range(T):
            for k in range(t, T):
                error = rewards[k, n] + gamma * next_values[k, n] - values[k, n]
                advantages[t, n] += (gamma * gae_lambda) ** (k - t) * error
                if boundaries[k, n]:
                    break
    return advantages


def test_gae_equals_its_definition():
    rng = np.random.default_rng(0)
    rewards, values, next_values = rng.normal(size=(3, 20, 4))
    boundaries = rng.random((20, 4)) < 0.15
    inputs = [torch.from_numpy(x) for x in (rewards, values, next_values, boundaries)]
    fast = gae(*inputs, gamma=0.9, gae_lambda=0.8)
    slow = slow_gae(rewards, values, next_values, boundaries, 0.9, 0.8)
    np.testing.assert_allclose(fast.numpy(), slow, rtol=1e-9)


def test_a_cut_bootstraps_from_the_last_real_frame_and_stops_there():
    rewards = torch.tensor([[0.0], [0.0], [100.0]])
    values, next_values = torch.zeros(3, 1), torch.tensor([[0.0], [5.0], [0.0]])
    boundaries = torch.tensor([[False], [True], [False]])
    advantages = gae(rewards, values, next_values, boundaries, gamma=0.5, gae_lambda=1.0)
    assert advantages[:, 0].tolist() == [0.5 * 2.5, 2.5, 100.0]


def test_the_return_filter_keeps_the_best_whole_segments():
    rewards = torch.zeros(8, 10)
    rewards[3] = torch.arange(10.0)
    mask, cutoff = return_filter(rewards, 0.8)
    assert mask.tolist() == [False] * 2 + [True] * 8
    assert cutoff == 2.0
    assert return_filter(rewards, 1.0)[0].all()
    assert return_filter(torch.zeros(8, 10), 0.75)[0].sum() == 8  # ties: still ceil(0.75 * 10)


def entry(progress):
    return Entry(bytes([int(progress * 100)]), torch.tensor([progress]), progress)


def test_the_archive_is_bounded_and_leans_toward_progress():
    rng = np.random.default_rng(0)
    archive = Archive(cells=10, per_cell=3)
    for progress in rng.random(1000):
        if archive.wants(np.array([progress]), rng)[0]:
            archive.add(entry(progress), rng)
    assert len(archive) == 30
    drawn = np.array([archive.sample(rng).progress for _ in range(4000)])
    shares = np.histogram(drawn, bins=10, range=(0, 1))[0] / 4000
    np.testing.assert_allclose(shares, np.arange(1, 11) / 55, atol=0.03)


def test_the_archive_survives_a_restart():
    rng = np.random.default_rng(0)
    archive = Archive(cells=10, per_cell=3)
    for progress in (-0.5, 0.05, 0.5, 0.55, 1.7):
        archive.add(entry(max(progress, 0.0)), rng)
    again = Archive(cells=10, per_cell=3)
    again.load_state_dict(archive.state_dict())
    assert again.cells == archive.cells and again.frontier == archive.frontier == 1.7
    again.discard(again.cells[-1][0])
    assert len(again) == 4 and again.frontier == 0.55
    assert Archive().sample(rng) is None


def test_novelty_falls_with_visits_and_survives_a_restart():
    novelty = Novelty(16, bits=12)
    a, b = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    assert novelty(a[None]).item() == 1.0
    assert novelty(torch.stack([a, b])).tolist() == pytest.approx([0.5**0.5, 1.0])
    again = Novelty(16, bits=12, seed=9)
    again.load_state_dict(novelty.state_dict())
    assert again(a[None]).item() == pytest.approx(3**-0.5)


@pytest.fixture(params=[False, True], ids=["feedforward", "gru"])
def policy(request):
    torch.manual_seed(0)
    encoder = Encoder(TokenizerConfig(width=8, depth=1, grey=True, half_size=True))
    return ActorCritic(ActorCriticConfig(hidden=16, gru=request.param), encoder)


@pytest.mark.parametrize("packed", [False, True], ids=["in pieces", "packed"])
def test_a_sequence_equals_its_steps_and_starts_empty_the_memory(policy, packed, monkeypatch):
    if packed:  # as on a GPU
        one_by_one, together = ActorCritic._remember, ActorCritic._remember_packed
        monkeypatch.setattr(
            ActorCritic,
            "_remember",
            lambda self, x, *rest: (together if len(x) > 1 else one_by_one)(self, x, *rest),
        )
    latents = torch.randn(6, 3, *policy.encoder.latent_shape)
    starts = torch.rand(6, 3) < 0.3
    starts[0] = torch.tensor([False, True, False])
    starts[2, 1] = True
    memory = torch.randn_like(policy.initial_memory(3))
    paid = torch.rand(6, 3)
    logits, values, end = policy(latents, starts, memory, paid)
    for t in range(6):
        now = slice(t, t + 1)
        step_logits, step_values, memory = policy(latents[now], starts[now], memory, paid[now])
        torch.testing.assert_close(step_logits[0], logits[t])
        torch.testing.assert_close(step_values[0], values[t])
    torch.testing.assert_close(memory, end)
    fresh = policy(latents[2:3, 1:2], starts[2:3, 1:2], policy.initial_memory(1))[0]
    torch.testing.assert_close(logits[2, 1], fresh[0, 0])


@pytest.mark.parametrize("down, right", [(0, 0), (1, 0), (-3, 0), (0, 2), (0, -1)])
def test_a_goal_that_lies_some_tiles_off_is_recognised_whatever_it_shows(down, right):
    world = torch.randn(5, 8, 20, 20)
    seen = world[..., 5:14, 5:15]
    goal = world[..., 5 + down : 14 + down, 5 + right : 15 + right]
    fits = shifts(seen, torch.stack([goal, torch.randn_like(goal)], dim=1))
    vertical, horizontal = fits.view(5, 2, 2, 2 * SHIFTS + 1)[:, 0].unbind(dim=1)
    if not right:
        assert torch.allclose(vertical[:, SHIFTS - down], torch.tensor(3.0), atol=1e-4)
    if not down:
        assert torch.allclose(horizontal[:, SHIFTS - right], torch.tensor(3.0), atol=1e-4)
    assert ((fits > 2).sum(dim=1) == 1 + (down == right == 0)).all()  # and nothing else does


def test_where_a_goal_lies_says_by_itself_what_to_do():
    encoder = Encoder(TokenizerConfig(width=8, depth=1, grey=True, half_size=True))
    policy = ActorCritic(ActorCriticConfig(hidden=16, goals=2), encoder)
    torch.nn.init.zeros_(policy.policy_head.weight)
    torch.nn.init.normal_(policy.fits_head.weight)
    seen, goals = torch.randn(2, 2, 3, 2, *encoder.latent_shape)
    look = Outlook.of(seen[:, :, 0], goals, torch.rand(2, 3))
    starts, memory = torch.zeros(2, 3, dtype=torch.bool), policy.initial_memory(3)
    logits, _, _ = policy(seen[:, :, 0], starts, memory, None, look)
    torch.testing.assert_close(logits, look.fits @ policy.fits_head.weight.T)
    logits.sum().backward()
    assert policy.fits_head.weight.grad.any()


def test_the_first_policy_is_near_uniform(policy):
    logits, _, _ = policy(
        torch.randn(1, 5, *policy.encoder.latent_shape),
        torch.zeros(1, 5, dtype=torch.bool),
        policy.initial_memory(5),
    )
    assert logits.softmax(dim=-1).max() < 0.15


def test_an_encoder_in_bf16_gives_about_the_same_latents_as_float32(policy):
    frames = torch.randint(0, 256, (2, 3, 144, 160, 3), dtype=torch.uint8)
    exact = policy.encode(frames)
    policy.bf16 = True
    latents = policy.encode(frames)
    assert latents.dtype == torch.float32 and not latents.equal(exact)
    torch.testing.assert_close(latents, exact, atol=0.05, rtol=0)


def test_a_policy_file_gives_the_same_actions(policy, tmp_path):
    save_policy(tmp_path / "policy.pkl", policy, frame_skip=30)
    again, extra = load_policy(tmp_path / "policy.pkl")
    frames = torch.randint(0, 256, (1, 2, 144, 160, 3), dtype=torch.uint8)
    starts, memory = torch.zeros(1, 2, dtype=torch.bool), policy.initial_memory(2)
    torch.testing.assert_close(
        policy(policy.encode(frames), starts, memory)[0],
        again(again.encode(frames), starts, memory)[0],
    )
    assert extra["frame_skip"] == 30
