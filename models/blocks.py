"""Building blocks that several models share."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

FRAME_SHAPE = (144, 160, 3)
#: The screen in walking tiles of 16×16 pixels: rows, columns. Latents live on this grid.
GRID = (9, 10)
#: Tiles, up, down, left and right, by which a picture is moved to see whether it fits another.
SHIFTS = 3
#: Numbers that say so of one.
FITS = 2 * (2 * SHIFTS + 1)


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


@torch.no_grad()
def shifts(seen: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
    """Return how well latents (B, D, 9, 10) fit goals (B, G, D, 9, 10) moved by some tiles.

    (B, G * FITS): for each goal, up by -SHIFTS to SHIFTS, then left; 3 where it is the same
    picture, 0 where it fits no better than moved anyhow. Which way a map scrolls looks the same
    everywhere, so what is learned of it in one place holds in places never seen; compare the
    correlation layer of optical flow (Dosovitskiy et al., 2015).
    """
    fits = []
    for axis in (2, 3):
        lines = seen.movedim(axis, 1).flatten(2)  # (B, L, features)
        goal_lines = goals.movedim(axis + 1, 2).flatten(3)  # (B, G, L, features)
        dots = torch.bmm(lines, goal_lines.flatten(1, 2).mT).unflatten(2, goal_lines.shape[1:3])
        squared = (
            lines.square().sum(dim=2)[:, :, None, None] + goal_lines.square().sum(dim=3)[:, None]
        )
        apart = (squared - 2 * dots).clamp_min(0)  # (B, L, G, L)
        moved = range(-SHIFTS, SHIFTS + 1)
        diagonals = [apart.diagonal(shift, dim1=1, dim2=3).mean(dim=2) for shift in moved]
        apart = torch.stack(diagonals, dim=2)  # (B, G, shifts)
        fits.append(3 - 3 * apart / apart.mean(dim=2, keepdim=True).clamp_min(1e-6))
    return torch.cat(fits, dim=2).flatten(1)


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
