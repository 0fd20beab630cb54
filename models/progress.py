"""Progress along the recorded runs, frame by frame: the one interface through which reward is made.

`reset(env)` at power-on, then `score(frames)` on what each environment shows. Progress is in units
of a whole run, so 0 is where runs begin and about 1 where they end. What a scorer remembers of an
environment can be taken out and put back (`save`, `load`), so that a saved game state and its score
belong to the same moment.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from models.memory import MemoryModel, load_memory
from models.reward_model import RewardModel, load_reward_model

REWARDS = ("score", "memory")


class Progress(Protocol):
    """What a progress score promises."""

    def reset(self, env: int) -> None:
        """Forget what was seen in `env`: it was powered on."""

    def score(self, frames: np.ndarray, envs: np.ndarray | None = None) -> np.ndarray:
        """Score frames (B, 144, 160, 3) uint8 of `envs` (B,), default all: (B,) float32."""

    def save(self, env: int) -> torch.Tensor:
        """Return what is remembered of `env` (float32, one axis; it may be empty)."""

    def load(self, env: int, saved: torch.Tensor) -> None:
        """Put back what `save` returned, in any environment."""


class ScoreProgress:
    """A single frame's score by the reward model; nothing is remembered."""

    def __init__(self, model: RewardModel):
        self.model = model.eval()
        self.device = next(model.parameters()).device

    def reset(self, env: int) -> None:
        """Do nothing: there is no context."""

    @torch.inference_mode()
    def score(self, frames: np.ndarray, envs: np.ndarray | None = None) -> np.ndarray:
        """Score each frame alone."""
        return self.model(torch.from_numpy(frames).to(self.device)).float().cpu().numpy()

    def save(self, env: int) -> torch.Tensor:
        """Return an empty tensor."""
        return torch.empty(0)

    def load(self, env: int, saved: torch.Tensor) -> None:
        """Do nothing."""


class MemoryProgress:
    """The expected fraction of a run under a belief that is filtered along each trajectory."""

    def __init__(self, memory: MemoryModel, num_envs: int):
        self.memory = memory
        self.belief = memory.initial_belief(num_envs)

    def reset(self, env: int) -> None:
        """Put all belief in the first bin."""
        self.belief[env] = self.memory.initial_belief(1)[0]

    @torch.inference_mode()
    def score(self, frames: np.ndarray, envs: np.ndarray | None = None) -> np.ndarray:
        """Carry the belief of `envs` one step further and return its mean."""
        rows = torch.arange(len(self.belief)) if envs is None else torch.as_tensor(envs)
        pixels = torch.from_numpy(frames).to(self.belief.device)
        belief = self.memory.update(self.belief[rows], pixels)
        self.belief[rows] = belief
        return self.memory.progress(belief).cpu().numpy()

    def save(self, env: int) -> torch.Tensor:
        """Return the belief, (bins,)."""
        return self.belief[env].cpu().clone()

    def load(self, env: int, saved: torch.Tensor) -> None:
        """Put a belief back."""
        self.belief[env] = saved.to(self.belief.device)


def load_progress(
    reward: str, path: Path, num_envs: int, device: torch.device | str = "cpu"
) -> Progress:
    """Load a `reward` of REWARDS from its artefact.

    Raises ArtefactError when the file is missing or of the other kind.
    """
    if reward == "memory":
        return MemoryProgress(load_memory(path, device), num_envs)
    return ScoreProgress(load_reward_model(path, device))
