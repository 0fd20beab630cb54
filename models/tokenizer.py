"""The tokenizer (stage 1A): an autoencoder from a frame to latents on the 9×10 walking grid."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from models.blocks import GRID, ResBlock, downsampler, frames_to_images, norm
from models.checkpoint import load_model


@dataclass
class TokenizerConfig:
    """What it takes to rebuild a tokenizer or its encoder."""

    #: Channels of each stride-2 stage, full size first; `half_size` does without the first.
    widths: tuple[int, ...] = (32, 64, 128, 192)
    #: D: channels of the latents (B, D, 9, 10).
    latent_channels: int = 16
    #: See one channel instead of RGB (the Game Boy has four greys).
    grey: bool = False
    #: See 72×80 pixels instead of 144×160.
    half_size: bool = False

    def __post_init__(self):
        self.widths = tuple(self.widths)
        if len(self.widths) != 4 or min(self.widths) < 1 or self.latent_channels < 1:
            raise ValueError(
                f"expected 4 positive widths and latent channels, "
                f"got {self.widths} and {self.latent_channels}"
            )

    @property
    def channels(self) -> int:
        """Channels of the images that the network sees."""
        return 1 if self.grey else 3

    @property
    def stages(self) -> tuple[int, ...]:
        """Widths of the stages in use."""
        return self.widths[1:] if self.half_size else self.widths


class Encoder(nn.Module):
    """Frame → latents; saved alone in `pretrained_encoder.pkl`, for policies to build on."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.config = config
        self.latent_shape = (config.latent_channels, *GRID)
        self.trunk = downsampler(config.channels, config.stages)
        self.head = nn.Conv2d(config.stages[-1], config.latent_channels, 1)

    def preprocess(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, 144, 160, 3) uint8 → (B, C, H, W) float32 in [0, 1]."""
        return frames_to_images(frames, self.config.grey, self.config.half_size)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) in [0, 1] → latents (B, D, 9, 10) in [-1, 1]."""
        return torch.tanh(self.head(self.trunk(images)))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, 144, 160, 3) uint8 → latents (B, D, 9, 10) in [-1, 1]."""
        return self.encode(self.preprocess(frames))


class Tokenizer(nn.Module):
    """Encoder and decoder. Trained by reconstruction, on patches hidden at random if asked to."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        stages = config.stages[::-1]
        layers: list[nn.Module] = [nn.Conv2d(config.latent_channels, stages[0], 1)]
        for width, next_width in zip(stages, (*stages[1:], stages[-1] // 2), strict=True):
            layers += [
                ResBlock(width),
                nn.Upsample(scale_factor=2, mode="nearest"),
                nn.Conv2d(width, next_width, 3, padding=1),
            ]
        out = nn.Conv2d(next_width, config.channels, 3, padding=1)
        self.decoder = nn.Sequential(*layers, norm(next_width), nn.SiLU(), out)
        self.mask_colour = nn.Parameter(torch.full((config.channels, 1, 1), 0.5))

    def preprocess(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, 144, 160, 3) uint8 → (B, C, H, W) float32 in [0, 1]."""
        return self.encoder.preprocess(frames)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) in [0, 1] → latents (B, D, 9, 10) in [-1, 1]."""
        return self.encoder.encode(images)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (B, D, 9, 10) → images (B, C, H, W), about [0, 1] but not clamped."""
        return self.decoder(latents)

    def forward(self, images: torch.Tensor, hidden: torch.Tensor | None = None) -> torch.Tensor:
        """Reconstruct images (B, C, H, W), seeing them without their `hidden` tiles.

        hidden: (B, 9, 10) bool, True where a 16×16 tile is painted over with a learned colour.
        """
        if hidden is not None:
            mask = F.interpolate(hidden[:, None].float(), size=images.shape[-2:]) > 0.5
            images = torch.where(mask, self.mask_colour, images)
        return self.decode(self.encode(images))


def load_encoder(path: Path | str, device: torch.device | str = "cpu") -> Encoder:
    """Load `pretrained_encoder.pkl` in eval mode. Raises ArtefactError, one line."""
    return load_model(path, "encoder", Encoder, TokenizerConfig, device)


def load_tokenizer(path: Path | str, device: torch.device | str = "cpu") -> Tokenizer:
    """Load `pretrained_tokenizer.pkl` in eval mode. Raises ArtefactError, one line."""
    return load_model(path, "tokenizer", Tokenizer, TokenizerConfig, device)
