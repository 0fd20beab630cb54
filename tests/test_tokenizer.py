"""The tokenizer, its encoder file, and the perceptual loss it is trained with."""

import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models import perceptual
from models.blocks import RunningRMS
from models.checkpoint import ArtefactError, save_checkpoint
from models.perceptual import PerceptualDistance, load_trunk
from models.tokenizer import Tokenizer, TokenizerConfig, load_encoder, load_tokenizer
from tests.synthetic_runs import walk_frames

CONFIGS = [
    TokenizerConfig(width=32),
    TokenizerConfig(width=32, latent_channels=5, grey=True, half_size=True),
]


def random_frames(count: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (count, 144, 160, 3), dtype=np.uint8))


@pytest.mark.parametrize("config", CONFIGS)
def test_shapes_and_ranges(config):
    torch.manual_seed(0)
    tokenizer, frames = Tokenizer(config), random_frames(2)
    images = tokenizer.preprocess(frames)
    size = (72, 80) if config.half_size else (144, 160)
    assert images.shape == (2, config.channels, *size)
    assert 0 <= images.min() and images.max() <= 1
    latents = tokenizer.encode(images)
    assert latents.shape == (2, *tokenizer.encoder.latent_shape)
    assert tokenizer.encoder.latent_shape == (config.latent_channels, 9, 10)
    assert latents.abs().max() <= 1
    assert tokenizer.decode(latents).shape == images.shape


def test_preprocessing_averages_pixels_and_channels():
    frames = random_frames(1)
    images = Tokenizer(CONFIGS[1]).preprocess(frames)
    expected = frames[0, 2:4, 4:6].float().mean() / 255
    torch.testing.assert_close(images[0, 0, 1, 2], expected)


@pytest.mark.parametrize(
    "frames", [torch.zeros(1, 144, 160, 3), torch.zeros(1, 3, 144, 160, dtype=torch.uint8)]
)
def test_other_frames_are_refused(frames):
    with pytest.raises(ValueError, match="expected frames"):
        Tokenizer(CONFIGS[0]).encoder(frames)


def test_files_give_the_same_latents(tmp_path):
    tokenizer, frames = Tokenizer(CONFIGS[1]).eval(), random_frames(3)
    whole, part = tmp_path / "tokenizer.pkl", tmp_path / "encoder.pkl"
    save_checkpoint(whole, "tokenizer", tokenizer.config, tokenizer.state_dict())
    save_checkpoint(part, "encoder", tokenizer.config, tokenizer.encoder.state_dict())
    latents = tokenizer.encode(tokenizer.preprocess(frames))
    assert torch.equal(load_encoder(part)(frames), latents)
    again = load_tokenizer(whole)
    assert torch.equal(again.decode(latents), tokenizer.decode(latents))
    with pytest.raises(ArtefactError, match="kind encoder, got tokenizer"):
        load_encoder(whole)


def test_hidden_tiles_do_not_reach_the_encoder():
    torch.manual_seed(0)
    tokenizer = Tokenizer(CONFIGS[0])
    images = tokenizer.preprocess(random_frames(1))
    hidden = torch.zeros(1, 9, 10, dtype=torch.bool)
    hidden[0, 2, 3] = True
    changed = images.clone()
    changed[:, :, 32:48, 48:64] = 0.1
    assert not torch.allclose(tokenizer(images), tokenizer(changed))
    assert torch.equal(tokenizer(images, hidden), tokenizer(changed, hidden))
    changed[:, :, 31] = 0.1
    assert not torch.equal(tokenizer(images, hidden), tokenizer(changed, hidden))


def test_latents_of_a_tile_depend_on_it_alone_wherever_it_is():
    torch.manual_seed(0)
    encoder = Tokenizer(CONFIGS[1]).encoder
    frames = random_frames(1)
    moved = frames.roll((32, -16), dims=(1, 2))
    torch.testing.assert_close(encoder(moved), encoder(frames).roll((2, -1), dims=(2, 3)))
    other = random_frames(1, seed=1)
    other[:, 16:32, 48:64] = frames[:, 16:32, 48:64]
    torch.testing.assert_close(encoder(other)[..., 1, 3], encoder(frames)[..., 1, 3])


def test_reconstruction_error_falls_on_a_few_frames():
    torch.manual_seed(0)
    tokenizer = Tokenizer(CONFIGS[1])
    images = tokenizer.preprocess(torch.from_numpy(walk_frames(8, seed=0)))
    optimizer = torch.optim.AdamW(tokenizer.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        loss = F.mse_loss(tokenizer(images), images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * images.var()  # the best that one grey for all could do, halved


def test_losses_of_any_scale_come_out_alike():
    rng = np.random.default_rng(0)
    losses = torch.from_numpy(rng.uniform(0.5, 1.5, 500))
    small, large = RunningRMS(), RunningRMS()
    outputs = [(small(loss * 1e-4), large(loss * 10)) for loss in losses]
    a, b = (torch.stack(x[100:]) for x in zip(*outputs, strict=True))
    torch.testing.assert_close(a, b, rtol=1e-4, atol=0)
    assert 0.9 < a.square().mean().sqrt() < 1.1


@pytest.fixture(scope="module")
def lpips() -> PerceptualDistance:
    return PerceptualDistance("alex")


def test_lpips_is_zero_for_equals_and_grows_with_the_distortion(lpips):
    generator = torch.Generator().manual_seed(0)
    images = torch.from_numpy(walk_frames(2, 0)).permute(0, 3, 1, 2).float() / 255
    noise = torch.randn(images.shape, generator=generator)
    assert torch.equal(lpips(images, images), torch.zeros(2))
    distances = [lpips(images, images + scale * noise) for scale in (0.05, 0.2, 0.5)]
    assert (distances[0] > 0).all() and (distances[0] < distances[1]).all()
    assert (distances[1] < distances[2]).all()
    grey = images[:, :1]
    torch.testing.assert_close(lpips(grey, grey * 0.5), lpips(images, images * 0.5))


def test_lpips_is_frozen_and_stays_in_eval_mode(lpips):
    assert not any(p.requires_grad for p in lpips.parameters())
    assert not any(module.training for module in lpips.train().modules())


def test_lpips_trunk_is_the_real_one(lpips):
    trunk = [layer for layer in lpips.lpips.net.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in trunk] == [64, 192, 384, 256, 256]
    assert trunk[0].weight.std() > 0.1  # at random it would be 1 / sqrt(3 * 3 * 11 * 11) = 0.03


def test_lpips_weights_may_be_a_file(tmp_path, lpips):
    _, convolutions = load_trunk("alex")
    state = {}
    for index, (weight, bias) in zip((0, 3, 6, 8, 10), convolutions, strict=True):
        state |= {f"features.{index}.weight": weight, f"features.{index}.bias": bias}
    torch.save(state | {"classifier.1.bias": torch.zeros(3)}, path := tmp_path / "alexnet.pth")
    source, loaded = load_trunk("alex", path)
    assert source == path
    for (weight, bias), (weight2, bias2) in zip(loaded, convolutions, strict=True):
        assert torch.equal(weight, weight2) and torch.equal(bias, bias2)
    with pytest.raises(ArtefactError, match="not the weights of an LPIPS vgg trunk"):
        PerceptualDistance("vgg", path)


def test_a_cached_file_of_something_else_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    cached = tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth"
    state = {"features.0.weight": torch.zeros(1), "features.0.bias": torch.zeros(1)}
    for content in (state, {}, [1]):
        torch.save(content, cached)
        with pytest.raises(ArtefactError) as caught:
            PerceptualDistance("alex")
        assert str(caught.value).startswith(f"{cached}: ") and "\n" not in str(caught.value)


def test_no_lpips_weights_is_one_line_that_names_the_ways_out(tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    monkeypatch.setattr(perceptual.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ArtefactError) as caught:
        PerceptualDistance("alex")
    message = str(caught.value)
    assert "--lpips-weight 0" in message and "--lpips-weights PATH" in message
    assert "\n" not in message
    with pytest.raises(ArtefactError, match="check --lpips-weights"):
        PerceptualDistance("alex", tmp_path / "missing.pth")


def test_a_hostile_weights_file_is_never_run(tmp_path):
    trap, path = tmp_path / "trap", tmp_path / "alexnet.ckpt"

    class Hostile:
        def __reduce__(self):
            return trap.mkdir, ()

    path.write_bytes(content := pickle.dumps(Hostile()))
    with pytest.raises(ArtefactError):
        load_trunk("alex", path)
    with pytest.raises(pickle.UnpicklingError, match="expected numpy arrays"):
        perceptual._ArrayUnpickler(perceptual.io.BytesIO(content)).load()
    assert not trap.exists()
