"""An agent that is also told, by a latent action, which way recorded play went on.

A condition of benchmarks.ablations. The model of latent actions (models/dynamics.py) names what
happened between two frames by a code, without having seen a button. Here the policy learns, from
the recorded moments along the path, which code follows there, shown the same goals as at play; from
its own play which code followed; and what it takes to follow one: its buttons hear what its codes
say (LAPO, Schmidt and Jiang, 2024, whose latent policy is decoded to buttons in a like way).
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks import latent_actions
from data.frames import find_runs, split_runs
from games.actions import BUTTONS
from models.actor_critic import ActorCritic, ActorCriticConfig, Outlook
from models.checkpoint import save_checkpoint
from models.dynamics import load_dynamics
from models.tokenizer import Encoder, load_encoder
from pretrain_visual import encode_run
from train_with_cnn_reward import Agent

FILE = "latent_actions.pkl"
BITS = 3
#: Recorded moments of a minibatch.
MOMENTS = 256


def make(artefacts: Path, out: Path, seconds: float) -> None:
    """Train a model of latent actions on a demo's frames for `seconds`, into out/FILE, if it is not
    there."""
    if (out / FILE).is_file():
        return
    encoder = load_encoder(artefacts / "pretrained_encoder.pkl")
    runs = split_runs(find_runs(artefacts / "frames"))
    encoded = tuple([encode_run(encoder, run) for run in some] for some in runs)
    args = latent_actions.Args(artefacts=artefacts, bits=BITS, seconds=seconds)
    model, _, _ = latent_actions.train(args, 0, BITS, encoded, runs)
    save_checkpoint(out / FILE, "dynamics", model.config, model.state_dict())


class Heads(nn.Linear):
    """Features (..., hidden) → logits of buttons, and after them of codes, (..., both)."""

    def __init__(self, hidden: int):
        super().__init__(hidden, len(BUTTONS) + 2**BITS)
        nn.init.orthogonal_(self.weight, 0.01)
        nn.init.zeros_(self.bias)
        self.of_code = nn.Linear(2**BITS, len(BUTTONS), bias=False)
        nn.init.zeros_(self.of_code.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        buttons, codes = super().forward(x).split([len(BUTTONS), 2**BITS], dim=-1)
        # What a code means is for recorded play to say: reward does not change it.
        buttons = buttons + self.of_code(codes.softmax(dim=-1).detach())
        return torch.cat([buttons, codes], dim=-1)


def actor_of_codes(config: ActorCriticConfig, encoder: Encoder, bf16: bool) -> ActorCritic:
    """Return a policy whose logits are of buttons and codes."""
    policy = ActorCritic(config, encoder, bf16)
    policy.policy_head, policy.fits_head = Heads(config.hidden), None
    return policy


class AgentOfCodes(Agent):
    """Learns to name codes beside buttons."""

    def __post_init__(self):
        super().__post_init__()
        self.infer = load_dynamics(self.args.out.parents[1] / FILE, self.device).infer
        self.path = self.envs.progress.follower.path
        goes_on = self.path.following != torch.arange(len(self.path.following)).to(self.device)
        self.moments = goes_on.nonzero()[:, 0]

    @torch.no_grad()
    def name(self, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        """Return the codes between latents (B, D, 9, 10), (B,) int64."""
        bits = (self.infer(before, after) > 0).long()
        return (bits << torch.arange(BITS).to(bits)).sum(dim=1)

    def _act(self, latents, rows):
        logits, *others = super()._act(latents, rows)
        return logits[..., : len(BUTTONS)], *others

    def _see(self, rollout, rows, outlook, ahead):
        logits, values, logits_ahead = super()._see(rollout, rows, outlook, ahead)
        return logits[..., : len(BUTTONS)], values, logits_ahead

    def _hindsight_loss(self, logits, rollout, leads, rows):
        buttons, codes = logits.split([len(BUTTONS), 2**BITS], dim=-1)
        loss, metrics = super()._hindsight_loss(buttons, rollout, leads, rows)
        latents, after = (part[:, rows].flatten(0, 1) for part in (rollout.latents, rollout.after))
        moved = rollout.moved[:, rows].flatten()
        own = F.cross_entropy(codes.flatten(0, 1)[moved], self.name(latents, after)[moved])
        logits, truth = self._of_recorded_play()
        recorded = F.cross_entropy(logits, truth)
        named = (logits.argmax(dim=1) == truth).float().mean()
        metrics |= {"losses/codes": recorded.detach(), "codes/accuracy": named}
        return loss + recorded + (own if moved.any() else 0.0), metrics

    def _of_recorded_play(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits of codes, (B, codes), at recorded moments, and which followed, (B,)."""
        path, chosen = self.path, torch.randint(len(self.moments), (MOMENTS,)).to(self.device)
        at = self.moments[chosen]
        seen, after = self.goal_latents(path.shows[torch.stack([at, path.following[at]])])
        goals = self.goal_latents(path.goals(at, torch.zeros_like(at, dtype=torch.bool)))
        place = path.bins[path.shows[at]] / max(1, path.num_bins - 1)
        look = Outlook.of(seen[None], goals[None], place[None])
        starts = torch.ones(1, MOMENTS, dtype=torch.bool, device=self.device)
        logits, _, _ = self.policy(
            seen[None], starts, self.policy.initial_memory(MOMENTS), None, look
        )
        return logits[0, :, len(BUTTONS) :], self.name(seen, after)
