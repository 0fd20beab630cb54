"""Building blocks that several models share."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

FRAME_SHAPE = (144, 160, 3)
#: The screen in walking tiles of 16×16 pixels: rows, columns. Latents live on this grid.
GRID = (9, 10)


def frames_to_images(frames: torch.Tensor, grey: bool, half_size: bool) -> torch.Tensor:
    """(B, 144, 160, 3) uint8 → (B, C, H, W) float32 in [0, 1].

    C is 1 where `grey` (the mean of the channels), else 3; `half_size` averages 2×2 pixels.
    Raises ValueError for another shape or dtype.
    """
    if frames.dtype != torch.uint8 or frames.ndim != 4 or frames.shape[1:] != FRAME_SHAPE:
        raise ValueError(
            f"expected frames (B, 144, 160, 3) uint8, got {tuple(frames.shape)} {frames.dtype}"
        )
    if grey:
        return pooled_grey(frames, 2 if half_size else 1)[:, None]
    images = frames.permute(0, 3, 1, 2).float() / 255
    return F.avg_pool2d(images, 2) if half_size else images


def pooled_grey(frames: torch.Tensor, side: int) -> torch.Tensor:
    """Average squares of `side` pixels over all channels: (B, H, W, C) uint8 → (B, H/side, W/side).

    float32 in [0, 1]. Sums in integers, rows first: several times faster than pooling floats.
    """
    B, H, W, C = frames.shape
    rows = frames.reshape(B, H // side, side, W * C).sum(dim=2, dtype=torch.int32)
    cells = rows.reshape(B, H // side, W // side, side * C).sum(dim=3)
    return cells.float() / (255 * C * side**2)


class RunningRMS(nn.Module):
    """Divides a loss term by the running root mean square of its own value.

    Terms of different scale then add up by their weights alone, whatever the data (Dreamer 4,
    arXiv:2509.24527, normalises all its losses so). The estimate starts at the first value.
    """

    def __init__(self, decay: float = 0.99, mean: Callable = torch.clone):
        """mean: of a loss over all processes that share a batch."""
        super().__init__()
        self.decay, self.mean = decay, mean
        self.register_buffer("mean_square", torch.zeros(()))
        self.register_buffer("weight", torch.zeros(()))

    def forward(self, loss: torch.Tensor) -> torch.Tensor:
        self.mean_square.lerp_(self.mean(loss.detach().float()).square(), 1 - self.decay)
        self.weight.lerp_(torch.ones_like(self.weight), 1 - self.decay)
        return loss / (self.mean_square / self.weight).sqrt().clamp_min(1e-8)
