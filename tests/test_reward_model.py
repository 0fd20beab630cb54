"""The progress score and the figures that judge it."""

import numpy as np
import pytest
import torch

from models.checkpoint import save_checkpoint
from models.ordering import ordering_metrics, rank_correlation
from models.reward_model import (
    RewardModel,
    RewardModelConfig,
    bradley_terry_loss,
    load_reward_model,
)
from tests.synthetic_runs import walk_frames


@pytest.mark.parametrize("backbone", ["resnet34", "resnet18", "small"])
@pytest.mark.parametrize("small", [False, True])
def test_one_score_a_frame_and_round_trip(tmp_path, backbone, small):
    model = RewardModel(RewardModelConfig(backbone, grey=small, half_size=small)).eval()
    model.calibrate(-1.0, 3.0)
    frames = torch.from_numpy(walk_frames(3, 0))
    scores = model(frames)
    assert scores.shape == (3,)
    save_checkpoint(tmp_path / "r.pkl", "reward_model", model.config, model.state_dict())
    assert torch.equal(load_reward_model(tmp_path / "r.pkl")(frames), scores)


def test_an_unknown_backbone_is_refused():
    with pytest.raises(ValueError, match="resnet34/resnet18/small"):
        RewardModelConfig("resnet50")


def test_calibration_maps_a_run_to_zero_and_one():
    torch.manual_seed(0)
    model = RewardModel(RewardModelConfig("small", grey=True, half_size=True)).eval()
    frames = torch.from_numpy(walk_frames(2, 0, stalls=0))
    start, end = sorted(model.raw_score(frames).tolist())
    assert model.calibrate(start, end)
    torch.testing.assert_close(model(frames).sort().values, torch.tensor([0.0, 1.0]))
    assert not model.calibrate(end, start)  # a score that falls is shifted, never turned around
    assert model.scale == 1


def test_bradley_terry_loss():
    earlier, later = torch.tensor([0.0, 2.0]), torch.tensor([0.0, 1.0])
    expected = (np.log(2) + np.log1p(np.exp(1))) / 2
    assert bradley_terry_loss(earlier, later).item() == pytest.approx(expected)


def test_it_learns_the_order_of_a_run():
    torch.manual_seed(0)
    model = RewardModel(RewardModelConfig("small", grey=True, half_size=True))
    frames = torch.from_numpy(walk_frames(40, 0))
    unseen = torch.from_numpy(walk_frames(40, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    rng = np.random.default_rng(0)
    for _ in range(20):
        earlier, later = np.sort(rng.integers(40, size=(2, 8)), axis=0)
        loss = bradley_terry_loss(*model.raw_score(frames[np.r_[earlier, later]]).chunk(2))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        assert rank_correlation(model.eval()(unseen).numpy(), np.arange(40)) > 0.9


def test_rank_correlation():
    time = np.arange(5)
    assert rank_correlation(np.exp(time), time) == pytest.approx(1)
    assert rank_correlation(-time, time) == pytest.approx(-1)
    assert rank_correlation(np.zeros(5), time) == 0
    # Ranks 0.5 0.5 2 3 against 0 1 2 3, as scipy.stats.spearmanr has it.
    assert rank_correlation(np.array([1, 1, 2, 3]), np.arange(4)) == pytest.approx(0.9486833)


def test_perfect_reversed_and_constant_scores():
    time = np.arange(600.0)
    fps = [2.0, 2.0]
    perfect = ordering_metrics([time, time], fps)
    assert perfect["voc"]["mean"] == pytest.approx(1)
    assert list(perfect["by_gap"]) == ["0-2 s", "2-8 s", "8-32 s", "32-128 s", "128-512 s"]
    assert all(row["accuracy"] == 1 for row in perfect["by_gap"].values())
    assert perfect["random_pairs"]["interval_95"] == [1, 1]
    assert ordering_metrics([-time], fps[:1])["random_pairs"]["accuracy"] == 0
    assert ordering_metrics([0 * time], fps[:1])["random_pairs"]["accuracy"] == 0.5


def test_a_score_that_tells_minutes_but_not_seconds_is_found_out():
    rng = np.random.default_rng(0)
    noisy = np.arange(1200.0) + rng.normal(0, 100, 1200)
    metrics = ordering_metrics([noisy], [2.0])
    assert metrics["random_pairs"]["accuracy"] > 0.9 > 0.6 > metrics["by_gap"]["0-2 s"]["accuracy"]
    low, high = metrics["by_gap"]["0-2 s"]["interval_95"]
    assert low < 0.52 and high > 0.49 and high - low > 0.005
