"""The progress score: one frame → how far along a run it looks, learned from frame order alone."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from models.blocks import frames_to_images
from models.checkpoint import load_model

BACKBONES = ("resnet34", "resnet18", "small")


@dataclass
class RewardModelConfig:
    """What it takes to rebuild a reward model."""

    #: resnet34 or resnet18 of torchvision, from scratch; small is for CPUs.
    backbone: str = "resnet34"
    #: See one channel instead of RGB.
    grey: bool = False
    #: See 72×80 pixels instead of 144×160.
    half_size: bool = False

    def __post_init__(self):
        if self.backbone not in BACKBONES:
            raise ValueError(f"expected a backbone of {'/'.join(BACKBONES)}, got {self.backbone!r}")


def norm(channels: int) -> nn.GroupNorm:
    """Group normalisation with as many of 8 groups as divide `channels`."""
    return nn.GroupNorm(math.gcd(channels, 8), channels)


class ResBlock(nn.Module):
    """x + conv(SiLU(norm(conv(SiLU(norm(x)))))): shape stays (B, channels, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(
            norm(channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            norm(channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x)


def downsampler(in_channels: int, widths: tuple[int, ...]) -> nn.Sequential:
    """One stride-2 convolution and one residual block a width: H and W halve each time."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(in_channels, width, 4, stride=2, padding=1), ResBlock(width)]
        in_channels = width
    return nn.Sequential(*layers, norm(in_channels), nn.SiLU())


def _build_backbone(config: RewardModelConfig) -> nn.Module:
    """Images (B, C, H, W) → (B, 1)."""
    channels = 1 if config.grey else 3
    if config.backbone == "small":
        widths = (16, 32, 64, 128)
        return nn.Sequential(
            downsampler(channels, widths), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 1)
        )
    from torchvision.models import resnet18, resnet34  # costs seconds: only where it is used

    network = {"resnet18": resnet18, "resnet34": resnet34}[config.backbone]
    model = network(weights=None, num_classes=1)
    if config.grey:
        model.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    return model


class RewardModel(nn.Module):
    """A Bradley-Terry score, calibrated so that training runs go from about 0 to about 1."""

    def __init__(self, config: RewardModelConfig):
        super().__init__()
        self.config = config
        self.backbone = _build_backbone(config)
        self.register_buffer("shift", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))

    def raw_score(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, 144, 160, 3) uint8 → (B,): differences are log-odds of coming later in a run."""
        images = frames_to_images(frames, self.config.grey, self.config.half_size)
        return self.backbone(images * 2 - 1)[:, 0]

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, 144, 160, 3) uint8 → progress (B,): about 0 where runs begin, 1 where they end."""
        return (self.raw_score(frames) - self.shift) / self.scale

    def calibrate(self, start: float, end: float) -> bool:
        """Map the raw score `start` to 0 and `end` to 1.

        Returns False where `end` is not above `start`: then only the shift is set, because a
        stretch would turn the score around.
        """
        rises = end > start
        self.shift.fill_(start)
        self.scale.fill_(end - start if rises else 1.0)
        return rises


def bradley_terry_loss(earlier: torch.Tensor, later: torch.Tensor) -> torch.Tensor:
    """Mean of −log σ(later − earlier): raw scores (B,) each → scalar."""
    return F.softplus(earlier - later).mean()


def load_reward_model(path: Path | str, device: torch.device | str = "cpu") -> RewardModel:
    """Load `reward_resnet34.pkl` in eval mode. Raises ArtefactError, one line."""
    return load_model(path, "reward_model", RewardModel, RewardModelConfig, device)
