"""The dynamics model (stage 1B): the next latents from the last few, judged against copying.

What comes next hangs on what is pressed, which no video shows. So a second model may be told a few
bits of it, inferred from the next latents themselves (LAPO, Schmidt and Jiang, 2024): too few to
say what comes, enough to say which of the things that may come.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from models.blocks import FITS, GRID, shifts
from models.checkpoint import load_model

KINDS = ("transformer", "mlp")
#: Tiles, in rows and columns around one, of which something may come to be in its place.
REACH = 5


@dataclass
class DynamicsConfig:
    """What it takes to rebuild a dynamics model."""

    #: D: channels of the latents (B, D, 9, 10).
    latent_channels: int = 16
    #: transformer (over the grid and over time) or mlp (over the flattened latents).
    kind: str = "transformer"
    #: K: how many past frames are seen.
    context_frames: int = 4
    #: Channels of a token; the mlp's hidden layers are 4 times as wide.
    width: int = 128
    depth: int = 4
    heads: int = 4
    #: Bits of a latent action that a prediction is told; 0: none.
    action_bits: int = 0

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"expected dynamics of kind {'/'.join(KINDS)}, got {self.kind!r}")
        if min(self.context_frames, self.depth, self.heads) < 1 or self.width % self.heads:
            raise ValueError(
                "expected at least 1 context frame, layer and head, and a width that the heads "
                f"divide, got {self}"
            )
        if self.action_bits < 0:
            raise ValueError(f"expected 0 or more bits of an action, got {self.action_bits}")


class LatentAction(nn.Module):
    """What happened between two frames, in a few bits: ±1 each, straight through in the backward
    pass (finite scalar quantisation to two levels, Mentzer et al., 2024).

    Most of what a button does is to scroll the map, so the frames are also compared when moved by
    some tiles, as the policy compares its goals. Each bit is normalised over the batch: else all
    begin, and stay, the same for all frames.
    """

    def __init__(self, config: DynamicsConfig):
        super().__init__()
        D, width = config.latent_channels, config.width
        self.look = nn.Sequential(
            nn.Conv2d(2 * D, width, 5, padding=2),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GELU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.bits = nn.Sequential(
            nn.Linear(width + FITS, config.action_bits),
            nn.BatchNorm1d(config.action_bits, affine=False),
        )

    def forward(self, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        """Latents (B, D, 9, 10) of successive frames → bits (B, action_bits), -1 or 1."""
        seen = self.look(torch.cat([before, after - before], dim=1))
        soft = torch.tanh(self.bits(torch.cat([seen, shifts(before, after[:, None])], dim=1)))
        return soft + (torch.where(soft < 0, -1.0, 1.0) - soft).detach()


class Attention(nn.Module):
    """Self-attention of tokens (N, L, width), every token seeing all L."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        N, L, W = x.shape
        qkv = self.qkv(self.norm(x)).view(N, L, 3, self.heads, W // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (N, heads, L, W / heads) each
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.out(mixed.transpose(1, 2).reshape(N, L, W))


class SpaceTimeBlock(nn.Module):
    """Attention within each frame, attention of each tile over time, and an MLP."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.space = Attention(width, heads)
        self.time = Attention(width, heads)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, K, 90, width) → the same shape."""
        x = x + self.space(x.flatten(0, 1)).view_as(x)
        by_tile = x.transpose(1, 2)  # (B, 90, K, width)
        mixed = self.time(by_tile.flatten(0, 1)).view(by_tile.shape)
        x = x + mixed.transpose(1, 2)
        return x + self.mlp(x)


class Transformer(nn.Module):
    """Latents (B, K, D, 9, 10), and an action (B, bits) → change of the last ones (B, D, 9, 10).

    Most of what changes has only moved: a tile's change is its own, plus a weighted sum of the
    tiles around it (after dynamic neural advection, Finn et al., 2016).
    """

    def __init__(self, config: DynamicsConfig):
        super().__init__()
        tiles, width = GRID[0] * GRID[1], config.width
        # A walker scrolls the screen by a tile or two a frame: let a token see that far at once.
        self.embed = nn.Conv2d(config.latent_channels, width, 5, padding=2)
        self.place = nn.Parameter(torch.randn(tiles, width) * 0.02)
        self.moment = nn.Parameter(torch.randn(config.context_frames, 1, width) * 0.02)
        self.blocks = nn.Sequential(
            *(SpaceTimeBlock(width, config.heads) for _ in range(config.depth))
        )
        self.told = nn.Linear(config.action_bits, width) if config.action_bits else None
        outputs = config.latent_channels + REACH**2
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs))

    def forward(self, latents: torch.Tensor, action: torch.Tensor | None) -> torch.Tensor:
        B, K, D = latents.shape[:3]
        tokens = self.embed(latents.flatten(0, 1)).flatten(2).transpose(1, 2)  # (B K, 90, width)
        tokens = tokens.unflatten(0, (B, K)) + self.place + self.moment
        if self.told is not None:
            tokens = tokens + self.told(action)[:, None, None]
        tokens = self.blocks(tokens)
        change, weights = self.head(tokens[:, -1]).mT.split([D, REACH**2], dim=1)  # (B, ..., 90)
        near = F.unfold(latents[:, -1], REACH, padding=REACH // 2).unflatten(1, (D, -1))
        change = change + (near * weights[:, None]).sum(dim=2)
        return change.view(latents[:, -1].shape)


class MLP(nn.Module):
    """Latents (B, K, D, 9, 10), and an action (B, bits) → change of the last ones (B, D, 9, 10)."""

    def __init__(self, config: DynamicsConfig):
        super().__init__()
        size, hidden = config.latent_channels * GRID[0] * GRID[1], 4 * config.width
        seen = config.context_frames * size + config.action_bits
        layers: list[nn.Module] = [nn.Linear(seen, hidden)]
        for _ in range(config.depth - 1):
            layers += [nn.GELU(), nn.LayerNorm(hidden), nn.Linear(hidden, hidden)]
        self.body = nn.Sequential(*layers, nn.GELU())
        self.head = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, size))

    def forward(self, latents: torch.Tensor, action: torch.Tensor | None) -> torch.Tensor:
        seen = latents.flatten(1)
        if action is not None:
            seen = torch.cat([seen, action], dim=1)
        return self.head(self.body(seen)).view_as(latents[:, -1])


class Dynamics(nn.Module):
    """Predicts latents as the last ones plus a change that is zero before training."""

    def __init__(self, config: DynamicsConfig):
        super().__init__()
        self.config = config
        self.infer = LatentAction(config) if config.action_bits else None
        self.network = Transformer(config) if config.kind == "transformer" else MLP(config)
        nn.init.zeros_(self.network.head[-1].weight)
        nn.init.zeros_(self.network.head[-1].bias)

    def forward(self, latents: torch.Tensor, following: torch.Tensor | None = None) -> torch.Tensor:
        """Context (B, K, D, 9, 10), oldest first → next latents (B, D, 9, 10).

        following: the next latents themselves (B, D, 9, 10), for a model with a latent action: the
        prediction is told what is inferred from them, which is all that it learns of them.
        Raises ValueError for another context, and where they are missing.
        """
        action = self._action(latents, latents[:, -1], following)
        return latents[:, -1] + self.network(latents, action)

    def _action(
        self, latents: torch.Tensor, before: torch.Tensor, after: torch.Tensor | None
    ) -> torch.Tensor | None:
        """Return what is inferred from two frames' latents for a prediction from a context."""
        K = self.config.context_frames
        if latents.ndim != 5 or latents.shape[1] != K:
            raise ValueError(f"expected latents (B, {K}, D, 9, 10), got {tuple(latents.shape)}")
        if self.infer is None:
            return None
        if after is None:
            raise ValueError("expected the next latents, to infer the latent action, got none")
        return self.infer(before, after)

    @torch.no_grad()
    def rollout(
        self, latents: torch.Tensor, horizon_frames: int, following: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Context (B, K, D, 9, 10) → the next (B, horizon, D, 9, 10), fed back on itself.

        following: the true ones (B, horizon, D, 9, 10), for a model with a latent action: each step
        is told what is inferred from two of them in a row. Raises ValueError as `forward` does.
        """
        predicted, before = [], latents[:, -1]
        for step in range(horizon_frames):
            after = None if following is None else following[:, step]
            action = self._action(latents, before, after)
            before = after
            predicted.append((latents[:, -1] + self.network(latents, action)).clamp(-1, 1))
            latents = torch.cat([latents[:, 1:], predicted[-1][:, None]], dim=1)
        return torch.stack(predicted, dim=1)


def load_dynamics(path: Path | str, device: torch.device | str = "cpu") -> Dynamics:
    """Load a dynamics artefact in eval mode, `pretrained_dynamics.pkl` or
    `pretrained_latent_actions.pkl`. Raises ArtefactError, one line."""
    return load_model(path, "dynamics", Dynamics, DynamicsConfig, device)
