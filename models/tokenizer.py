"""The tokenizer (stage 1A): an autoencoder from a frame to latents on the 9×10 walking grid.

A Game Boy's screen is made of few tiles: 365,220 walking tiles on the screens of waystone's runs
are of 860 kinds. So the encoder is one convolution that takes a whole walking tile: the latents of
a tile depend on it alone, wherever it is, and those of tiles that look alike are near. What the
tile was the decoder makes of them, tile by tile, with the neighbours in sight.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from models.blocks import FRAME_SHAPE, GRID, frames_to_images
from models.checkpoint import load_model


@dataclass
class TokenizerConfig:
    """What it takes to rebuild a tokenizer or its encoder."""

    #: Channels of a tile in the decoder.
    width: int = 512
    #: Blocks of the decoder.
    depth: int = 2
    #: D: channels of the latents (B, D, 9, 10).
    latent_channels: int = 16
    #: See one channel instead of RGB (the Game Boy has four greys).
    grey: bool = False
    #: See 72×80 pixels instead of 144×160.
    half_size: bool = False

    def __post_init__(self):
        if min(self.width, self.depth, self.latent_channels) < 1:
            raise ValueError(
                f"expected a width, depth and latent channels of 1 or more, got {self}"
            )

    @property
    def channels(self) -> int:
        """Channels of the images that the network sees."""
        return 1 if self.grey else 3

    @property
    def tile(self) -> int:
        """Side in pixels of a tile of the grid in these images."""
        return FRAME_SHAPE[0] // GRID[0] // (2 if self.half_size else 1)


class TileBlock(nn.Module):
    """Tiles plus what an MLP makes of them and their neighbours, (B, 9, 10, width): a small block
    after ConvNeXt (Liu et al., 2022)."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Conv2d(width, width, 3, padding=1, groups=width)
        nn.init.dirac_(self.mix.weight, groups=width)
        nn.init.zeros_(self.mix.bias)
        self.layers = nn.Sequential(
            nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)
        )
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.mix(self.norm(x).movedim(-1, 1)).movedim(1, -1)
        return x + self.layers(y)


class Encoder(nn.Module):
    """Frame → latents; saved alone in `pretrained_encoder.pkl`, for policies to build on."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.config = config
        self.latent_shape = (config.latent_channels, *GRID)
        self.project = nn.Linear(config.channels * config.tile**2, config.latent_channels)
        nn.init.orthogonal_(self.project.weight)  # of greys in [-1, 1]: latents spread over [-1, 1]
        nn.init.zeros_(self.project.bias)

    def preprocess(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, 144, 160, 3) uint8 → (B, C, H, W) float32 in [0, 1]."""
        return frames_to_images(frames, self.config.grey, self.config.half_size)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) in [0, 1] → latents (B, D, 9, 10) in [-1, 1]."""
        tiles = F.pixel_unshuffle(images, self.config.tile).movedim(1, -1)
        return torch.tanh(self.project(2 * tiles - 1)).movedim(-1, 1)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, 144, 160, 3) uint8 → latents (B, D, 9, 10) in [-1, 1]."""
        return self.encode(self.preprocess(frames))


class Tokenizer(nn.Module):
    """Encoder and decoder. Trained by reconstruction, on patches hidden at random if asked to."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        width, pixels = config.width, config.channels * config.tile**2
        self.decoder = nn.Sequential(
            nn.Linear(config.latent_channels, width),
            *(TileBlock(width) for _ in range(config.depth)),
            nn.LayerNorm(width),
            nn.SiLU(),
            nn.Linear(width, pixels),
        )
        self.mask_colour = nn.Parameter(torch.full((config.channels, 1, 1), 0.5))

    def preprocess(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, 144, 160, 3) uint8 → (B, C, H, W) float32 in [0, 1]."""
        return self.encoder.preprocess(frames)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) in [0, 1] → latents (B, D, 9, 10) in [-1, 1]."""
        return self.encoder.encode(images)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (B, D, 9, 10) → images (B, C, H, W), about [0, 1] but not clamped."""
        tiles = self.decoder(latents.movedim(1, -1))
        return F.pixel_shuffle(tiles.movedim(-1, 1), self.config.tile)

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
