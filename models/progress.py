"""Progress along the recorded runs, frame by frame: the one interface through which reward is made.

`reset` at power-on, then `follow` every frame of a trajectory, and `score` those that are paid for.
Progress is in units of a whole run, so 0 is where runs begin and about 1 where they end. What is
remembered of an environment can be taken out and put back (`save`, `load`), so that a saved game
state and its score belong to the same moment.
"""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch

from models.follower import Follower
from models.frame_cache import fastest
from models.path import load_path
from models.reward_model import RewardModel, load_reward_model


class Progress(ABC):
    """What follows the environments along a path, if there is one; subclasses score them."""

    scores_every_step: bool
    """scores cost nothing; else only those are asked for that are paid"""
    higher: float
    """how much more progress counts as a new height"""

    def __init__(self, follower: Follower | None, device: torch.device):
        self.follower, self.device = follower, device
        if follower:
            path = follower.path
            self._thumbnails = fastest(path.thumbnails, path.bank.shape[1:], device)

    def _rows(self, envs: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.asarray(envs)).to(self.device)

    def reset(self, envs: np.ndarray) -> None:
        """Forget what was seen in `envs` (B,): they were powered on."""
        if self.follower:
            self.follower.reset(self._rows(envs))

    def follow(self, frames: torch.Tensor, envs: np.ndarray) -> np.ndarray:
        """Take note of the frames (B, 144, 160, 3) uint8 that `envs` (B,) show now.

        Returns whether each shows for sure where on the path it is, (B,) bool; without a path all
        are taken for sure.
        """
        if not self.follower:
            return np.ones(len(envs), dtype=bool)
        rows = self._rows(envs)
        self.follower.follow(self._thumbnails(frames), rows)
        return self.follower.sure[rows].cpu().numpy()

    @abstractmethod
    def score(self, frames: torch.Tensor, envs: np.ndarray) -> np.ndarray:
        """Return the progress, (B,) float32, of `envs` (B,); frames (N, 144, 160, 3) are of all."""

    def counts(self, envs: np.ndarray) -> np.ndarray:
        """Say in which of `envs` (B,) the score counts, (B,) bool; in the others the last holds."""
        return np.ones(len(envs), dtype=bool)

    def advanced(self, envs: np.ndarray) -> np.ndarray:
        """Return the moments that the guide waited for in `envs` (B,) and that they show now, (B,)
        int64; -1 for none."""
        if not self.follower:
            return np.full(len(envs), -1)
        return self.follower.advanced[self._rows(envs)].cpu().numpy()

    def agrees(self, frames: torch.Tensor, envs: np.ndarray) -> np.ndarray:
        """Say whether frames look like the place that `envs` (B,) are taken to be at, (B,) bool."""
        if not self.follower:
            return np.ones(len(envs), dtype=bool)
        rows = self._rows(envs)
        return self.follower.agrees(self._thumbnails(frames), rows).cpu().numpy()

    def lost(self, envs: np.ndarray) -> np.ndarray:
        """Say which of `envs` (B,) have lost their place, (B,) bool; none without a path."""
        if not self.follower:
            return np.zeros(len(envs), dtype=bool)
        return self.follower.lost(self._rows(envs)).cpu().numpy()

    def locate(self, frame: torch.Tensor, env: int) -> None:
        """Begin `env` wherever on the path its frame (144, 160, 3) looks most like."""
        if self.follower:
            self.follower.locate(self._thumbnails(frame[None]), self._rows(np.array([env])))

    def arrived(self, envs: np.ndarray) -> np.ndarray:
        """Say which `envs` (B,) are for sure at the path's end, (B,) bool; none without one."""
        if not self.follower:
            return np.zeros(len(envs), dtype=bool)
        return self.follower.arrived(self._rows(envs)).cpu().numpy()

    def save(self, envs: np.ndarray) -> torch.Tensor:
        """Return what is remembered of `envs`, (B, numbers) float32; it may be no numbers."""
        return self.follower.save(self._rows(envs)) if self.follower else torch.empty(len(envs), 0)

    def load(self, envs: np.ndarray, saved: torch.Tensor) -> None:
        """Put back what `save` returned, in any environments."""
        if self.follower:
            self.follower.load(self._rows(envs), saved)


class ScoreProgress(Progress):
    """A single frame's score by the reward model; a path, if any, only guides."""

    scores_every_step = False
    higher = 0.005

    def __init__(self, model: RewardModel, follower: Follower | None = None):
        super().__init__(follower, next(model.parameters()).device)
        self.model = model.eval()

    @torch.inference_mode()
    def score(self, frames: torch.Tensor, envs: np.ndarray) -> np.ndarray:
        """Score each frame alone."""
        return self.model(frames[self._rows(envs)]).float().cpu().numpy()


class PathProgress(Progress):
    """The expected fraction of the path under a belief that is filtered along each trajectory."""

    scores_every_step = True

    def __init__(self, follower: Follower):
        super().__init__(follower, follower.belief.device)
        self.higher = 1.5 / follower.path.num_bins

    def score(self, frames: torch.Tensor, envs: np.ndarray) -> np.ndarray:
        """Return where the beliefs are."""
        return self.follower.progress(self._rows(envs)).cpu().numpy()

    def counts(self, envs: np.ndarray) -> np.ndarray:
        """Say where the picture is like what is recorded where `envs` (B,) are taken to be.

        A text in a menu may be like one that is told some bins on: it moves the belief, but were
        that paid, an agent would stay in the menu.
        """
        return self.follower.resembles[self._rows(envs)].bool().cpu().numpy()


def load_progress(
    reward: Path,
    is_path: bool,
    guide: Path | None,
    num_envs: int,
    device: torch.device | str = "cpu",
) -> Progress:
    """Load the reward that the artefact `reward` is, and the path `guide` to follow beside it.

    Raises ArtefactError when a file is missing or of another kind.
    """
    if is_path:
        return PathProgress(Follower(load_path(reward, device), num_envs))
    model = load_reward_model(reward, device)
    return ScoreProgress(model, Follower(load_path(guide, device), num_envs) if guide else None)
