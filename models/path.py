"""The path through the recorded runs: where along them a trajectory is, and what they show next.

Nothing is trained. One run, the reference, is cut into bins: its moments, each different from the
one before. The others are aligned with it, and all frames are kept as the bank, each with its bin.
A new frame is compared with frames of all the path, and Bayes' rule carries a belief of where it is
along the trajectory. What is believed has to be shown: a frame unlike any recorded one says
nothing, one that its run shows often says little, a move counts as far as the frame fits where it
leads, and what runs do not pass unseen is not passed by not seeing it.
"""

import math
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path as FilePath

import numpy as np
import torch
import torch.nn.functional as F

from models.blocks import FRAME_SHAPE, pooled_grey
from models.checkpoint import fitting, load_checkpoint, save_checkpoint

KIND = "reward_path"

#: Cells, each of one bin or some, that a belief is about, at most; frames that are compared with,
#: at most, or if that is more, as many of each cell: what a step costs is bounded by them.
CELLS, LANDMARKS, LANDMARKS_A_CELL = 2048, 8192, 8
#: Weights of moving 1 to 5 cells on in a step; of moving back, an eighth of it, or a way back
#: along the way out would be taken for the way out undone.
JUMPS = (1.0, 0.5, 0.25, 0.125, 0.0625)
BACK = 0.125
#: Bins to either side of a place where runs are looked for to be followed; bandwidths within which
#: a frame of theirs is near; and within which others are about as near as the nearest.
GUIDE_BINS, KNOWN, CLOSE = 10, 4.0, 0.35
#: Share of a picture's squares that may be others where somebody walks about: of 90, four.
ELSEWHERE = 0.05
#: Bins before the last text that was told to which a belief goes back as readily as ever.
EARLIER = 32
#: Less than this says nothing of the place: a picture that its run shows four times or more.
TELLING = 0.1
#: Distance below which two texts are the same.
SAME_TEXT = 2e-4
#: In every dimension of no picture, such as what was seen before anything was: far from any frame.
NOWHERE = 1e3
#: Steps of goals ahead, in different frames of a run.
GOALS = (1, 3)
#: What is saved of a path, beside its pictures.
TENSORS = (
    "bank",
    "bins",
    "says",
    "texts",
    "common",
    "limit",
    "told_limit",
    "shows",
    "following",
    "left",
)


@dataclass(frozen=True)
class PathConfig:
    """How frames are compared (distances: mean squares of grey) and how a belief moves."""

    bandwidth: float
    """distance at which a kernel falls to 1/e; frames closer than that are the same picture"""
    pace: float
    """bins a step that the runs go where they are fast"""
    pool: int = 16
    """side in pixels of the squares that a thumbnail averages: 144x160 becomes 9x10 grey"""
    outlier: float = 0.005
    """likelihood of a frame anywhere, relative to an exact match: bounds what one frame can say"""
    walk: float = 0.9
    """probability of moving in a step"""
    ahead: float = 1e-2
    """probability of a leap ahead, when the frame is not what was expected"""
    leap: int = 80
    """bins that a leap leads ahead at most, or as many as runs go in the time since a further place
    was proved, up to an untold text"""
    behind: float = 1e-5
    """probability of a leap back, anywhere, likewise"""
    undone: float = 1e-20
    """of one to well before what was told last"""
    missed: int = 1
    """bins in a row that may be passed unseen, beyond as many as runs pass"""
    reach: float = 2.0
    """times the recorded pace that a place may lie ahead of the last sure one"""
    unshown: int = 4
    """moments to be shown beyond what may be passed unseen, each further than the last, before a
    place there counts"""
    untold: int = 12
    """how many well beyond what may be passed untold"""
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


def text_part(x: torch.Tensor) -> torch.Tensor:
    """Return the lower third of thumbnails (B, dims), where games print text, to be compared."""
    return math.sqrt(3) * x[:, -(x.shape[1] // 3) :]


def text_distances(x: torch.Tensor, y: torch.Tensor, bandwidth: float) -> torch.Tensor:
    """Return how far texts x (A, dims) are from y (B, dims), (A, B): less than the bandwidth of
    pictures, if they are the same."""
    return distances(x, y) * max(1.0, bandwidth / SAME_TEXT)


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
        texts: torch.Tensor,
        common: torch.Tensor,
        limit: torch.Tensor,
        told_limit: torch.Tensor,
        shows: torch.Tensor,
        following: torch.Tensor,
        left: torch.Tensor,
        pictures: "Pictures",
    ):
        """bank: (M, dims) thumbnails; then (M,) up to `common`, (bins,) the limits, (moments,).

        `says` is how much a frame says about the place, in (0, 1], and `texts` its text by itself,
        in [0, 1] (models/alignment.py); `common` ones are shown by more than one run, and prove
        that a trajectory has come there; `limit` is the bin up to which a belief counts once a bin
        was shown, `told_limit` the same once its text was. The moments of all runs, in order of
        bins: the row that each `shows`, the moment `following` in its run (itself at the end), how
        many are `left`.
        """
        self.config, self.pictures = config, pictures
        self.bank, self.bins, self.common, self.limit = bank, bins, common, limit
        self.says, self.texts, self.told_limit = says, texts, told_limit
        self.shows, self.following, self.left = shows, following, left
        self.num_bins = len(limit)
        self.bins_a_cell = -(-self.num_bins // CELLS)
        self.num_cells = -(-self.num_bins // self.bins_a_cell)
        rows = self._choose_landmarks()
        self.landmarks, self._landmark_says = bank[rows], says[rows]
        self.landmarks[rows < 0] = NOWHERE
        self._of_one_run = torch.where(common[rows], 0.0, torch.inf).to(bank)
        rows = (texts > TELLING).nonzero()[:, 0]
        self._texts, self._text_says = text_part(bank[rows]), texts[rows]
        self.tells = len(rows) > 0
        self._text_cells = (bins[rows] // self.bins_a_cell)[None]
        self._text_of_one_run = torch.where(common[rows], 0.0, torch.inf).to(bank)
        self._landmarks_squared = self.landmarks.square().sum(dim=2).flatten()
        edges = torch.arange(self.num_bins + 1, device=bins.device)
        self._first_moment = torch.searchsorted(bins[shows], edges)  # (bins + 1,)
        begins = bins[shows] <= GUIDE_BINS
        begins[following[following != torch.arange(len(shows)).to(shows)]] = False
        begins &= bins[shows] == bins[shows[begins.nonzero()[0, 0]]]  # the first of them
        self.start = int(left.masked_fill(~begins, torch.iinfo(torch.int64).max).argmin())
        cells = torch.arange(self.num_bins, device=bins.device) // self.bins_a_cell
        self.cell_limit, self.cell_told_limit = (
            cells.new_zeros(self.num_cells).scatter_reduce(0, cells, last, "amax")
            for last in (limit // self.bins_a_cell, told_limit // self.bins_a_cell)
        )
        # The first cell whose text lets so much be passed untold, less some: by cell up to which.
        teller = torch.searchsorted(self.cell_told_limit.cummax(dim=0).values, cells.unique())
        self.earliest = (teller - EARLIER // self.bins_a_cell).clamp_min(0) * self.tells
        self.pace = config.pace / self.bins_a_cell  # in cells, as the next
        self.leap = max(1, config.leap // self.bins_a_cell)
        # A convolution turns its kernel round: what moves on comes from the bins before.
        kernel = torch.tensor([*JUMPS[::-1], 0.0, *(BACK * jump for jump in JUMPS)])
        self.kernel = (kernel / kernel.sum()).to(bank)[None, None]

    def changed(self, config: PathConfig | None = None, **tensors: torch.Tensor) -> "PathModel":
        """Return a copy with another config, or other tensors (TENSORS)."""
        kept = [tensors.get(name, getattr(self, name)) for name in TENSORS]
        return PathModel(config or self.config, *kept, self.pictures)

    def thumbnails(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the thumbnails of frames (B, 144, 160, 3) uint8: (B, dims) float32."""
        return thumbnails(frames, self.config.pool)

    def _choose_landmarks(self) -> torch.Tensor:
        """Return the rows that frames are compared with, (some, cells), as many of each cell.

        Of a cell that has more, the one that says most, then again and again the one that is least
        like those before; of one that has less, -1 for the others.
        """
        cells = self.bins // self.bins_a_cell
        edges = torch.searchsorted(cells, torch.arange(self.num_cells + 1).to(cells)).tolist()
        most = max(last - first for first, last in pairwise(edges))
        most = min(most, max(LANDMARKS // self.num_cells, LANDMARKS_A_CELL))
        chosen = torch.full((most, self.num_cells), -1)
        for cell, (first, last) in enumerate(pairwise(edges)):
            bank, apart = self.bank[first:last], torch.full((last - first,), torch.inf)
            for some in range(min(last - first, most)):
                row = int(apart.argmax() if some else self.says[first:last].argmax())
                chosen[some, cell] = first + row
                apart = torch.minimum(apart, (bank - bank[row]).square().sum(dim=1).cpu())
        return chosen.to(self.bins)

    def compare(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Compare thumbnails (B, dims) with the landmarks, and their texts with those that tell.

        Returns the distance to each cell, (B, cells): to what is nearest of it; to the picture that
        is; likewise to what is common, and to its common texts, or pictures, if no text tells; and
        how much the frames say about the place, (B, 1): what the landmark most like them does, or
        the same text, whatever picture it stands under.
        """
        landmarks = self.landmarks.flatten(0, 1)
        distance = torch.addmm(self._landmarks_squared, x, landmarks.T, alpha=-2)
        distance = distance.view(len(x), -1, self.num_cells)
        near = distance.amin(dim=1)
        cell = near.argmin(dim=1)
        which = distance[torch.arange(len(x)), :, cell].argmin(dim=1)
        common = (distance + self._of_one_run).amin(dim=1)
        near, common = (
            (part + x.square().sum(dim=1, keepdim=True)).clamp_min(0) for part in (near, common)
        )
        apart = text_distances(text_part(x), self._texts, self.config.bandwidth)
        cells = self._text_cells.expand(len(x), -1)
        pictures, near = near, near.scatter_reduce(1, cells, apart, "amin")
        texts = torch.full_like(near, torch.inf)
        texts.scatter_reduce_(1, cells, apart + self._text_of_one_run, "amin")
        common = torch.minimum(common, texts)
        texts = texts if self.tells else common
        told = (apart < self.config.bandwidth) * self._text_says
        says = torch.cat([self._landmark_says[which, cell][:, None], told], dim=1)
        return near, pictures, common, texts, says.amax(dim=1, keepdim=True)

    def everywhere(self, x: torch.Tensor) -> torch.Tensor:
        """Return the distances of thumbnails (B, dims) to all rows, (B, M)."""
        return distances(x, self.bank)

    def update(
        self,
        belief: torch.Tensor,
        near: torch.Tensor,
        says: torch.Tensor,
        since: torch.Tensor,
        told: torch.Tensor,
    ) -> torch.Tensor:
        """Move a belief (B, cells) by one step, and weigh it by what is seen (`compare`).

        A move is believed as far as the frame resembles what is recorded where it leads: off the
        recorded ways, or before what fits elsewhere only, the belief stays. It leaps the less, the
        more the frame is what was expected, and as far as runs go in the new pictures `since` one
        proved a further place, (B,): some battle shows next to nothing that another run does; but
        what may be passed untold, up to cell `told` (B,), it does not pass by more than `leap`:
        houses of other towns look the same. To well before the text by which so much may be passed
        it goes back by a leap alone, and a dozen frames have to say so: a room that is entered
        again looks as it did, and only a defeat leads so far back. Returned normalised.
        """
        config, cells = self.config, torch.arange(self.num_cells, device=near.device)
        peak = belief.argmax(dim=1, keepdim=True)
        fits = torch.exp(-near / config.bandwidth)
        anywhere = config.outlier**says
        shown = ((fits + config.outlier) ** says - anywhere).clamp_min(0)
        side = self.kernel.shape[-1] // 2
        since_told = cells >= self.earliest[told][:, None]
        parts = torch.stack([belief * since_told, belief * ~since_told]).flatten(0, 1)
        moved = F.conv1d(F.pad(parts[:, None], (side, side)), self.kernel)[:, 0]
        moved = moved[: len(belief)] * since_told + moved[len(belief) :]
        stayed, moved = (1 - config.walk) * belief, config.walk * moved
        unexpected = (1 - ((stayed + moved) * fits).sum(dim=1, keepdim=True)).clamp_min(0)
        leap = (self.pace * since[:, None]).minimum(told[:, None] - peak).clamp_min(self.leap)
        ahead = (cells > peak) & (cells <= peak + leap)
        leaps = config.ahead / leap * ahead
        behind = torch.where(since_told, config.behind, config.undone)
        leaps = leaps + behind / peak.clamp_min(1) * (cells < peak)
        updated = (stayed + moved + unexpected * leaps) * shown + anywhere * belief
        return updated / updated.sum(dim=1, keepdim=True)

    def watch(
        self, x: torch.Tensor, at: torch.Tensor, was: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Go on along the runs that trajectories follow, at moments `at` (B,), to what they show.

        x: (B, dims) thumbnails. Of the moments up to the last goal the first that looks like the
        frame, or the last in a row from there that do: what is on the screen already, as before
        and after a battle that is no goal, is nothing to lead to. If none does, the run waits. It
        does so, too, at what it showed before, `was` (B,): a text box that closes is no way back.
        Returns the moments, and whether one of them looks like the frame, both (B,).
        """
        ahead = [at]
        for _ in range(GOALS[-1]):
            ahead.append(self.following[ahead[-1]])
        ahead = torch.stack([*ahead, was], dim=1)
        apart = (self.bank[self.shows[ahead]] - x[:, None]).square().sum(dim=2)
        alike = apart < self.config.bandwidth
        ahead[:, -1] = at
        first = alike.int().argmax(dim=1, keepdim=True)  # the moment itself, if none is
        alike = F.pad(alike[:, :-1], (0, 2))  # it goes on from `was` no further
        after = alike.gather(
            1, (first + 1 + torch.arange(GOALS[-1]).to(at)).clamp(max=GOALS[-1] + 1)
        )
        last = first + after.cumprod(dim=1).sum(dim=1, keepdim=True)
        return ahead.gather(1, last)[:, 0], apart.amin(dim=1) < self.config.bandwidth

    def choose_run(
        self, x: torch.Tensor, place: torch.Tensor, up_to: torch.Tensor, at: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the moment (B,) of a run to follow from a cell `place` (B,) on.

        Of those near the place, in bins up to `up_to` (B,), that are about as near to the present
        frame, thumbnails (B, dims), as the nearest, the one with the fewest left. Where none is
        near enough to say so, some squares may be others, as where people walk about. If even so
        none is the same picture, the nearest itself, such as one of the same room, or, if it is not
        much nearer than the present moment `at` (B,), that one. Returns, too, whether it is near
        enough, (B,).
        """
        first = (place * self.bins_a_cell - GUIDE_BINS).clamp(0)
        last = ((place + 1) * self.bins_a_cell + GUIDE_BINS).minimum(up_to + 1)
        last = last.clamp(max=self.num_bins).maximum(first)
        begin, end = self._first_moment[first], self._first_moment[last]
        moments = begin[:, None] + torch.arange(max(1, int((end - begin).max()))).to(begin)
        far = moments >= end[:, None]
        moments = moments.clamp(max=len(self.shows) - 1)
        squares = (self.bank[self.shows[moments]] - x[:, None]).square()
        distance = squares.sum(dim=2).masked_fill(far, torch.inf)
        is_near = distance.amin(dim=1, keepdim=True) < KNOWN * self.config.bandwidth
        others = int(ELSEWHERE * squares.shape[2])
        # What the greatest squares are at most is sooner known than which they are.
        maybe = distance - others * squares.amax(dim=2) < (1 + CLOSE) * self.config.bandwidth
        maybe &= ~is_near
        if maybe.any():
            rest = torch.full_like(distance, torch.inf)
            rest[maybe] = distance[maybe] - squares[maybe].topk(others).values.sum(dim=1)
            same = rest.amin(dim=1, keepdim=True) < self.config.bandwidth
            distance = torch.where(same, rest, distance)
            is_near = is_near | same
        nearest, first = distance.min(dim=1, keepdim=True)
        close = distance <= nearest + CLOSE * self.config.bandwidth
        cost = torch.where(close & ~far, self.left[moments], torch.iinfo(torch.int64).max)
        chosen = torch.where(is_near, cost.argmin(dim=1, keepdim=True), first)
        away = (self.bank[self.shows[at]] - x).square().sum(dim=1, keepdim=True)
        chosen = moments.gather(1, chosen).where(is_near | (nearest < away / 2), at[:, None])
        return chosen[:, 0], is_near[:, 0]

    def goals(self, at: torch.Tensor, off: torch.Tensor) -> torch.Tensor:
        """Return rows that show what comes after moments `at` (B,), (B, goals).

        Of trajectories that are `off` (B,) the run the first is the moment itself: back to it.
        """
        goals, steps = [], 0
        back = at
        for goal in GOALS:
            while steps < goal:
                at, steps = self.following[at], steps + 1
            goals.append(self.shows[at])
        goals = torch.stack(goals, dim=1)
        onward = torch.cat([self.shows[back][:, None], goals[:, :-1]], dim=1)
        return torch.where(off[:, None], onward, goals)


class Pictures:
    """The bank's frames, each compressed: for the encoder, and to be looked at."""

    def __init__(self, data: torch.Tensor, ends: torch.Tensor):
        """data: (bytes,) uint8; ends: (M,) where each frame's bytes end."""
        self.data, self.ends = data, ends

    @classmethod
    def pack(cls, frames: Iterable[np.ndarray]) -> "Pictures":
        """Compress frames, each (144, 160, 3) uint8."""
        # Plane by plane: those of a grey frame are the same, and near enough for zlib to see it.

        def pack_one(frame: np.ndarray) -> bytes:
            planes = np.ascontiguousarray(frame.transpose(2, 0, 1))
            return zlib.compress(planes, 3)  # 6: a quarter less, thrice the time

        data, ends, frames = bytearray(), [], iter(frames)
        with ThreadPoolExecutor() as pool:
            while some := list(islice(frames, 64)):
                for piece in pool.map(pack_one, some):
                    data += piece
                    ends.append(len(data))
        return cls(torch.from_numpy(np.frombuffer(data, dtype=np.uint8)), torch.tensor(ends).long())

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
        bins, limit, told_limit = (state[name] for name in ("bins", "limit", "told_limit"))
        ends, shows, dims = state["picture_ends"], state["shows"], FRAME_SHAPE[0] * FRAME_SHAPE[1]
        if (bins.diff() < 0).any() or not 0 <= int(bins[0]) <= int(bins[-1]) < len(limit):
            raise ValueError("its bins are out of order")
        for name, count in (("shows", len(bins)), ("following", len(shows))):
            if not 0 <= int(state[name].min()) <= int(state[name].max()) < count:
                raise ValueError("it leads to moments that are not there")
        for last in (limit, told_limit):
            if not 0 <= int(last.min()) <= int(last.max()) < len(limit):
                raise ValueError("what it counts lies beyond its end")
        if (bins[shows].diff() < 0).any():
            raise ValueError("its moments are out of order")
        if state["bank"].shape[1] * config.pool**2 != dims:
            raise ValueError("its frames are not of the size that it says")
        sizes = *(5 * [len(bins)]), len(limit), len(shows), int(ends[-1])
        of = *(state[name] for name in ("bank", "says", "texts", "common")), ends, told_limit
        of = *of, state["left"], state["pictures"]
        if tuple(map(len, of)) != sizes or (ends.diff() <= 0).any():
            raise ValueError("its parts do not fit each other")
        if not config.bandwidth > 0 or config.missed < 0:
            raise ValueError("it compares nothing")
        pictures = Pictures(state["pictures"], ends)
        return PathModel(config, *(state[name].to(device) for name in TENSORS), pictures)
