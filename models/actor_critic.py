"""The policy: what is seen and what the runs show next, then heads for action and value."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from models.blocks import FITS, GRID, shifts
from models.checkpoint import fitting, load_checkpoint, save_checkpoint
from models.frame_cache import InBatches
from models.path import Pictures
from models.tokenizer import Encoder, TokenizerConfig

KIND = "policy"
#: Radial features of the place on the path, evenly over it.
PLACES = 17


@dataclass(frozen=True)
class ActorCriticConfig:
    """Sizes of the heads; the encoder carries its own config."""

    num_actions: int = 8
    hidden: int = 256
    """width of both layers between the latents and the heads"""
    gru: bool = False
    """a GRU over time between the layers, for games that need more than the current frame"""
    goals: int = 0
    """frames to come that the policy is shown, with the place on the path; 0: it sees latents
    alone"""
    mixed: int = 16
    """channels that compare what is seen with the goals, tile by tile"""


@dataclass
class Outlook:
    """What a path adds to the latents of a sequence (T, B)."""

    goals: torch.Tensor
    """(T, B, goals, D, 9, 10) latents of frames to come"""
    place: torch.Tensor
    """(T, B) place on the path, in [0, 1]"""
    fits: torch.Tensor
    """(T, B, features) how well what is seen fits the goals moved by some tiles, by `shifts`"""

    @classmethod
    def of(cls, latents: torch.Tensor, goals: torch.Tensor, place: torch.Tensor) -> "Outlook":
        """Compare latents (T, B, D, 9, 10) with the goals."""
        fits = shifts(latents.flatten(0, 1), goals.flatten(0, 1))
        return cls(goals, place, fits.unflatten(0, place.shape))

    @classmethod
    def together(cls, looks: Sequence["Outlook"]) -> "Outlook | None":
        """Put sequences beside each other, those of the first before those of the next."""
        if not looks:
            return None
        parts = zip(*((look.goals, look.place, look.fits) for look in looks), strict=True)
        return cls(*(torch.cat(part, dim=1) for part in parts))

    def of_envs(self, rows: torch.Tensor) -> "Outlook":
        """Return the part of sequences `rows` (B,)."""
        return Outlook(self.goals[:, rows], self.place[:, rows], self.fits[:, rows])


class ActorCritic(nn.Module):
    """encoder → z (→ z, goals − z, place, shifts) → trunk (→ GRU) → policy logits and value.

    The shifts also add to the logits by themselves: a goal one tile to the left is that on every
    screen, while what the trunk makes of a screen that is new to it may be anything.
    The value also sees the progress that has been paid for, (T, B), which no frame shows: what is
    still to be earned is what lies ahead less that (asymmetric actor-critic, Pinto et al., 2018).
    Sequences are time first: latents (T, B, D, 9, 10), and `starts` (T, B) bool marks the frames
    that begin an episode, where the memory is emptied.
    """

    def __init__(self, config: ActorCriticConfig, encoder: Encoder, bf16: bool = False):
        """bf16: of the encoder's arithmetic; latents are float32 all the same."""
        super().__init__()
        self.config, self.bf16 = config, bf16
        self.encoder = encoder
        hidden, channels = config.hidden, encoder.latent_shape[0]
        if config.goals:
            mix = nn.Conv2d(channels * (1 + config.goals), config.mixed, 1)
            self.look = nn.Sequential(_orthogonal(mix, 2**0.5), nn.SiLU(), nn.Flatten(1))
            features = config.mixed * GRID[0] * GRID[1]
            extra = PLACES + config.goals * FITS
        else:
            features, extra = math.prod(encoder.latent_shape), 0
            self.look = nn.Sequential(
                nn.Flatten(1), nn.LayerNorm(features, elementwise_affine=False)
            )
        self.first = _orthogonal(nn.Linear(features, hidden), 2**0.5)
        self.second = _orthogonal(nn.Linear(hidden + extra, hidden), 2**0.5)
        self.gru = nn.GRU(hidden, hidden) if config.gru else None
        self.policy_head = _orthogonal(nn.Linear(hidden, config.num_actions), 0.01)
        self.fits_head = None
        if config.goals:
            self.fits_head = nn.Linear(config.goals * FITS, config.num_actions, bias=False)
            nn.init.zeros_(self.fits_head.weight)
        self.value_head = _orthogonal(nn.Linear(hidden + 1, 1), 1.0)

    def initial_memory(self, batch: int) -> torch.Tensor:
        """Return an empty memory, (batch, hidden), or (batch, 0) without a GRU."""
        width = self.config.hidden if self.gru else 0
        return self.policy_head.weight.new_zeros(batch, width)

    def forward(
        self,
        latents: torch.Tensor,
        starts: torch.Tensor,
        memory: torch.Tensor,
        paid: torch.Tensor | None = None,
        outlook: Outlook | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Run over a sequence of latents (T, B, D, 9, 10), with an outlook if `config.goals`.

        Returns logits (T, B, num_actions), values (T, B), and the memory after the last frame.
        Without `paid`, values mean nothing.
        """
        T, B = latents.shape[:2]
        seen = latents.flatten(0, 1)  # (T*B, D, 9, 10)
        if self.config.goals:
            ahead = outlook.goals.flatten(0, 1) - seen[:, None]  # (T*B, goals, D, 9, 10)
            seen = torch.cat([seen, ahead.flatten(1, 2)], dim=1)
        features = F.silu(self.first(self.look(seen)))
        if self.config.goals:
            place = self._place_features(outlook.place.flatten())
            features = torch.cat([features, place, outlook.fits.flatten(0, 1)], dim=1)
        features = F.silu(self.second(features)).unflatten(0, (T, B))
        if self.gru:
            features, memory = self._remember(features, starts, memory)
        paid = features.new_zeros(T, B) if paid is None else paid
        values = self.value_head(torch.cat([features, paid[..., None]], dim=-1)).squeeze(-1)
        logits = self.policy_head(features)
        if self.fits_head:
            logits = logits + self.fits_head(outlook.fits)
        return logits, values, memory

    def _remember(
        self, features: torch.Tensor, starts: torch.Tensor, memory: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the GRU over features (T, B, hidden), from one start of an episode to the next."""
        if features.is_cuda and len(features) > 1:
            return self._remember_packed(features, starts, memory)
        begins = starts.any(dim=1).nonzero()[:, 0].tolist()
        edges = [0, *(step for step in begins if step), len(features)]
        pieces = []
        for begin, end in pairwise(edges):
            memory = memory * ~starts[begin, :, None]
            piece, memory = self.gru(features[begin:end], memory[None].contiguous())
            pieces.append(piece)
            memory = memory[0]
        return torch.cat(pieces), memory

    def _remember_packed(
        self, features: torch.Tensor, starts: torch.Tensor, memory: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Do so in one call, with the pieces of all sequences beside each other, the longest first.

        A GPU takes a call for each step, where one of many environments starts at each, several
        times as long; a CPU takes half as long again for this.
        """
        T, B = starts.shape
        begins = starts.T.clone()  # (B, T)
        begins[:, 0] = True
        piece = begins.flatten().cumsum(0) - 1  # of each step, sequence after sequence
        first = begins.flatten().nonzero()[:, 0]
        lengths = piece.bincount()
        by_length = lengths.argsort(descending=True, stable=True)
        rank = by_length.argsort()
        step = torch.arange(B * T, device=first.device) - first[piece]
        order = (step * len(first) + rank[piece]).argsort()
        running = (lengths > torch.arange(T, device=first.device)[:, None]).sum(dim=1)
        running = running[running > 0].cpu()

        goes_on = (first % T == 0) & ~starts[0, first // T]
        memory = memory[first // T] * goes_on[:, None]
        packed = PackedSequence(features.transpose(0, 1).flatten(0, 1)[order], running)
        packed, memory = self.gru(packed, memory[by_length][None])
        features = packed.data[order.argsort()].unflatten(0, (B, T)).transpose(0, 1)
        return features, memory[0, rank[piece[T - 1 :: T]]]

    @staticmethod
    def _place_features(place: torch.Tensor) -> torch.Tensor:
        """Spread places (B,) in [0, 1] over bells a sixteenth apart: (B, PLACES)."""
        return torch.exp(-((place[:, None] * (PLACES - 1) - torch.arange(PLACES).to(place)) ** 2))

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """Encode frames (..., 144, 160, 3) uint8 to latents (..., D, 9, 10)."""
        with torch.autocast(frames.device.type, torch.bfloat16, enabled=self.bf16):
            latents = self.encoder(frames.flatten(0, -4))
        return latents.float().unflatten(0, frames.shape[:-3])


class GoalLatents:
    """Latents of a path's pictures, each encoded when first asked for."""

    def __init__(
        self,
        pictures: Pictures,
        encode: InBatches,
        shape: tuple[int, ...],
        device: torch.device,
    ):
        """encode: frames -> latents (B, *shape), on a device."""
        self.pictures, self.encode = pictures, encode
        self.table = torch.zeros(len(pictures), *shape, device=device)
        self.is_there = torch.zeros(len(pictures), dtype=torch.bool, device=device)

    @torch.no_grad()
    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return latents of pictures `rows` (...): (..., D, 9, 10)."""
        missing = rows[~self.is_there[rows]].unique()
        if len(missing):
            frames = torch.from_numpy(np.stack([self.pictures[row] for row in missing.tolist()]))
            self.table[missing] = self.encode(frames.to(rows.device))
            self.is_there[missing] = True
        return self.table[rows]

    def forget(self) -> None:
        """Encode anew from now on: the encoder has changed."""
        self.is_there.zero_()


def _orthogonal(layer: nn.Module, gain: float) -> nn.Module:
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def save_policy(path: Path | str, policy: ActorCritic, **extra) -> None:
    """Write a policy with its encoder; `extra` is kept beside them (frame_skip, iteration, …)."""
    extra |= {"encoder_config": asdict(policy.encoder.config), "bf16": policy.bf16}
    save_checkpoint(path, KIND, policy.config, policy.state_dict(), **extra)


def load_policy(path: Path | str, device: torch.device | str = "cpu") -> tuple[ActorCritic, dict]:
    """Read a policy and what `save_policy` kept beside it. Raises ArtefactError.

    On a GPU it sees as it did in training; bf16 is slow on most CPUs, and left out there.
    """
    checkpoint = load_checkpoint(path, KIND)
    with fitting(path, KIND):
        encoder = Encoder(TokenizerConfig(**checkpoint["encoder_config"]))
        bf16 = checkpoint.get("bf16", False) and torch.device(device).type == "cuda"
        policy = ActorCritic(ActorCriticConfig(**checkpoint["config"]), encoder, bf16)
        policy.load_state_dict(checkpoint["state_dict"])
    return policy.to(device).eval(), checkpoint
