"""Following trajectories along a path: what is believed of each, step by step."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from models.grid import on_grid
from models.path import KNOWN, NOWHERE, TELLING, PathModel, text_part

#: Cells ahead of the last sure place that are always within reach, or just beyond an untold text.
SLACK = 8
#: Bins that a followed run may be away from the place, before another is followed there.
AWAY = 32
#: New pictures for which a followed run waits for one to be shown.
PATIENCE = 64

#: What a follower knows of each trajectory, in the order in which it is saved.
SCALARS = (
    *("place", "been", "front_shown", "front_told", "proved", "since"),
    *("beyond", "shown_beyond", "at", "was", "waits", "off", "astray", "resembles"),
)


class Follower:
    """Beliefs of N trajectories about where on a path they are, each over all its cells.

    What is believed beyond `front` does not count: what comes before was passed unseen, or a text
    before untold, more of it than runs pass. That a trajectory took another way is found once it
    has shown enough beyond. Nor does what no run could have reached in the time.
    """

    def __init__(self, path: PathModel, num: int):
        self.path = path
        device = path.bank.device
        self.belief = torch.zeros(num, path.num_cells, device=device)
        self.seen = torch.zeros(num, path.bank.shape[1], device=device)
        self.sure = torch.zeros(num, dtype=torch.bool, device=device)
        self.advanced = torch.full((num,), -1, device=device)
        """the moment that the followed run waited for and that was shown now, -1 for none"""
        # Cells that the last new picture proves, and those that its text alone does.
        self.shown, self.told = torch.zeros(2, *self.belief.shape, dtype=torch.bool, device=device)
        for name in SCALARS:
            setattr(self, name, torch.zeros(num, dtype=torch.int64, device=device))
        self.reset(torch.arange(num))

    def reset(self, rows: torch.Tensor) -> None:
        """Put all belief in the first cell."""
        path = self.path
        self.belief[rows] = 0.0
        self.belief[rows, 0] = 1.0
        self.seen[rows] = NOWHERE
        for name in SCALARS:
            getattr(self, name)[rows] = 0
        self.sure[rows] = self.shown[rows] = self.told[rows] = False
        self.at[rows] = self.was[rows] = path.start
        self.front_shown[rows], self.front_told[rows] = path.cell_limit[0], path.cell_told_limit[0]

    def save(self, rows: torch.Tensor) -> torch.Tensor:
        """Return all that is known of trajectories `rows` (B,), (B, numbers) float32 on the CPU."""
        scalars = torch.stack([getattr(self, name)[rows] for name in SCALARS], dim=1)
        known = (self.seen[rows], scalars, self.sure[rows, None])
        return torch.cat([self.belief[rows], *(part.float() for part in known)], dim=1).cpu()

    def load(self, rows: torch.Tensor, saved: torch.Tensor) -> None:
        """Put back what `save` returned, for any trajectories `rows` (B,)."""
        sizes = (self.path.num_cells, self.seen.shape[1], len(SCALARS), 1)
        belief, seen, scalars, sure = saved.to(self.belief.device).split(sizes, dim=1)
        self.belief[rows], self.seen[rows] = belief, seen
        for name, values in zip(SCALARS, scalars.unbind(dim=1), strict=True):
            getattr(self, name)[rows] = values.long()
        self.sure[rows] = sure[:, 0].bool()

    @property
    def front(self) -> torch.Tensor:
        """The last cell of each trajectory that counts, (N,)."""
        return torch.minimum(self.front_shown, self.front_told)

    @property
    def goals(self) -> torch.Tensor:
        """The rows that each trajectory is shown, (N, goals): what comes next, or the way back."""
        return self.path.goals(self.at, self.off > 0)

    def believed(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the expected fraction of the path, (B,) in [0, 1]."""
        cells = torch.arange(self.path.num_cells).to(self.belief)
        return self.belief[rows] @ cells / max(1, self.path.num_cells - 1)

    def progress(self, rows: torch.Tensor) -> torch.Tensor:
        """Return it as far as it counts; what does not is taken to be at the last sure place."""
        cells, place = torch.arange(self.path.num_cells).to(self.place), self.place[rows, None]
        counted = torch.where(cells <= self._counts_to(rows)[:, None], cells, place)
        return (self.belief[rows] * counted).sum(dim=1) / max(1, self.path.num_cells - 1)

    def along(self, x: torch.Tensor, chunk: int = 64) -> Iterator[None]:
        """Follow one trajectory through frames x (T, dims); yields after each.

        They are compared in batches, which is much sooner done than one by one.
        """
        row = torch.zeros(1, dtype=torch.int64, device=self.belief.device)
        for some in x.split(chunk):
            compared = self.path.compare(some)
            for t in range(len(some)):
                self.follow(some[t : t + 1], row, [part[t : t + 1] for part in compared])
                yield

    @torch.inference_mode()
    def follow(
        self, x: torch.Tensor, rows: torch.Tensor, compared: Sequence[torch.Tensor] | None = None
    ) -> None:
        """Take one step in the trajectories `rows` (B,), which now show frames x (B, dims).

        compared: what `PathModel.compare` says of x, where that is known.

        The picture that a trajectory showed before is no news: were it weighed again, or the time
        counted that it stays, waiting would be a way to be believed, and paid. Another text is.
        """
        path = self.path
        changes = x - self.seen[rows]
        changes = (part.square().sum(dim=1) for part in (changes, text_part(changes)))
        new = torch.maximum(*changes) >= path.config.bandwidth
        self.shown[rows] = self.told[rows] = False
        self.advanced[rows] = -1
        x, rows = x[new], rows[new]
        if not len(rows):
            return
        self.seen[rows] = x
        compared = path.compare(x) if compared is None else (part[new] for part in compared)
        near, pictures, common, texts, says = compared
        bounds = self.astray[rows], self.front_told[rows]
        self.belief[rows] = belief = path.update(self.belief[rows], near, says, *bounds)
        near_here = (belief * (pictures < KNOWN * path.config.bandwidth)).sum(dim=1)
        self.resembles[rows] = (near_here > 0.5).long()
        alike = near < path.config.bandwidth
        # A picture that stays for some cells shows them all; one that recurs, none.
        shown = alike & (_around(belief * alike) > 0.2) & (belief > 0.02) & (says > TELLING)
        again = _again(alike, self.proved[rows])
        self.shown[rows] = proven = shown & (common < path.config.bandwidth) & ~again
        self.told[rows] = told = proven & (texts < path.config.bandwidth)
        cells = torch.arange(path.num_cells).to(rows)
        first, first_near = (
            torch.where(part, cells, path.num_cells).amin(dim=1)
            for part in (alike, near < KNOWN * path.config.bandwidth)
        )
        parts = (torch.where(part, cells, -1) for part in (proven, told, shown))
        self._confirm(*parts, first_near, rows)

        place = belief.argmax(dim=1)
        certain = (alike & (_around(belief) > 0.8)).gather(1, place[:, None])[:, 0]
        self.sure[rows] = sure = certain & (place <= self._counts_to(rows))
        self.since[rows] = torch.where(sure, 0, self.since[rows] + 1)
        self.place[rows] = torch.where(sure, place, self.place[rows])
        self.been[rows] = torch.maximum(self.been[rows], self.place[rows])
        if len(path.shows) > 1:  # else there is no run to be followed
            self._watch(x, rows, torch.minimum(place, self.front[rows]), first)

    def _watch(
        self, x: torch.Tensor, rows: torch.Tensor, place: torch.Tensor, first: torch.Tensor
    ) -> None:
        """Go on in the runs that trajectories (B,) follow, or follow others near their `place`.

        first: (B,) the first cell that looks like the frame. It leads no further than there, than
        the place, or to where the followed run is: going in looks like coming out, and before
        something like after; but anywhere if no frame is like it, or that run far away. Nor does
        anything lead beyond what counts. A run that has waited for long goes on so far: what is
        bought may be too dear. Where nothing recorded there is near
        the frame, trajectories are `off`, and led back.
        """
        path, at, front = self.path, self.at[rows], self.front[rows]
        on, shown = path.watch(x, at, self.was[rows])
        self.advanced[rows] = torch.where(shown & (on != at), on, -1)
        self.waits[rows] = waits = torch.where(on == at, self.waits[rows] + 1, 0)
        after = path.following[on]
        goes_on = (waits >= PATIENCE) & (path.bins[path.shows[after]] // path.bins_a_cell <= front)
        on = torch.where(goes_on, after, on)
        self.waits[rows[goes_on]] = 0
        self.was[rows] = torch.where(on == at, self.was[rows], at)
        self.at[rows] = on
        here = path.bins[path.shows[on]]
        strange = (first == path.num_cells) | ((here - place * path.bins_a_cell).abs() > AWAY)
        up_to = torch.maximum(here, (torch.maximum(first, place) + 1) * path.bins_a_cell - 1)
        up_to = torch.where(strange, path.num_bins, up_to)
        up_to = torch.minimum(up_to, (front + 1) * path.bins_a_cell - 1)
        self.off[rows] = 0
        if not shown.all():
            lost = rows[~shown]
            at, known = path.choose_run(*(part[~shown] for part in (x, place, up_to, on)))
            self.was[lost] = torch.where(at == on[~shown], self.was[lost], at)
            self.at[lost], self.off[lost] = at, (~known).long()

    def _confirm(
        self,
        proven: torch.Tensor,
        told: torch.Tensor,
        shown: torch.Tensor,
        first: torch.Tensor,
        rows: torch.Tensor,
    ) -> None:
        """Move the fronts of trajectories (B,) that show cells, all (B, cells), -1 where not.

        Up to the front, what more than one run shows proves that a trajectory has come there, if no
        cell from the furthest proved one on shows the same before: after may look like before. What
        is told, there or just beyond, moves the front of texts, too. As many as `unshown` beyond,
        each further than the last, move the front of pictures; beyond that of texts they move both,
        if they are of pictures that nothing before is near to, as it is to those of a road walked
        back: as many just beyond, else `untold`. first: (B,) the first cell that is near the frame.
        """
        path, front = self.path, self.front[rows]
        soon = self.front_told[rows] + SLACK
        before, heard = (
            part.masked_fill(part > last[:, None], -1).amax(dim=1)
            for part, last in ((proven, front), (told, soon if path.tells else front))
        )
        for cells, limit, fronts in (
            (before, path.cell_limit, self.front_shown),
            (heard, path.cell_told_limit, self.front_told),
        ):
            some, last = rows[cells >= 0], limit[cells[cells >= 0]]
            fronts[some] = torch.maximum(fronts[some], last)
        front, furthest = self.front[rows], shown.amax(dim=1)
        beyond, shown_beyond = self.beyond[rows], self.shown_beyond[rows]
        back = before >= 0
        again = back | (furthest > front) & (furthest < beyond - SLACK)
        beyond, shown_beyond = beyond.masked_fill(again, 0), shown_beyond.masked_fill(again, 0)
        untold = furthest > self.front_told[rows]
        new = (furthest > front) & (furthest > beyond) & ~(untold & (first <= front))
        shown_beyond, beyond = shown_beyond + new.long(), torch.where(new, furthest, beyond)
        needed = torch.where(
            furthest > self.front_told[rows] + SLACK, path.config.untold, path.config.unshown
        )
        far = new & (shown_beyond >= needed)
        self.front_shown[rows[far]] = path.cell_limit[furthest[far]]
        self.front_told[rows[far & untold]] = path.cell_told_limit[furthest[far & untold]]
        self.beyond[rows], self.shown_beyond[rows] = beyond, shown_beyond
        proved = torch.where(far, furthest, torch.maximum(self.proved[rows], before))
        self.astray[rows] = torch.where(proved > self.proved[rows], 0, self.astray[rows] + 1)
        self.proved[rows] = proved

    def _counts_to(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the cell up to which what is believed counts, (B,): as far as trajectories have
        been for sure, or can have come since they last were sure; at most the front."""
        ahead = self.path.config.reach * self.path.pace * (self.since[rows] + 1)
        reach = torch.maximum(self.been[rows], self.place[rows] + SLACK + ahead.long())
        return torch.minimum(self.front[rows], reach)

    def arrived(self, rows: torch.Tensor) -> torch.Tensor:
        """Say which trajectories are for sure in the last cell, (B,) bool."""
        return self.sure[rows] & (self.place[rows] == self.path.num_cells - 1)

    def agrees(self, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Say whether frames x (B, dims) look like the places of `rows` (B,), (B,) bool."""
        near = self.path.compare(x)[0]
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
        self.seen[rows] = x
        self.belief[rows] = F.one_hot(place, path.num_cells).to(self.belief)
        self.place[rows] = self.been[rows] = place
        self.proved[rows] = place
        self.resembles[rows] = 1
        self.front_shown[rows] = path.cell_limit[place]
        self.front_told[rows] = path.cell_told_limit[place]
        everywhere = torch.full_like(place, path.num_bins)
        self.at[rows], _ = path.choose_run(x, place, everywhere, self.at[rows])
        self.was[rows] = self.at[rows]

    def lost(self, rows: torch.Tensor) -> torch.Tensor:
        """Say which trajectories have been unsure for so long that their place is lost, (B,)."""
        return self.since[rows] >= self.path.config.lost_after


def _around(belief: torch.Tensor) -> torch.Tensor:
    """Return the sums of beliefs (B, cells) within three cells, (B, cells)."""
    return F.avg_pool1d(belief[:, None], 7, 1, 3)[:, 0] * 7


def _again(alike: torch.Tensor, since: torch.Tensor) -> torch.Tensor:
    """Say which cells have others `alike` before them, from `since` (B,) on, (B, cells) bool."""
    before = alike.long().cumsum(dim=1) - alike.long()
    return before > before.gather(1, since[:, None])


def follow_run(path: PathModel, frames: np.ndarray) -> np.ndarray:
    """Return the progress at each frame of one recorded run (T, 144, 160, 3): (T,) float32."""
    follower, row = Follower(path, 1), torch.zeros(1, dtype=torch.int64, device=path.bank.device)
    progress = []
    for start in range(0, len(frames), 256):
        frames_now = torch.tensor(on_grid(frames[start : start + 256])).to(row.device)
        for _ in follower.along(path.thumbnails(frames_now)):
            progress.append(follower.progress(row).item())
    return np.array(progress, dtype=np.float32)
