"""The path through the recorded runs: where along them a trajectory is, and what they show next.

Nothing is trained. One run, the reference, is cut into bins: its moments, each different from the
one before. The others are aligned with it, and all frames are kept as the bank, each with its bin.
A new frame is compared with frames of all the path, and Bayes' rule carries a belief of where it is
along the trajectory. What is believed has to be shown: a frame unlike any
recorded one says nothing, one that fits many places says little, and what all runs show is not
passed by not seeing it.
"""

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
import torch
import torch.nn.functional as F

from models.blocks import FRAME_SHAPE, pooled_grey
from models.checkpoint import fitting, load_checkpoint, save_checkpoint

KIND = "reward_path"

#: Cells, each of one bin or some, that a belief is about, and frames, evenly over the path, that it
#: is compared with, at most: what a step costs is bounded by them, however long the runs are.
CELLS, LANDMARKS = 2048, 8192
#: Weights of moving 1 to 9 cells on in a step; of moving back, a tenth of it, or a way back along
#: the way out would be taken for the way out undone.
JUMPS = tuple(0.75**bins for bins in range(9))
BACK = 0.1
#: Bins to either side of a place whose frames can say what comes next, and bandwidths within which
#: one has to be near the present frame.
GUIDE_BINS, KNOWN = 10, 4.0
#: Steps of goals ahead, in different frames of a run.
GOALS = (1, 3)
#: What is saved of a path, beside its pictures.
TENSORS = ("bank", "bins", "says", "next_row", "frames_left", "shared")


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
    walk: float = 0.7
    """probability of moving at a step that shows where one is"""
    ahead: float = 1e-2
    """probability of a leap ahead, at such a step"""
    leap: int = 96
    """cells that a leap leads ahead at most"""
    behind: float = 1e-5
    """probability of a leap back, anywhere"""
    missed: int = 2
    """shared moments in a row that may be passed without being seen: what the runs do, or two"""
    reach: float = 2.0
    """times the recorded pace that a place may lie ahead of the last sure one"""
    elsewhere: int = 16
    """shared moments to be shown, each further than the last, before a place beyond what may be
    passed counts"""
    lost_after: int = 3
    """unsure steps after which a place counts as lost"""


def distances(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the squared distances of x (A, dims) to y (B, dims): (A, B)."""
    squared = x.square().sum(dim=1, keepdim=True) + y.square().sum(dim=1)
    return (squared - 2 * x @ y.T).clamp_min(0)


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
        says: torch.Tensor,
        next_row: torch.Tensor,
        frames_left: torch.Tensor,
        shared: torch.Tensor,
        pictures: "Pictures",
    ):
        """bank: (M, dims) thumbnails; bins, says, next_row, frames_left: (M,); shared: (bins,).

        `says` is how much a frame says about the place, in (0, 1] (models/alignment.py),
        `next_row` the row of the run's next different frame (itself at the run's end),
        `frames_left` how many follow until its end; `shared` says which moments all runs show.
        """
        self.config, self.pictures = config, pictures
        self.bank, self.bins, self.says, self.shared = bank, bins, says, shared
        self.next_row, self.frames_left = next_row, frames_left
        self.num_bins = len(shared)
        self.bins_a_cell = -(-self.num_bins // CELLS)
        self.num_cells = -(-self.num_bins // self.bins_a_cell)
        every = torch.linspace(0, len(bank) - 1, min(LANDMARKS, len(bank))).long().to(bins)
        self.landmarks, self._landmark_says = bank[every], says[every]
        self._landmark_cells = bins[every] // self.bins_a_cell
        edges = torch.arange(self.num_bins + 1, device=bins.device)
        self.first_row = torch.searchsorted(bins, edges)  # (bins + 1,)
        self.shared_cells = torch.zeros(self.num_cells, dtype=torch.bool, device=bins.device)
        self.shared_cells[shared.nonzero()[:, 0] // self.bins_a_cell] = True
        self.pace = max(1.0, config.pace / self.bins_a_cell)  # in cells
        self.limit = self.limits(config.missed)
        # A convolution turns its kernel round: what moves on comes from the bins before.
        kernel = torch.tensor([*JUMPS[::-1], 0.0, *(BACK * jump for jump in JUMPS)])
        self.kernel = (kernel / kernel.sum()).to(bank)[None, None]

    def changed(self, config: PathConfig | None = None, **tensors: torch.Tensor) -> "PathModel":
        """Return a copy with another config, or other tensors (TENSORS)."""
        kept = [tensors.get(name, getattr(self, name)) for name in TENSORS]
        return PathModel(config or self.config, *kept, self.pictures)

    def limits(self, missed: int) -> torch.Tensor:
        """Return how far a belief counts once a cell is confirmed, (cells,).

        `missed` is how many shared moments in a row may be passed unseen.
        """
        shared = self.shared_cells.nonzero()[:, 0]
        after = torch.searchsorted(shared, torch.arange(self.num_cells).to(shared), right=True)
        last = torch.full((missed + 1,), self.num_cells - 1).to(shared)
        return torch.cat([shared, last])[after + missed]

    def thumbnails(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the thumbnails of frames (B, 144, 160, 3) uint8: (B, dims) float32."""
        return thumbnails(frames, self.config.pool)

    def compare(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compare thumbnails (B, dims) with the landmarks.

        Returns the distance to each cell, (B, cells): to its nearest landmark; and how much the
        frames say about the place, (B, 1): what the landmarks do that look like them.
        """
        distance = distances(x, self.landmarks)
        near = distance.new_full((len(x), self.num_cells), torch.inf)
        near.scatter_reduce_(1, self._landmark_cells.expand(len(x), -1), distance, "amin")
        # (1 - d/4)^4 is nearly exp(-d), and quicker.
        kernel = (1 - distance / (4 * self.config.bandwidth)).clamp_min(0).square().square()
        says = kernel @ self._landmark_says / kernel.sum(dim=1).clamp_min(1e-9)
        return near, says[:, None]

    def everywhere(self, x: torch.Tensor) -> torch.Tensor:
        """Return the distances of thumbnails (B, dims) to all rows, (B, M)."""
        return distances(x, self.bank)

    def update(
        self, belief: torch.Tensor, near: torch.Tensor, says: torch.Tensor, allowed: torch.Tensor
    ) -> torch.Tensor:
        """Move a belief (B, cells) by one step, and weigh it by what is seen (`compare`).

        The less a frame resembles any recorded one, and the less it says, the less it moves; and it
        leaps only to what it resembles. Beyond `allowed` (B,), a cell, nothing is believed. Not
        normalised.
        """
        config, cells = self.config, torch.arange(self.num_cells).to(allowed)
        peak, within = belief.argmax(dim=1, keepdim=True), cells <= allowed[:, None]
        likelihood = torch.exp(-near / config.bandwidth) * within + config.outlier
        known = says * (1 - config.outlier / likelihood)
        side = self.kernel.shape[-1] // 2
        moved = F.conv1d(F.pad(belief[:, None], (side, side)), self.kernel)[:, 0]
        updated = belief + config.walk * known.amax(dim=1, keepdim=True) * (moved - belief)
        ahead = (cells > peak) & (cells <= peak + config.leap) & within
        for share, where in ((config.ahead, ahead), (config.behind, cells < peak)):
            share = share / where.sum(dim=1, keepdim=True).clamp_min(1)
            updated = updated + share * where * known
        return updated * within * likelihood**says

    def guide(self, x: torch.Tensor, place: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return rows that show what comes next, (B, goals), at a cell `place` (B,) of the path.

        Of the rows near the place, those that are about as near to the present frame, thumbnails
        (B, dims), as the nearest; of these the one with the fewest frames left; from it on, what
        its run showed. Returns too whether the nearest is near enough to say so, (B,).
        """
        first = (place * self.bins_a_cell - GUIDE_BINS).clamp(0)
        last = ((place + 1) * self.bins_a_cell + GUIDE_BINS).clamp(max=self.num_bins)
        begin, end = self.first_row[first], self.first_row[last]
        rows = begin[:, None] + torch.arange(int((end - begin).max())).to(begin)
        far = rows >= end[:, None]
        rows = rows.clamp(max=len(self.bank) - 1)
        distance = (self.bank[rows] - x[:, None]).square().sum(dim=2).masked_fill(far, torch.inf)
        nearest = distance.amin(dim=1, keepdim=True)
        close = distance <= nearest + 0.35 * self.config.bandwidth
        cost = torch.where(close & ~far, self.frames_left[rows], torch.iinfo(torch.int64).max)
        row = rows.gather(1, cost.argmin(dim=1, keepdim=True))[:, 0]
        goals, steps = [], 0
        for goal in GOALS:
            while steps < goal:
                row, steps = self.next_row[row], steps + 1
            goals.append(row)
        return torch.stack(goals, dim=1), nearest[:, 0] < KNOWN * self.config.bandwidth


class Pictures:
    """The bank's frames, each compressed: for the encoder, and to be looked at."""

    def __init__(self, data: torch.Tensor, ends: torch.Tensor):
        """data: (bytes,) uint8; ends: (M,) where each frame's bytes end."""
        self.data, self.ends = data, ends

    @classmethod
    def pack(cls, frames: Iterable[np.ndarray]) -> "Pictures":
        """Compress frames, each (144, 160, 3) uint8."""
        # Plane by plane: those of a grey frame are the same, and near enough for zlib to see it.
        planes = (np.ascontiguousarray(frame.transpose(2, 0, 1)) for frame in frames)
        packed = [zlib.compress(frame, 3) for frame in planes]  # 6: a quarter less, thrice the time
        data = torch.tensor(bytearray(b"".join(packed)), dtype=torch.uint8)
        return cls(data, torch.tensor([len(piece) for piece in packed]).long().cumsum(0))

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
