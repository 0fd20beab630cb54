"""The generative memory: a belief that follows a trajectory and is not talked into anything."""

import numpy as np
import pytest
import torch

from models.checkpoint import ArtefactError
from models.memory import MemoryConfig, align, fit_memory, load_memory, most_direct, save_memory
from models.progress import MemoryProgress

CONFIG = MemoryConfig(bins=20)
LENGTH = 60


def make_run(seed=0, length=LENGTH):
    """A run whose frames all differ: a 4x4-tile pattern that changes with the fraction done."""
    rng = np.random.default_rng(7)
    keys = rng.integers(0, 4, (8, 9, 10))
    noise = np.random.default_rng(seed)
    frames = []
    for t in range(length):
        position = t / (length - 1) * 6.999
        step, within = int(position), position % 1
        mixed = np.where(np.arange(90).reshape(9, 10) < within * 90, keys[step + 1], keys[step])
        image = np.kron(mixed, np.ones((16, 16))) * 85
        image = image + noise.normal(0, 2, image.shape)
        frames.append(np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2))
    return np.stack(frames)


@pytest.fixture(scope="module")
def memory():
    return fit_memory([make_run(0), make_run(1, LENGTH + 11)], CONFIG)


def test_progress_rises_along_an_unseen_run(memory):
    progress = memory.filter(make_run(2, LENGTH + 30))
    assert progress[0] < 0.1 and progress[-1] > 0.9
    assert np.corrcoef(progress, np.arange(len(progress)))[0, 1] > 0.98


def test_a_reversed_run_falls(memory):
    run = make_run(2)
    progress = memory.filter(np.concatenate([run, run[::-1]]))
    assert progress[LENGTH - 1] > 0.9 and progress[-1] < 0.15


def test_waiting_does_not_pay(memory):
    run = make_run(2)
    waiting = np.concatenate([run[:30], np.repeat(run[29:30], 200, axis=0)])
    progress = memory.filter(waiting)
    assert abs(progress[-1] - progress[45]) < 0.01


def test_a_frame_unlike_any_run_moves_nothing(memory):
    """Also at the ends of the path, where a walk can only go one way."""
    run = make_run(2)
    strange = np.full((50, 144, 160, 3), 255, dtype=np.uint8)
    strange[:, ::16] = 0
    for before in (1, 30, LENGTH):
        progress = memory.filter(np.concatenate([run[:before], strange]))
        assert np.abs(progress[before:] - progress[before - 1]).max() < 1e-3


def test_filtering_is_bayes_rule(memory):
    """One update equals the sum over all moves, written out."""
    frame = torch.from_numpy(make_run(3)[20:21])
    belief = torch.rand(1, CONFIG.bins)
    belief /= belief.sum()
    likelihood = np.exp(-memory.distances(frame)[0].numpy() / CONFIG.bandwidth) + CONFIG.outlier
    walk = CONFIG.walk * (1 - CONFIG.outlier / likelihood.max())
    expected = np.zeros(CONFIG.bins)
    for source in range(CONFIG.bins):
        for move, p in ((-1, walk), (0, 1 - 2 * walk), (1, walk)):
            target = min(max(source + move, 0), CONFIG.bins - 1)
            expected[target] += p * belief[0, source].item()
    expected *= likelihood
    updated = memory.update(belief, memory.likelihood(frame))[0].numpy()
    np.testing.assert_allclose(updated, expected / expected.sum(), rtol=1e-4, atol=1e-7)


def with_detour(run, at, frames):
    return np.concatenate([run[:at], frames, run[at:]])


def strange_frames(count):
    rng = np.random.default_rng(11)
    tiles = rng.integers(0, 4, (count, 9, 10)).repeat(16, axis=1).repeat(16, axis=2) * 85
    return np.repeat(tiles[..., None], 3, axis=3).astype(np.uint8)


def test_lingering_straying_and_turning_back_are_not_progress(memory):
    run = make_run(0, 100)
    path = fit_memory([run], CONFIG)
    for extra in (strange_frames(30), run[40:41].repeat(30, axis=0), run[39:9:-1]):
        bins = align(path, with_detour(run, 40, extra)).numpy()
        assert abs(bins[39] - 8) <= 1 and abs(bins[70] - 8) <= 1 and bins[-1] == 19
        assert (bins[40:70] <= 9).all()
    assert (np.diff(align(path, run[::-1].copy()).numpy()) <= 0).all()


def test_another_way_to_the_same_place_rises_evenly(memory):
    run = make_run(0, 100)
    path = fit_memory([run], CONFIG)
    bins = align(path, np.concatenate([run[:30], strange_frames(40), run[70:]])).numpy()
    assert abs(bins[50] - 10) <= 1 and (np.diff(bins) >= 0).all()


def test_the_most_direct_run_is_the_measure(memory):
    """A shorter run with a detour is not: with it, the detour would be progress."""
    direct = make_run(0, 100).repeat(2, axis=0)  # slow, but straight
    astray = with_detour(make_run(0, 100), 50, strange_frames(60))
    progress = fit_memory([astray, direct], CONFIG).filter(direct)
    assert np.corrcoef(progress, np.arange(200))[0, 1] > 0.99


def test_distances_are_to_the_nearest_frame_of_a_bin(memory):
    run = make_run(0)
    distances = memory.distances(torch.from_numpy(run[:1]))[0]
    assert distances[0] < 1e-5 and distances[10] > 0.01


def test_the_file_gives_the_same_scores(memory, tmp_path):
    save_memory(tmp_path / "memory.pkl", memory)
    run = make_run(4)
    again = load_memory(tmp_path / "memory.pkl").filter(run)
    np.testing.assert_allclose(again, memory.filter(run), atol=1e-6)
    with pytest.raises(ArtefactError, match="no reward_memory file"):
        load_memory(tmp_path / "none.pkl")


def test_too_short_runs_are_refused():
    with pytest.raises(ValueError, match=r"20 bins .* got 19"):
        fit_memory([make_run(0)[:19]], CONFIG)
    with pytest.raises(ValueError, match="at least one run"):
        fit_memory([], CONFIG)


def test_a_clip_beside_the_runs_does_not_become_their_measure():
    """A clip has the fewest frames; with a run named as the reference it is aligned like any."""
    run, clip = make_run(0), make_run(1)[:25]
    assert most_direct([run, clip]) == 1
    progress = fit_memory([run, clip], CONFIG, reference=0).filter(run)
    assert progress[24] < 0.5 and progress[-1] > 0.9
    assert fit_memory([run, clip[:5]], CONFIG, reference=0).filter(run)[-1] > 0.9


def test_what_is_remembered_can_be_put_back(memory):
    """Load, then score again: the same number, in any environment."""
    run = make_run(5)
    progress = MemoryProgress(memory, 2)
    for env in range(2):
        progress.reset(env)
    for frame in run[:20]:
        context = progress.save(0)
        scores, _ = progress.score(np.stack([frame, run[0]]), np.arange(2))
    later, _ = progress.score(run[40:41], np.array([0]))
    progress.load(1, context)
    for frame, expected in ((run[19:20], scores[0]), (run[40:41], later[0])):
        again, known = progress.score(frame, np.array([1]))
        assert again[0] == pytest.approx(expected, abs=1e-6) and known[0]
