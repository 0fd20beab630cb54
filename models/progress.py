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

#: The artefact of each `--reward`, by the name that the training script gives it.
REWARD_FILES = {"score": "reward_resnet34.pkl", "memory": "reward_memory.pkl"}


class Progress(Protocol):
    """What a progress score promises."""

    follows: bool
    """it has to see every frame of a trajectory, not only those that are paid for"""

    def reset(self, env: int) -> None:
        """Forget what was seen in `env`: it was powered on."""

    def score(self, frames: np.ndarray, envs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Score the frames (B, 144, 160, 3) uint8 that `envs` (B,) show now.

        Returns progress, (B,) float32, and whether a frame resembles the recorded runs, (B,) bool,
        as far as the score can tell.
        """

    def save(self, env: int) -> torch.Tensor:
        """Return what is remembered of `env` (float32, one axis; it may be empty)."""

    def load(self, env: int, saved: torch.Tensor) -> None:
        """Put back what `save` returned, in any environment."""


class ScoreProgress:
    """A single frame's score by the reward model; nothing is remembered."""

    follows = False

    def __init__(self, model: RewardModel):
        self.model = model.eval()
        self.device = next(model.parameters()).device

    def reset(self, env: int) -> None:
        """Do nothing: there is no context."""

    @torch.inference_mode()
    def score(self, frames: np.ndarray, envs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Score each frame alone, and take each for known."""
        scores = self.model(torch.from_numpy(frames).to(self.device)).float().cpu().numpy()
        return scores, np.ones(len(scores), dtype=bool)

    def save(self, env: int) -> torch.Tensor:
        """Return an empty tensor."""
        return torch.empty(0)

    def load(self, env: int, saved: torch.Tensor) -> None:
        """Do nothing."""


class MemoryProgress:
    """The expected fraction of a run under a belief that is filtered along each trajectory."""

    follows = True

    def __init__(self, memory: MemoryModel, num_envs: int):
        self.memory = memory
        self.belief = memory.initial_belief(num_envs)

    def reset(self, env: int) -> None:
        """Put all belief in the first bin."""
        self.belief[env] = self.memory.initial_belief(1)[0]

    @torch.inference_mode()
    def score(self, frames: np.ndarray, envs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Carry the belief of `envs` one step further and return its mean."""
        rows = torch.from_numpy(envs).to(self.belief.device)
        likelihood = self.memory.likelihood(torch.from_numpy(frames).to(self.belief.device))
        self.belief[rows] = self.memory.update(self.belief[rows], likelihood)
        known = self.memory.is_known(likelihood).cpu().numpy()
        return self.memory.progress(self.belief[rows]).cpu().numpy(), known

    def save(self, env: int) -> torch.Tensor:
        """Return the belief, (bins,)."""
        return self.belief[env].to("cpu", copy=True)

    def load(self, env: int, saved: torch.Tensor) -> None:
        """Put a belief back."""
        self.belief[env] = saved.to(self.belief.device)


def load_progress(
    reward: str, path: Path, num_envs: int, device: torch.device | str = "cpu"
) -> Progress:
    """Load the progress score `reward`, of REWARD_FILES, from its artefact.

    Raises ArtefactError when the file is missing or of the other kind.
    """
    if reward == "memory":
        return MemoryProgress(load_memory(path, device), num_envs)
    return ScoreProgress(load_reward_model(path, device))
