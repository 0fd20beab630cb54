"""A generative memory of recorded play: where along the recorded runs is this trajectory now?

Nothing is trained. The frames of the runs are kept as thumbnails, each with the fraction of its
run at which it was seen. A new frame is compared with all of them, and Bayes' rule carries a belief
over that fraction along the trajectory. A frame unlike any recorded one says nothing, so the belief
stays where it was: unlike a discriminative score, it can not be talked into a high value by a
screen that no run ever shows.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models.blocks import pooled_grey
from models.checkpoint import fitting, load_checkpoint, save_checkpoint

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
    outlier: float = 0.05
    """likelihood of a frame anywhere, relative to an exact match: bounds what one frame can say"""
    walk: float = 0.2
    """probability a step of moving one bin up, and one down: no drift, so waiting pays nothing"""


class MemoryModel:
    """The filter, and what it compares with: thumbnails (M, pixels) and their bins (M,)."""

    def __init__(self, config: MemoryConfig, bank: torch.Tensor, bins: torch.Tensor):
        self.config = config
        self.bank, self.bins = bank, bins
        self._bank_squared = bank.square().mean(dim=1)

    def initial_belief(self, batch: int) -> torch.Tensor:
        """Return the belief at power-on, (batch, bins): all in the first bin."""
        belief = self.bank.new_zeros(batch, self.config.bins)
        belief[:, 0] = 1.0
        return belief

    def distances(self, frames: torch.Tensor) -> torch.Tensor:
        """Return each bin's distance to frames (B, 144, 160, 3) uint8: (B, bins), its nearest."""
        x = pooled_grey(frames, self.config.pool).flatten(1)
        dots = x @ self.bank.T / x.shape[1]
        squared = x.square().mean(dim=1, keepdim=True) + self._bank_squared - 2 * dots
        nearest = squared.new_full((len(x), self.config.bins), torch.inf)
        index = self.bins.expand(len(x), -1)
        return nearest.scatter_reduce_(1, index, squared, "amin").clamp_(min=0)

    def likelihood(self, frames: torch.Tensor) -> torch.Tensor:
        """Return how likely frames (B, 144, 160, 3) are in each bin, (B, bins), up to a factor."""
        return torch.exp(-self.distances(frames) / self.config.bandwidth) + self.config.outlier

    def is_known(self, likelihood: torch.Tensor) -> torch.Tensor:
        """Say whether frames of these likelihoods (B, bins) resemble a remembered one: (B,)."""
        return likelihood.amax(dim=1) > 0.5

    def update(self, belief: torch.Tensor, likelihood: torch.Tensor) -> torch.Tensor:
        """Move a belief (B, bins) by one step and weigh it by a likelihood (B, bins).

        The less a frame resembles any remembered one, the less the belief moves: at the ends of the
        path even a walk without drift has somewhere to go, and strange screens must not pay.
        """
        familiar = 1 - self.config.outlier / likelihood.amax(dim=1, keepdim=True)
        walk = self.config.walk * familiar
        up = torch.cat([torch.zeros_like(belief[:, :1]), belief[:, :-1]], dim=1)
        up[:, -1] += belief[:, -1]  # the walk stays inside [0, bins)
        down = torch.cat([belief[:, 1:], torch.zeros_like(belief[:, :1])], dim=1)
        down[:, 0] += belief[:, 0]
        prior = (1 - 2 * walk) * belief + walk * (up + down)
        posterior = prior * likelihood
        return posterior / posterior.sum(dim=1, keepdim=True)

    def progress(self, belief: torch.Tensor) -> torch.Tensor:
        """Return the expected fraction of a run, (B,) in [0, 1], of beliefs (B, bins)."""
        fractions = torch.linspace(0, 1, self.config.bins, device=belief.device)
        return belief @ fractions

    def filter(self, frames: np.ndarray, chunk: int = 256) -> np.ndarray:
        """Return the progress at each frame of one trajectory (T, 144, 160, 3): (T,) float32."""
        belief = self.initial_belief(1)
        progress = []
        for start in range(0, len(frames), chunk):
            piece = torch.tensor(frames[start : start + chunk], device=belief.device)
            for likelihood in self.likelihood(piece):
                belief = self.update(belief, likelihood[None])
                progress.append(self.progress(belief).item())
        return np.array(progress, dtype=np.float32)


def most_direct(runs: list[np.ndarray], pool: int = MemoryConfig.pool) -> int:
    """Return which run, each (T, 144, 160, 3) uint8, has the fewest different frames."""
    different = [
        len(torch.cat(list(_thumbnails(run, pool))).mul(15).round().unique(dim=0)) for run in runs
    ]
    return different.index(min(different))


def fit_memory(
    runs: list[np.ndarray], config: MemoryConfig | None = None, reference: int | None = None
) -> MemoryModel:
    """Build a memory from runs, each (T, 144, 160, 3) uint8.

    The reference, by default the most direct run, spreads evenly over the bins. The others linger
    and stray elsewhere, so their own clocks say little: each is aligned with it. Frames that look
    the same in one bin are kept once. Raises ValueError when there is no run, or the reference has
    fewer frames than there are bins, which would leave holes in the path.
    """
    config = config or MemoryConfig()
    if not runs:
        raise ValueError("a memory needs at least one run of frames, got none")
    direct = most_direct(runs, config.pool) if reference is None else reference
    if len(runs[direct]) < config.bins:
        raise ValueError(
            f"a memory of {config.bins} bins needs as many frames of the run that it is measured "
            f"along, got {len(runs[direct])}: pass fewer bins, or another run"
        )
    banks = [torch.cat(list(_thumbnails(run, config.pool))) for run in runs]
    evenly = torch.arange(len(banks[direct])) * config.bins // len(banks[direct])
    path = MemoryModel(config, banks[direct], evenly)
    bins = [evenly if i == direct else align(path, run) for i, run in enumerate(runs)]
    rows = torch.cat([torch.cat(bins)[:, None], torch.cat(banks).mul(255).round()], dim=1)
    rows = rows.short().unique(dim=0)  # the bin, then the pixels
    return MemoryModel(config, rows[:, 1:].float() / 255, rows[:, 0].long())


def _thumbnails(run: np.ndarray, pool: int, chunk: int = 256):
    """Yield the thumbnails of a run, `chunk` frames at a time."""
    for start in range(0, len(run), chunk):
        yield pooled_grey(torch.tensor(run[start : start + chunk]), pool).flatten(1)


def align(path: MemoryModel, run: np.ndarray, chunk: int = 256) -> torch.Tensor:
    """Return the bins of a run's frames, (T,) int64: its likeliest way along `path`.

    Viterbi's algorithm with a price on each bin moved: a run that turns back must be let back, or
    what it then shows would count as further than it is. Between frames that the path knows, the
    others lie evenly: another way to the same place rises, a corner off the way does not.
    """
    pieces = (torch.tensor(run[start : start + chunk]) for start in range(0, len(run), chunk))
    likelihood = torch.cat([path.likelihood(piece) for piece in pieces])
    bins = torch.arange(path.config.bins)
    price = (bins[:, None] - bins).abs() * math.log(path.config.walk)  # (to, from)
    best, came_from = likelihood[0].log() + price[:, 0], []
    for step in likelihood[1:].log():
        best, source = (best + price).max(dim=1)
        best = best + step
        came_from.append(source)
    way = [int(best.argmax())]
    for source in reversed(came_from):
        way.append(int(source[way[-1]]))
    way = np.array(way[::-1])
    known = np.flatnonzero(path.is_known(likelihood).numpy())
    if not len(known):
        return torch.from_numpy(way)
    between = np.interp(np.arange(len(way)), known, way[known])
    return torch.from_numpy(between.round().astype(np.int64))


def save_memory(path: Path | str, memory: MemoryModel) -> None:
    """Write a memory as an artefact, thumbnails in 8 bits."""
    bank = memory.bank.mul(255).round().to(torch.uint8).cpu()
    save_checkpoint(path, KIND, memory.config, {"bank": bank, "bins": memory.bins.cpu()})


def load_memory(path: Path | str, device: torch.device | str = "cpu") -> MemoryModel:
    """Read a memory artefact. Raises ArtefactError, which names the command that makes it."""
    checkpoint = load_checkpoint(path, KIND)
    with fitting(path, KIND):
        config, state = MemoryConfig(**checkpoint["config"]), checkpoint["state_dict"]
        bank = state["bank"].to(device).float().div_(255.0)
        return MemoryModel(config, bank, state["bins"].to(device))
