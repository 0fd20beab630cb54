"""Following trajectories along a path: what is believed of each, step by step."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F

from models.path import GOALS, JUMPS, PathModel

#: Bins ahead of the last sure place that are always within reach.
SLACK = 8
#: In every dimension of what was seen before anything was: far from any frame.
NOWHERE = 1e6
#: Bandwidths within which a recorded frame is near enough to say what comes next.
KNOWN = 4.0

#: What a follower knows of each trajectory, in the order in which it is saved.
SCALARS = (
    "start",
    "place",
    "front",
    "since",
    "rival_start",
    "rival_low",
    "rival_high",
    "rival_front",
    "rival_shown",
    "rival_age",
)


class Follower:
    """Beliefs of N trajectories about where on a path they are.

    Each has one belief over a window of bins; one that is lost also has a rival, begun where a
    landmark looks like the present frame, which takes its place once it has proved itself.
    """

    def __init__(self, path: PathModel, num: int):
        self.path = path
        device = path.bank.device
        self.belief = torch.zeros(num, path.window, device=device)
        self.rival = torch.zeros(num, path.window, device=device)
        self.seen = torch.zeros(num, path.bank.shape[1], device=device)
        self.goals = torch.zeros(num, len(GOALS), dtype=torch.int64, device=device)
        self.sure = torch.zeros(num, dtype=torch.bool, device=device)
        for name in SCALARS:
            setattr(self, name, torch.zeros(num, dtype=torch.int64, device=device))
        self.reset(torch.arange(num))

    def reset(self, rows: torch.Tensor) -> None:
        """Put all belief in the first bin."""
        self.belief[rows], self.rival[rows] = 0.0, 0.0
        self.belief[rows, 0] = 1.0
        self.seen[rows] = NOWHERE
        for name in SCALARS:
            getattr(self, name)[rows] = 0
        self.goals[rows], self.sure[rows] = 0, False
        self.front[rows] = self.path.limit[0]
        self.rival_start[rows] = -1

    def save(self, rows: torch.Tensor) -> torch.Tensor:
        """Return all that is known of trajectories `rows` (B,), (B, numbers) float32 on the CPU."""
        scalars = torch.stack([getattr(self, name)[rows] for name in SCALARS], dim=1)
        parts = (
            self.belief[rows],
            self.rival[rows],
            self.seen[rows],
            scalars,
            self.goals[rows],
            self.sure[rows, None],
        )
        return torch.cat([part.float() for part in parts], dim=1).cpu()

    def load(self, rows: torch.Tensor, saved: torch.Tensor) -> None:
        """Put back what `save` returned, for any trajectories `rows` (B,)."""
        window, dims = self.path.window, self.path.bank.shape[1]
        sizes = (window, window, dims, len(SCALARS), len(GOALS), 1)
        belief, rival, seen, scalars, goals, sure = saved.to(self.belief.device).split(sizes, dim=1)
        self.belief[rows], self.rival[rows], self.seen[rows] = belief, rival, seen
        for name, values in zip(SCALARS, scalars.long().unbind(dim=1), strict=True):
            getattr(self, name)[rows] = values
        self.goals[rows], self.sure[rows] = goals.long(), sure[:, 0].bool()

    def progress(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the expected fraction of the path, (B,) in [0, 1]."""
        within = self.belief[rows] @ torch.arange(self.path.window).to(self.belief)
        return (self.start[rows] + within) / max(1, self.path.num_bins - 1)

    def run(self, frames: np.ndarray, chunk: int = 256) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Follow one trajectory (T, 144, 160, 3); yields progress and sureness in chunks."""
        row = torch.zeros(1, dtype=torch.int64, device=self.belief.device)
        for start in range(0, len(frames), chunk):
            x = self.path.thumbnails(torch.tensor(frames[start : start + chunk]).to(row.device))
            progress, sure = [], []
            for frame in x:
                self.follow(frame[None], row)
                progress.append(self.progress(row).item())
                sure.append(self.sure[0].item())
            yield np.array(progress, dtype=np.float32), np.array(sure)

    @torch.inference_mode()
    def follow(self, x: torch.Tensor, rows: torch.Tensor) -> None:
        """Take one step in the trajectories `rows` (B,), which now show frames x (B, dims).

        The picture that a trajectory showed before is no news: were it weighed again, or the time
        counted that it stays, waiting would be a way to be believed, and paid.
        """
        path = self.path
        new = (x - self.seen[rows]).square().sum(dim=1) >= path.config.bandwidth
        x, rows = x[new], rows[new]
        if not len(rows):
            return
        self.seen[rows] = x
        start = self.start[rows]
        distance, near = path.compare(x, start)
        allowed = torch.minimum(self.front[rows], self._within_reach(rows))
        belief, place, sure, confirmed = self._weigh(self.belief[rows], start, near, allowed)
        self.since[rows] = torch.where(sure, 0, self.since[rows] + 1)
        self.front[rows] = torch.maximum(self.front[rows], path.limit[confirmed.clamp_min(0)])
        self.sure[rows] = sure
        self.place[rows] = torch.where(sure, place, self.place[rows])
        known = near.amin(dim=1) < KNOWN * path.config.bandwidth
        self.goals[rows[known]] = path.guide(distance, start, place)[known]
        self.belief[rows], self.start[rows] = self._centre(belief, start, place)

        self.rival_start[rows[sure]] = -1
        lost = self.lost(rows)
        if lost.any():
            self._challenge(x[lost], rows[lost])

    def _within_reach(self, rows: torch.Tensor) -> torch.Tensor:
        """Return how far trajectories can have come since their last sure place, (B,)."""
        ahead = self.path.config.reach * self.path.config.pace * (self.since[rows] + 1)
        return self.place[rows] + SLACK + ahead.long()

    def _weigh(
        self, belief: torch.Tensor, start: torch.Tensor, near: torch.Tensor, allowed: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Update beliefs (B, window) that begin at `start`, with nothing beyond `allowed` (B,).

        Returns them, the likeliest bin (B,), whether it is sure, and the furthest shared bin that
        the frame confirms (-1: none).
        """
        path = self.path
        likelihood = path.likelihood(near)
        bins = start[:, None] + torch.arange(path.window).to(start)
        updated = path.update(belief, likelihood).masked_fill(bins > allowed[:, None], 0.0)
        total = updated.sum(dim=1, keepdim=True)
        belief = torch.where(total > 0, updated / total.clamp_min(1e-30), belief)
        peak = belief.argmax(dim=1, keepdim=True)
        alike = near < path.config.bandwidth
        mass = F.avg_pool1d(belief[:, None], 5, 1, 2)[:, 0] * 5  # within two bins
        sure = alike.gather(1, peak) & (mass.gather(1, peak) > 0.8)
        sure &= path.speaks(likelihood) > 0.25
        shown = alike & (belief > 0.2) & path.shared[bins]
        confirmed = torch.where(shown, bins, -1).amax(dim=1)
        return belief, start + peak[:, 0], sure[:, 0], confirmed

    def _centre(
        self, belief: torch.Tensor, start: torch.Tensor, place: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Move windows so that `place` (B,) is in their middle; what falls out is cut."""
        window = self.path.window
        centred = (place - window // 2).clamp(0, self.path.num_bins - window)
        index = (centred - start)[:, None] + torch.arange(window).to(start)
        inside = (index >= 0) & (index < window)
        moved = belief.gather(1, index.clamp(0, window - 1)) * inside
        return moved / moved.sum(dim=1, keepdim=True).clamp_min(1e-30), centred

    def _challenge(self, x: torch.Tensor, rows: torch.Tensor) -> None:
        """Look elsewhere for trajectories (B,) that are lost: begin, follow, or accept a rival."""
        path, config = self.path, self.path.config
        new = self.rival_start[rows] < 0
        if new.any():
            self._begin_rivals(x[new], rows[new])
        has = self.rival_start[rows] >= 0
        x, rows = x[has], rows[has]
        if not len(rows):
            return
        start = self.rival_start[rows]
        distance, near = path.compare(x, start)
        allowed = self.rival_front[rows]
        belief, place, sure, confirmed = self._weigh(self.rival[rows], start, near, allowed)
        further = path.limit[confirmed.clamp_min(0)] > allowed  # it shows a shared moment anew
        self.rival_front[rows] = torch.maximum(allowed, path.limit[confirmed.clamp_min(0)])
        self.rival_shown[rows] += (further & (confirmed >= 0)).long()
        self.rival_low[rows] = torch.where(
            sure, torch.minimum(self.rival_low[rows], place), self.rival_low[rows]
        )
        high = torch.where(sure, place, 0)
        self.rival_high[rows] = torch.maximum(self.rival_high[rows], high)
        self.rival_age[rows] = torch.where(sure, 0, self.rival_age[rows] + 1)
        guided = path.guide(distance, start, place)
        self.goals[rows] = torch.where(sure[:, None], guided, self.goals[rows])
        self.rival[rows], self.rival_start[rows] = self._centre(belief, start, place)

        low, high = self.rival_low[rows], self.rival_high[rows]
        beyond = low > self.front[rows]
        passed = torch.where(beyond, self.rival_shown[rows] >= config.elsewhere, high - low >= 3)
        proved = sure & passed & (high <= self._within_reach(rows))
        won = rows[proved]
        self.belief[won], self.start[won] = self.rival[won], self.rival_start[won]
        self._found(won, place[proved], self.rival_front[won])
        self.rival_start[rows[self.rival_age[rows] > config.lost_after]] = -1

    def _found(self, rows: torch.Tensor, place: torch.Tensor, front: torch.Tensor) -> None:
        """Take it for sure that trajectories are at `place` (B,), and may go on to `front` (B,)."""
        self.place[rows], self.since[rows], self.sure[rows] = place, 0, True
        self.front[rows] = torch.maximum(self.front[rows], front)
        self.rival_start[rows] = -1

    def _begin_rivals(self, x: torch.Tensor, rows: torch.Tensor) -> None:
        """Begin a rival at the landmark most like the frame, if one is, away from the own place.

        Where a trajectory may have come to, a picture that the runs show nowhere else is proof.
        """
        path = self.path
        distance = path.everywhere(x, path.landmarks)
        bins = path.bins[path.landmarks].expand_as(distance)
        own = (bins - self.place[rows, None]).abs() <= len(JUMPS)
        distance = distance.masked_fill(own, torch.inf)
        best, which = distance.min(dim=1)
        alike = distance < path.config.bandwidth
        lowest = bins.masked_fill(~alike, path.num_bins).amin(dim=1)
        highest = bins.masked_fill(~alike, -1).amax(dim=1)
        found = best < path.config.bandwidth
        alone = ((highest - lowest <= len(JUMPS)) & (best < 0.1 * path.config.bandwidth))[found]
        rows, place = rows[found], bins[0, which[found]]
        self.rival_start[rows] = (place - path.window // 2).clamp(0, path.num_bins - path.window)
        self.rival[rows] = 0.0
        self.rival[rows, place - self.rival_start[rows]] = 1.0
        self.rival_low[rows] = self.rival_high[rows] = place
        front = self.front[rows]
        self.rival_front[rows] = torch.where(place <= front, front, path.limit[place])
        self.rival_shown[rows] = self.rival_age[rows] = 0
        within = torch.minimum(front, self._within_reach(rows))
        proof = alone & (place > self.place[rows]) & (place <= within)
        if proof.any():
            self._put(x[found][proof], rows[proof], place[proof])

    def _put(self, x: torch.Tensor, rows: torch.Tensor, place: torch.Tensor) -> None:
        """Put trajectories, which show frames x (B, dims), at `place` (B,) for sure."""
        path = self.path
        start = (place - path.window // 2).clamp(0, path.num_bins - path.window)
        self.start[rows] = start
        self.belief[rows] = 0.0
        self.belief[rows, place - start] = 1.0
        self._found(rows, place, path.limit[place])
        self.goals[rows] = path.guide(path.compare(x, start)[0], start, place)

    def arrived(self, rows: torch.Tensor) -> torch.Tensor:
        """Say which trajectories are for sure in the last bin, (B,) bool."""
        return self.sure[rows] & (self.place[rows] == self.path.num_bins - 1)

    def agrees(self, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Say whether frames x (B, dims) look like the places of `rows` (B,), (B,) bool."""
        _, near = self.path.compare(x, self.start[rows])
        peak = self.belief[rows].argmax(dim=1, keepdim=True)
        return near.gather(1, peak)[:, 0] < self.path.config.bandwidth

    def locate(self, x: torch.Tensor, rows: torch.Tensor) -> None:
        """Look everywhere once for trajectories `rows` (B,) that begin in the middle of a game.

        x: their frames, (B, dims). Of places that look the same the first is taken.
        """
        path = self.path
        distance = path.everywhere(x)  # (B, M)
        close = distance <= distance.amin(dim=1, keepdim=True) + 0.1 * path.config.bandwidth
        place = path.bins[close.int().argmax(dim=1)]
        self.reset(rows)
        self.seen[rows] = x
        self._put(x, rows, place)
        self.sure[rows] = False  # nothing has confirmed it

    def lost(self, rows: torch.Tensor) -> torch.Tensor:
        """Say which trajectories have been unsure for so long that they are looked for, (B,)."""
        return self.since[rows] >= self.path.config.lost_after


def follow_run(path: PathModel, frames: np.ndarray) -> np.ndarray:
    """Return the progress at each frame of one trajectory (T, 144, 160, 3): (T,) float32."""
    return np.concatenate([progress for progress, _ in Follower(path, 1).run(frames)])
