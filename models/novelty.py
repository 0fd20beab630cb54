"""A count-based novelty bonus in latent space.

Latents are hashed by the signs of random projections (SimHash) and the bonus is 1 / sqrt(visits),
as in "#Exploration" (Tang et al., 2017). It pays for screens that were not seen before, which is
what takes an agent off a title screen whose score never changes.
"""

import torch
from torch import nn


class Novelty(nn.Module):
    """Visit counts of hashed latents; the projections and counts are buffers, so they are saved."""

    def __init__(self, features: int, bits: int = 20, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("projection", torch.randn(features, bits, generator=generator))
        self.register_buffer("counts", torch.zeros(2**bits, dtype=torch.int64))

    @torch.no_grad()
    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Count latents (B, ...) and return their bonuses, (B,) in (0, 1]."""
        flat = latents.flatten(1).float()
        signs = (flat @ self.projection > 0).long()
        keys = (signs << torch.arange(signs.shape[1], device=signs.device)).sum(dim=1)
        self.counts.index_add_(0, keys, torch.ones_like(keys))
        return self.counts[keys].float().rsqrt()
