"""The path through the recorded runs: where along them a trajectory is, and what they show next.

Nothing is trained. One run, the reference, is cut into bins: its moments, each different from the
one before. The others are aligned with it, and all frames are kept as the bank, each with its bin.
A new frame is compared with the frames of the bins near the place believed in, and Bayes' rule
carries that belief along the trajectory. What is believed has to be shown: a frame unlike any
recorded one says nothing, one that fits many places says little, and what all runs show is not
passed by not seeing it.
"""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
import torch
import torch.nn.functional as F

from models.blocks import FRAME_SHAPE, pooled_grey
from models.checkpoint import fitting, load_checkpoint, save_checkpoint

KIND = "reward_path"

#: Frames, evenly over the path, that a lost belief is compared with.
LANDMARKS = 2048
#: Weights of moving 1 to 5 bins in a step, the same to either side: no drift, so waiting pays
#: nothing.
JUMPS = (0.15, 0.05, 0.02, 0.008, 0.004)
#: Steps of goals ahead, in different frames of a run.
GOALS = (1, 3)
#: What is saved of a path, beside its pictures.
TENSORS = ("bank", "bins", "next_row", "frames_left", "shared")


@dataclass(frozen=True)
class PathConfig:
    """How frames are compared (distances: mean squares of grey) and how a belief moves."""

    bandwidth: float
    """distance at which a kernel falls to 1/e; frames closer than that are the same picture"""
    pace: float
    """bins a step that the runs go where they are fast"""
    pool: int = 16
    """side in pixels of the squares that a thumbnail averages: 144x160 becomes 9x10 grey"""
    outlier: float = 0.05
    """likelihood of a frame anywhere, relative to an exact match: bounds what one frame can say"""
    walk: float = 0.5
    """probability of moving at a step that shows where one is"""
    window: int = 33
    """bins that a belief extends over and a frame is compared with"""
    focus: float = 3.0
    """bins that a frame may fit and still say all that it can; one that fits more says less"""
    missed: int = 2
    """shared moments in a row that may be passed without being seen"""
    reach: float = 2.0
    """times the recorded pace that a place may lie ahead of the last sure one"""
    lost_after: int = 3
    """unsure steps after which a place is looked for elsewhere"""
    elsewhere: int = 16
    """shared moments to be shown, each further than the last, before a place beyond what may be
    passed is believed"""


def thumbnails(frames: torch.Tensor, pool: int) -> torch.Tensor:
    """Return what frames (B, 144, 160, 3) uint8 are compared by: (B, dims) float32.

    Mean greys of squares of `pool` pixels, scaled so that a squared distance is a mean square.
    Finer squares follow runs no better (benchmarks/path_held_out.py), and cost more.
    """
    squares = pooled_grey(frames, pool).flatten(1)
    return squares / math.sqrt(squares.shape[1])


class PathModel:
    """The bank, its bins, and what the runs show next.

    Rows are in order of bins. All index tensors are int64.
    """

    def __init__(
        self,
        config: PathConfig,
        bank: torch.Tensor,
        bins: torch.Tensor,
        next_row: torch.Tensor,
        frames_left: torch.Tensor,
        shared: torch.Tensor,
        pictures: "Pictures",
    ):
        """bank: (M, dims) thumbnails; bins, next_row, frames_left: (M,); shared: (bins,).

        `next_row` is the row of the run's next different frame (itself at the run's end),
        `frames_left` how many follow until its end; `shared` says which moments all runs show.
        """
        self.config, self.pictures = config, pictures
        self.bank, self.bins, self.shared = bank, bins, shared
        self.next_row, self.frames_left = next_row, frames_left
        self.num_bins = len(shared)
        self.window = min(config.window, self.num_bins)
        edges = torch.arange(self.num_bins + 1, device=bins.device)
        self.first_row = torch.searchsorted(bins, edges)  # (bins + 1,)
        counts = self.first_row[self.window :] - self.first_row[: -self.window]
        self.window_rows = int(counts.max())
        self._bank_squared = bank.square().sum(dim=1)
        self.landmarks = torch.linspace(
            0, len(bank) - 1, min(LANDMARKS, len(bank)), device=bins.device
        ).long()
        self.limit = self._limits()
        self.kernel = torch.tensor([*JUMPS[::-1], 0.0, *JUMPS], device=bank.device)
        self.kernel = (self.kernel / self.kernel.sum())[None, None]

    def _limits(self) -> torch.Tensor:
        """Return how far a belief may go once a bin is confirmed, (bins,)."""
        shared = self.shared.nonzero()[:, 0]
        after = torch.searchsorted(shared, torch.arange(self.num_bins).to(shared), right=True)
        last = torch.full((self.config.missed + 1,), self.num_bins - 1).to(shared)
        return torch.cat([shared, last])[after + self.config.missed]

    def thumbnails(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the thumbnails of frames (B, 144, 160, 3) uint8: (B, dims) float32."""
        return thumbnails(frames, self.config.pool)

    def compare(self, x: torch.Tensor, start: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compare thumbnails (B, dims) with the bins from `start` (B,) on.

        Returns the distance of each row of the window, (B, window_rows), infinite past its end, and
        of each bin, (B, window): its nearest row.
        """
        rows = self.first_row[start][:, None] + torch.arange(self.window_rows).to(start)
        inside = rows < self.first_row[start + self.window][:, None]
        rows = rows.clamp(max=len(self.bank) - 1)
        dots = torch.bmm(self.bank[rows], x[:, :, None])[..., 0]
        squared = x.square().sum(dim=1, keepdim=True)
        distance = (squared + self._bank_squared[rows] - 2 * dots).clamp_min(0)
        distance = distance.masked_fill(~inside, torch.inf)
        place = (self.bins[rows] - start[:, None]).clamp(0, self.window - 1)
        near = distance.new_full((len(x), self.window), torch.inf)
        return distance, near.scatter_reduce_(1, place, distance, "amin")

    def everywhere(self, x: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """Return the distances of thumbnails (B, dims) to all rows, or to `rows`."""
        bank, squared = self.bank, self._bank_squared
        if rows is not None:
            bank, squared = bank[rows], squared[rows]
        return (x.square().sum(dim=1, keepdim=True) + squared - 2 * x @ bank.T).clamp_min(0)

    def likelihood(self, near: torch.Tensor) -> torch.Tensor:
        """Return how likely a frame is in each bin, up to a factor, from the bins' distances."""
        return torch.exp(-near / self.config.bandwidth) + self.config.outlier

    def speaks(self, likelihood: torch.Tensor) -> torch.Tensor:
        """Return how much frames of likelihoods (B, window) say about the place, (B, 1) in [0, 1].

        exp(entropy) is how many bins a frame fits. A battle's menu looks alike all game long: were
        it taken at its word, moving its cursor for ever would move the belief.
        """
        fit = (likelihood - self.config.outlier).clamp_min(1e-6)
        fit = fit / fit.sum(dim=1, keepdim=True)
        bins_fit = torch.exp(-(fit * fit.log()).sum(dim=1, keepdim=True))
        return (self.config.focus / bins_fit).clamp(max=1).square()

    def update(self, belief: torch.Tensor, likelihood: torch.Tensor) -> torch.Tensor:
        """Move a belief (B, window) by one step and weigh it by a likelihood (B, window).

        The less a frame resembles any recorded one, and the more bins it fits, the less it moves.
        What moves out of the window is lost. Not normalised.
        """
        speaks = self.speaks(likelihood)
        familiar = 1 - self.config.outlier / likelihood.amax(dim=1, keepdim=True)
        walk = self.config.walk * familiar * speaks
        side = self.kernel.shape[-1] // 2
        moved = F.conv1d(F.pad(belief[:, None], (side, side)), self.kernel)[:, 0]
        return ((1 - walk) * belief + walk * moved) * likelihood**speaks

    def guide(self, distance: torch.Tensor, start: torch.Tensor, place: torch.Tensor):
        """Return rows that show what comes next, (B, goals), at a `place` (B,) of the path.

        Of the window's rows near the place, those that are about as near to the present frame as
        the nearest; of these the one with the fewest frames left; from it on, what its run showed.
        """
        rows = self.first_row[start][:, None] + torch.arange(self.window_rows).to(start)
        rows = rows.clamp(max=len(self.bank) - 1)
        far = (self.bins[rows] - place[:, None]).abs() > 10
        distance = distance.masked_fill(far, torch.inf)
        close = distance <= distance.amin(dim=1, keepdim=True) + 0.35 * self.config.bandwidth
        cost = torch.where(close & ~far, self.frames_left[rows], torch.iinfo(torch.int64).max)
        row = rows.gather(1, cost.argmin(dim=1, keepdim=True))[:, 0]
        goals, steps = [], 0
        for goal in GOALS:
            while steps < goal:
                row, steps = self.next_row[row], steps + 1
            goals.append(row)
        return torch.stack(goals, dim=1)


class Pictures:
    """The bank's frames, each compressed: for the encoder, and to be looked at."""

    def __init__(self, data: torch.Tensor, ends: torch.Tensor):
        """data: (bytes,) uint8; ends: (M,) where each frame's bytes end."""
        self.data, self.ends = data, ends

    @classmethod
    def pack(cls, frames: Iterator[np.ndarray]) -> "Pictures":
        """Compress frames, each (144, 160, 3) uint8."""
        # Plane by plane: those of a grey frame are the same, and near enough for zlib to see it.
        planes = (np.ascontiguousarray(frame.transpose(2, 0, 1)) for frame in frames)
        packed = [zlib.compress(frame, 3) for frame in planes]  # 6: a quarter less, thrice the time
        data = torch.frombuffer(bytearray(b"".join(packed)), dtype=torch.uint8)
        return cls(data, torch.tensor([len(piece) for piece in packed]).cumsum(0))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: int) -> np.ndarray:
        """Return a frame, (144, 160, 3) uint8."""
        begin = int(self.ends[row - 1]) if row else 0
        piece = self.data[begin : int(self.ends[row])].numpy()
        planes = np.frombuffer(zlib.decompress(piece), dtype=np.uint8)
        height, width, channels = FRAME_SHAPE
        return planes.reshape(channels, height, width).transpose(1, 2, 0)


def save_path(file: FilePath | str, path: PathModel) -> None:
    """Write a path as an artefact."""
    tensors = {name: getattr(path, name) for name in TENSORS}
    tensors |= {"pictures": path.pictures.data, "picture_ends": path.pictures.ends}
    state = {name: tensor.cpu() for name, tensor in tensors.items()}
    save_checkpoint(file, KIND, path.config, state)


def load_path(file: FilePath | str, device: torch.device | str = "cpu") -> PathModel:
    """Read a path artefact. Raises ArtefactError, which names the command that makes it."""
    checkpoint = load_checkpoint(file, KIND)
    with fitting(file, KIND):
        config, state = PathConfig(**checkpoint["config"]), checkpoint["state_dict"]
        bins, next_row, shared = state["bins"], state["next_row"], state["shared"]
        if (bins.diff() < 0).any() or not 0 <= int(bins[0]) <= int(bins[-1]) < len(shared):
            raise ValueError("its bins are out of order")
        if not 0 <= int(next_row.min()) <= int(next_row.max()) < len(bins):
            raise ValueError("it leads to rows that are not there")
        if state["bank"].shape[1] * config.pool**2 != FRAME_SHAPE[0] * FRAME_SHAPE[1]:
            raise ValueError("its frames are not of the size that it says")
        pictures = Pictures(state["pictures"], state["picture_ends"])
        return PathModel(config, *(state[name].to(device) for name in TENSORS), pictures)
