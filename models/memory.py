"""A generative memory of recorded play: where along the recorded runs is this trajectory now?

Nothing is trained. The frames of the runs are kept as thumbnails, each with the fraction of its
run at which it was seen. A new frame is compared with all of them, and Bayes' rule carries a belief
over that fraction along the trajectory. A frame unlike any recorded one says nothing, so the belief
stays where it was: unlike a discriminative score, it can not be talked into a high value by a
screen that no run ever shows.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from models.checkpoint import load_checkpoint, save_checkpoint

KIND = "reward_memory"


@dataclass(frozen=True)
class MemoryConfig:
    """How frames are compared and how a belief moves."""

    bins: int = 100
    """bins of the fraction of a run, over [0, 1]"""
    pool: int = 4
    """side in pixels of the squares that a thumbnail averages: 144x160 becomes 36x40 grey"""
    bandwidth: float = 0.002
    """distance (mean squared difference of grey in [0, 1]) at which a kernel falls to 1/e"""
    outlier: float = 0.1
    """likelihood of a frame anywhere, relative to an exact match: bounds what one frame can say"""
    walk: float = 0.03
    """probability a step of moving one bin up, and one down: no drift, so waiting pays nothing"""


def thumbnails(frames: torch.Tensor, pool: int) -> torch.Tensor:
    """Turn frames (B, 144, 160, 3) uint8 into grey (B, 144 * 160 / pool**2) in [0, 1]."""
    grey = frames.float().mean(dim=-1).div_(255.0)
    return F.avg_pool2d(grey[:, None], pool).flatten(1)


class MemoryModel:
    """Thumbnails of the runs, (bins, frames a bin, pixels), and the filter over their bins.

    Bins hold different numbers of frames: short ones are filled up by repeating their last frame,
    which changes no minimum.
    """

    def __init__(self, config: MemoryConfig, bank: torch.Tensor):
        self.config = config
        self.bank = bank
        self._flat = bank.flatten(0, 1)
        self._flat_squared = self._flat.square().mean(dim=1)

    def to(self, device: torch.device | str) -> "MemoryModel":
        """Return the same memory on another device."""
        return MemoryModel(self.config, self.bank.to(device))

    def initial_belief(self, batch: int) -> torch.Tensor:
        """Return the belief at power-on, (batch, bins): all in the first bin."""
        belief = self.bank.new_zeros(batch, self.config.bins)
        belief[:, 0] = 1.0
        return belief

    def distances(self, frames: torch.Tensor) -> torch.Tensor:
        """Return each bin's distance to frames (B, 144, 160, 3) uint8: (B, bins), its nearest."""
        x = thumbnails(frames, self.config.pool)
        dots = x @ self._flat.T / x.shape[1]
        squared = x.square().mean(dim=1, keepdim=True) + self._flat_squared - 2 * dots
        return squared.clamp_(min=0).unflatten(1, self.bank.shape[:2]).amin(dim=2)

    def update(self, belief: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """Move a belief (B, bins) by one step and weigh it by what the frames show."""
        walk = self.config.walk
        up = torch.cat([torch.zeros_like(belief[:, :1]), belief[:, :-1]], dim=1)
        up[:, -1] += belief[:, -1]  # the walk stays inside [0, bins)
        down = torch.cat([belief[:, 1:], torch.zeros_like(belief[:, :1])], dim=1)
        down[:, 0] += belief[:, 0]
        prior = (1 - 2 * walk) * belief + walk * (up + down)
        likelihood = torch.exp(-self.distances(frames) / self.config.bandwidth)
        posterior = prior * (likelihood + self.config.outlier)
        return posterior / posterior.sum(dim=1, keepdim=True)

    def progress(self, belief: torch.Tensor) -> torch.Tensor:
        """Return the expected fraction of a run, (B,) in [0, 1], of beliefs (B, bins)."""
        fractions = torch.linspace(0, 1, self.config.bins, device=belief.device)
        return belief @ fractions

    def filter(self, frames: torch.Tensor | np.ndarray, chunk: int = 256) -> np.ndarray:
        """Return the progress at each frame of one trajectory (T, 144, 160, 3): (T,) float32."""
        belief = self.initial_belief(1)
        progress = []
        for start in range(0, len(frames), chunk):
            for frame in torch.tensor(frames[start : start + chunk]):
                belief = self.update(belief, frame[None].to(belief.device))
                progress.append(self.progress(belief).item())
        return np.array(progress, dtype=np.float32)


def fit_memory(runs: list[np.ndarray], config: MemoryConfig | None = None) -> MemoryModel:
    """Build a memory from runs, each (T, 144, 160, 3) uint8.

    Raises ValueError when there is no run, or a run has fewer frames than there are bins, which
    would leave holes in the path.
    """
    config = config or MemoryConfig()
    if not runs or min(map(len, runs)) < config.bins:
        got = f"{len(runs)} runs, the shortest of {min(map(len, runs), default=0)} frames"
        raise ValueError(
            f"a memory needs runs of at least {config.bins} frames each, got {got}: "
            "pass fewer bins, or prepare longer runs"
        )
    per_bin: list[list[torch.Tensor]] = [[] for _ in range(config.bins)]
    for frames in runs:
        for bin_index, part in enumerate(np.array_split(np.arange(len(frames)), config.bins)):
            pixels = torch.tensor(frames[part[0] : part[-1] + 1])
            per_bin[bin_index].append(thumbnails(pixels, config.pool))
    stacks = [torch.cat(part) for part in per_bin]
    longest = max(map(len, stacks))
    bank = torch.stack([torch.cat([s, s[-1:].expand(longest - len(s), -1)]) for s in stacks])
    return MemoryModel(config, bank)


def save_memory(path: Path | str, memory: MemoryModel) -> None:
    """Write a memory as an artefact, thumbnails rounded to 8 bits."""
    bank = memory.bank.mul(255).round().to(torch.uint8).cpu()
    save_checkpoint(path, KIND, memory.config, {"bank": bank})


def load_memory(path: Path | str, device: torch.device | str = "cpu") -> MemoryModel:
    """Read a memory artefact. Raises ArtefactError, which names the command that makes it."""
    checkpoint = load_checkpoint(path, KIND)
    bank = checkpoint["state_dict"]["bank"].to(device).float().div_(255.0)
    return MemoryModel(MemoryConfig(**checkpoint["config"]), bank)
