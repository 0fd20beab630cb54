"""The policy: a frame's latents, an optional memory, and two heads for actions and value."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from models.checkpoint import fitting, load_checkpoint, save_checkpoint
from models.tokenizer import Encoder, TokenizerConfig

KIND = "policy"


@dataclass(frozen=True)
class ActorCriticConfig:
    """Sizes of the heads; the encoder carries its own config."""

    num_actions: int = 8
    hidden: int = 256
    """width of both layers between the latents and the heads"""
    gru: bool = False
    """a GRU over time between the layers, for games that need more than the current frame"""


class ActorCritic(nn.Module):
    """encoder → z → trunk (→ GRU) → policy logits and value.

    The value also sees the progress that has been paid for, (T, B), which no frame shows: what is
    still to be earned is what lies ahead less that. The policy sees frames alone, so that playing
    needs no reward (asymmetric actor-critic, Pinto et al., 2018). Sequences are time first: latents
    (T, B, D, 9, 10), and `starts` (T, B) bool marks the frames that begin an episode, where the
    memory is emptied.
    """

    def __init__(self, config: ActorCriticConfig, encoder: Encoder):
        super().__init__()
        self.config = config
        self.encoder = encoder
        features = math.prod(encoder.latent_shape)
        hidden = config.hidden
        self.trunk = nn.Sequential(
            nn.Flatten(1),
            nn.LayerNorm(features, elementwise_affine=False),
            _orthogonal(nn.Linear(features, hidden), 2**0.5),
            nn.SiLU(),
            _orthogonal(nn.Linear(hidden, hidden), 2**0.5),
            nn.SiLU(),
        )
        self.gru = nn.GRUCell(hidden, hidden) if config.gru else None
        self.policy_head = _orthogonal(nn.Linear(hidden, config.num_actions), 0.01)
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
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Run over a sequence of latents (T, B, D, 9, 10).

        Returns logits (T, B, num_actions), values (T, B), and the memory after the last frame.
        Without `paid`, values mean nothing.
        """
        T, B = latents.shape[:2]
        features = self.trunk(latents.flatten(0, 1)).unflatten(0, (T, B))
        if self.gru:
            steps = []
            for feature, start in zip(features, starts, strict=True):
                memory = self.gru(feature, memory * ~start[:, None])
                steps.append(memory)
            features = torch.stack(steps)
        paid = features.new_zeros(T, B) if paid is None else paid
        values = self.value_head(torch.cat([features, paid[..., None]], dim=-1)).squeeze(-1)
        return self.policy_head(features), values, memory

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """Encode frames (..., 144, 160, 3) uint8 to latents (..., D, 9, 10)."""
        return self.encoder(frames.flatten(0, -4)).unflatten(0, frames.shape[:-3])


def _orthogonal(layer: nn.Linear, gain: float) -> nn.Linear:
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def save_policy(path: Path | str, policy: ActorCritic, **extra) -> None:
    """Write a policy with its encoder; `extra` is kept beside them (frame_skip, iteration, …)."""
    encoder_config = asdict(policy.encoder.config)
    save_checkpoint(
        path, KIND, policy.config, policy.state_dict(), encoder_config=encoder_config, **extra
    )


def load_policy(path: Path | str, device: torch.device | str = "cpu") -> tuple[ActorCritic, dict]:
    """Read a policy and what `save_policy` kept beside it. Raises ArtefactError."""
    checkpoint = load_checkpoint(path, KIND)
    with fitting(path, KIND):
        encoder = Encoder(TokenizerConfig(**checkpoint["encoder_config"]))
        policy = ActorCritic(ActorCriticConfig(**checkpoint["config"]), encoder)
        policy.load_state_dict(checkpoint["state_dict"])
    return policy.to(device).eval(), checkpoint
