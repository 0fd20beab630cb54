"""Following trajectories along a path: what is believed of each, step by step."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F

from models.path import GOALS, PathModel

#: Cells ahead of the last sure place that are always within reach.
SLACK = 8
#: Pictures back in which one that is there is no news: a menu's cursor goes round in six.
RECENT = 8
#: In every dimension of what was seen before anything was: far from any frame.
NOWHERE = 1e6

#: What a follower knows of each trajectory, in the order in which it is saved.
SCALARS = ("place", "front", "since", "beyond", "shown_beyond", "news")


class Follower:
    """Beliefs of N trajectories about where on a path they are, each over all its cells.

    What is believed beyond `front` does not count: there, shared moments were not shown that come
    before. That a run took another way is found once it has shown as many more of them beyond.
    """

    def __init__(self, path: PathModel, num: int):
        self.path = path
        device = path.bank.device
        self.belief = torch.zeros(num, path.num_cells, device=device)
        self.recent = torch.zeros(num, RECENT, path.bank.shape[1], device=device)
        self.goals = torch.zeros(num, len(GOALS), dtype=torch.int64, device=device)
        self.sure = torch.zeros(num, dtype=torch.bool, device=device)
        self.confirmed = torch.zeros(num, dtype=torch.int64, device=device)  # cell, -1: none
        for name in SCALARS:
            setattr(self, name, torch.zeros(num, dtype=torch.int64, device=device))
        self.reset(torch.arange(num))

    def reset(self, rows: torch.Tensor) -> None:
        """Put all belief in the first cell."""
        self.belief[rows] = 0.0
        self.belief[rows, 0] = 1.0
        self.recent[rows] = NOWHERE
        for name in SCALARS:
            getattr(self, name)[rows] = 0
        self.goals[rows], self.sure[rows], self.confirmed[rows] = 0, False, -1
        self.front[rows] = self.path.limit[0]

    def save(self, rows: torch.Tensor) -> torch.Tensor:
        """Return all that is known of trajectories `rows` (B,), (B, numbers) float32 on the CPU."""
        scalars = torch.stack([getattr(self, name)[rows] for name in SCALARS], dim=1)
        recent = self.recent[rows].flatten(1)
        known = (recent, scalars, self.goals[rows], self.sure[rows, None])
        return torch.cat([self.belief[rows], *(part.float() for part in known)], dim=1).cpu()

    def load(self, rows: torch.Tensor, saved: torch.Tensor) -> None:
        """Put back what `save` returned, for any trajectories `rows` (B,)."""
        cells, recent = self.path.num_cells, self.recent[0].numel()
        sizes = (cells, recent, len(SCALARS), len(GOALS), 1)
        belief, recent, scalars, goals, sure = saved.to(self.belief.device).split(sizes, dim=1)
        self.belief[rows] = belief
        self.recent[rows] = recent.view(-1, *self.recent.shape[1:])
        for name, values in zip(SCALARS, scalars.long().unbind(dim=1), strict=True):
            getattr(self, name)[rows] = values
        self.goals[rows], self.sure[rows] = goals.long(), sure[:, 0].bool()

    def progress(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the expected fraction of the path, (B,) in [0, 1], as far as it counts."""
        cells = torch.arange(self.path.num_cells).to(self.belief)
        expected = torch.minimum(self.belief[rows] @ cells, self.front[rows])
        return expected / max(1, self.path.num_cells - 1)

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

        A picture among the last few that a trajectory showed is no news: were it weighed again, or
        the time counted, waiting, or opening and closing a menu, would be a way to be believed.
        """
        path = self.path
        apart = (x[:, None] - self.recent[rows]).square().sum(dim=2)
        new = (apart >= path.config.bandwidth).all(dim=1)
        latest = apart.gather(1, (self.news[rows, None] - 1) % RECENT)[:, 0]
        self.sure[rows] &= latest < path.config.bandwidth  # another one than it was sure of
        if new.any():
            self._learn(x[new], rows[new])
        place = torch.minimum(self.belief[rows].argmax(dim=1), self.front[rows])
        goals, known = path.guide(x, place)
        self.goals[rows[known]] = goals[known]

    def _learn(self, x: torch.Tensor, rows: torch.Tensor) -> None:
        """Update the beliefs of trajectories `rows` (B,), which show new frames x (B, dims)."""
        path = self.path
        self.recent[rows, self.news[rows] % RECENT] = x
        self.news[rows] += 1
        near, says = path.compare(x)
        updated = path.update(self.belief[rows], near, says, self._within_reach(rows))
        total = updated.sum(dim=1, keepdim=True)
        belief = torch.where(total > 0, updated / total.clamp_min(1e-30), self.belief[rows])
        self.belief[rows] = belief

        peak = belief.argmax(dim=1, keepdim=True)
        place, alike = peak[:, 0], near < path.config.bandwidth
        sure = (alike.gather(1, peak) & (_around(belief).gather(1, peak) > 0.8))[:, 0]
        self.since[rows] = torch.where(sure, 0, self.since[rows] + 1)
        self.place[rows] = torch.where(sure, place, self.place[rows])
        # A picture that stays for some cells shows them all.
        shown = alike & (_around(belief * alike) > 0.2) & (belief > 0.02) & path.shared_cells
        self._confirm(torch.where(shown, torch.arange(path.num_cells).to(place), -1), rows)
        self.sure[rows] = sure & (place <= self.front[rows])

    def _confirm(self, shown: torch.Tensor, rows: torch.Tensor) -> None:
        """Move the fronts of trajectories (B,) that show shared moments, cells (B, cells) or -1."""
        front = self.front[rows]
        before = shown.masked_fill(shown > front[:, None], -1).amax(dim=1)
        self.confirmed[rows] = furthest = shown.amax(dim=1)
        known = (front, self.beyond[rows], self.shown_beyond[rows])
        limit, elsewhere = self.path.limit, self.path.config.elsewhere
        known = moved_front(*known, before, furthest, limit[before], limit[furthest], elsewhere)
        self.front[rows], self.beyond[rows], self.shown_beyond[rows] = known

    def _within_reach(self, rows: torch.Tensor) -> torch.Tensor:
        """Return how far trajectories can have come since their last sure place, (B,)."""
        ahead = self.path.config.reach * self.path.pace * (self.since[rows] + 1)
        return self.place[rows] + SLACK + ahead.long()

    def arrived(self, rows: torch.Tensor) -> torch.Tensor:
        """Say which trajectories are for sure in the last cell, (B,) bool."""
        return self.sure[rows] & (self.place[rows] == self.path.num_cells - 1)

    def agrees(self, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Say whether frames x (B, dims) look like the places of `rows` (B,), (B,) bool."""
        near, _ = self.path.compare(x)
        peak = self.belief[rows].argmax(dim=1, keepdim=True)
        return near.gather(1, peak)[:, 0] < self.path.config.bandwidth

    def locate(self, x: torch.Tensor, rows: torch.Tensor) -> None:
        """Look everywhere once for trajectories `rows` (B,) that begin in the middle of a game.

        x: their frames, (B, dims). Of places that look the same the first is taken.
        """
        path = self.path
        distance = path.everywhere(x)  # (B, M)
        close = distance <= distance.amin(dim=1, keepdim=True) + 0.1 * path.config.bandwidth
        place = path.bins[close.int().argmax(dim=1)] // path.bins_a_cell
        self.reset(rows)
        self.recent[rows, 0], self.news[rows] = x, 1
        self.belief[rows] = F.one_hot(place, path.num_cells).to(self.belief)
        self.place[rows], self.front[rows] = place, path.limit[place]
        self.goals[rows], _ = path.guide(x, place)

    def lost(self, rows: torch.Tensor) -> torch.Tensor:
        """Say which trajectories have been unsure for so long that their place is lost, (B,)."""
        return self.since[rows] >= self.path.config.lost_after


def _around(belief: torch.Tensor) -> torch.Tensor:
    """Return the sums of beliefs (B, cells) within three cells, (B, cells)."""
    return F.avg_pool1d(belief[:, None], 7, 1, 3)[:, 0] * 7


def moved_front(
    front: torch.Tensor,
    beyond: torch.Tensor,
    shown_beyond: torch.Tensor,
    before: torch.Tensor,
    furthest: torch.Tensor,
    limit_before: torch.Tensor,
    limit_furthest: torch.Tensor,
    elsewhere: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the front, the furthest cell shown beyond it, and how many were, all (B,).

    `before` is a shared cell shown up to the front, `furthest` one shown anywhere, -1 for none,
    each with the limit that it sets. As many as `elsewhere` beyond the front, each further than the
    last, move it there.
    """
    back = before >= 0
    front = torch.where(back, torch.maximum(front, limit_before), front)
    again = back | (furthest > front) & (furthest < beyond - SLACK)
    beyond, shown_beyond = beyond.masked_fill(again, 0), shown_beyond.masked_fill(again, 0)
    new = (furthest > front) & (furthest > beyond)
    shown_beyond, beyond = shown_beyond + new.long(), torch.where(new, furthest, beyond)
    front = torch.where(new & (shown_beyond >= elsewhere), limit_furthest, front)
    return front, beyond, shown_beyond


def follow_run(path: PathModel, frames: np.ndarray) -> np.ndarray:
    """Return the progress at each frame of one trajectory (T, 144, 160, 3): (T,) float32."""
    return np.concatenate([progress for progress, _ in Follower(path, 1).run(frames)])
