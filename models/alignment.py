"""Making a path of runs: one is the measure, the others are laid beside it."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np
import torch

from models.blocks import FRAME_SHAPE, pooled_grey
from models.follower import Follower
from models.grid import on_grid
from models.path import (
    KNOWN,
    SAME_TEXT,
    TELLING,
    PathConfig,
    PathModel,
    Pictures,
    distances,
    text_distances,
    text_part,
    thumbnails,
)

#: Frames of each run that the bandwidth is taken from; frames that are looked at together.
SAMPLE, CHUNK = 1024, 64
#: Least and greatest bandwidth, and one at which it is counted how often a run shows a picture.
BANDWIDTHS, COUNTING = (1e-4, 7e-4), 5e-4
#: Times the bandwidth by which a moment differs from the one before.
DIFFERENT = 2.0
#: Different frames kept of one bin, beside moments: a wait on an animated screen would fill it.
BIN_ROWS = 32
#: Bins that an alignment looks at around its best place so far.
BAND = 2048
#: Nats that an alignment pays for each bin moved on, moved back, and at most for a jump, such as by
#: a defeat. The same way walked back is seldom the way undone: an errand leads on by it.
MOVE_PRICE, BACK_PRICE, JUMP_PRICE = 0.1, 0.8, 30.0
#: Bins of one place.
PLACE = 32
#: Bins around one in which another run has to show the same picture, for it to be common; share of
#: the others that have to, for it to be a goal.
COMMON_WITHIN, GOAL_SHARE = 8, 0.3
#: Share of a run that is like something in another, at least, if they are of one game.
ONE_GAME = 0.1


def run_thumbnails(run: np.ndarray, pool: int, moved: bool = False) -> torch.Tensor:
    """Return the thumbnails of a run (T, 144, 160, 3) uint8: (T, dims) float32.

    moved: of its frames moved to the walking grid.
    """
    # One array for all: small ones between those of the frames would keep the heap from shrinking.
    made = torch.empty(len(run), FRAME_SHAPE[0] // pool * (FRAME_SHAPE[1] // pool))
    for start in range(0, len(run), CHUNK):
        some = run[start : start + CHUNK]
        made[start : start + CHUNK] = thumbnails(
            torch.tensor(on_grid(some) if moved else some), pool
        )
    return made


def different_frames(run: np.ndarray) -> int:
    """Return how many different frames a run (T, 144, 160, 3) uint8 has: how direct it is."""
    different = set()
    for start in range(0, len(run), CHUNK):
        fine = pooled_grey(torch.tensor(run[start : start + CHUNK]), 4)
        different |= {hash(frame.tobytes()) for frame in (fine * 15).round().byte().numpy()}
    return len(different)


def news(run: torch.Tensor, bandwidth: float) -> torch.Tensor:
    """Say which frames of a run (T, dims) show another picture than the one before, (T,) bool."""
    new, seen = torch.ones(len(run), dtype=torch.bool), run[0]
    for t in range(1, len(run)):
        new[t] = (run[t] - seen).square().sum() >= bandwidth
        seen = run[t] if new[t] else seen
    return new


def alike_rows(
    x: torch.Tensor, y: torch.Tensor, within: float
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield some rows (B,) of x (A, dims) after others, and pairs that lie `within` a squared
    distance: which of the B, which of y (M, dims), and how far apart, all (pairs,).

    Those whose norms differ by more lie further apart, and are not compared: nine of ten.
    """
    if not len(x):
        return
    norms, order = y.norm(dim=1).sort()
    y, apart = y[order], 1.001 * math.sqrt(within)  # more than rounding makes of it
    own, rows = x.norm(dim=1).sort()
    for some, its in zip(rows.split(CHUNK), own.split(CHUNK), strict=True):
        ends = torch.stack([its[0] - apart, its[-1] + apart])
        first, last = torch.searchsorted(norms, ends).tolist()
        squared = distances(x[some], y[first:last])
        which, of_y = (squared < within).nonzero().T
        yield some, which, order[first:last][of_y], squared[which, of_y]


def nearest_of(bank: torch.Tensor, x: torch.Tensor, within: float) -> torch.Tensor:
    """Return how far frames x (B, dims) are from the nearest of a bank (M, dims), (B,): `within`, a
    squared distance, at most."""
    nearest = torch.full((len(x),), within)
    for rows, which, _, apart in alike_rows(x, bank, within):
        nearest[rows] = nearest[rows].scatter_reduce(0, which, apart, "amin")
    return nearest


def says(run: torch.Tensor, bandwidth: float) -> torch.Tensor:
    """Return how much the frames of a run (T, dims) say about where it is: (T,) in (0, 1].

    A picture that its run comes back to n times in all says 1 / n^2 each time. A new place is shown
    once; a battle's menu would say again and again that the run is where another one fought. It is
    asked of frames as they were recorded: moved to the grid, a way with a battle at every other
    cell comes back to each of them.
    """
    times = torch.empty(len(run))
    for rows, which, when, _ in alike_rows(run, run, bandwidth):
        pairs = (which * (len(run) + 1) + when).sort().values  # + 1: no row goes on in the next
        begins = pairs.diff(prepend=pairs[:1] - 2) > 1
        which = pairs[begins] // (len(run) + 1)
        times[rows] = which.bincount(minlength=len(rows)).float()
    return times.clamp_min(1).pow(-2)


def has_text(run: torch.Tensor) -> torch.Tensor:
    """Say which frames of a run (T, dims) show a text, (T,) bool: what changed there by itself.

    A box opens, and its text changes, under a picture that stays; where somebody walks all moves.
    """
    text, rest = text_part(run), run.clone()
    rest[:, -text.shape[1] :] = 0
    changes, moves = ((part.diff(dim=0).square().sum(dim=1) >= SAME_TEXT) for part in (text, rest))
    has = torch.zeros(len(run), dtype=torch.bool)
    for t in range(1, len(run)):
        has[t] = ~moves[t - 1] if changes[t - 1] else has[t - 1]
    return has


def text_says(run: torch.Tensor, bank: torch.Tensor, bins: torch.Tensor) -> torch.Tensor:
    """Return how much the texts of a run say by themselves about where it is: (T,) in [0, 1].

    run: (T, dims); bank: (M, dims) frames whose `bins` (M,) are known. A text says as much as a
    picture does (`says`), over the square of the number of places where the bank has it, if any.
    """
    text, rows = text_part(run), has_text(run).nonzero()[:, 0]
    places = bins // PLACE
    known = torch.zeros(len(run), dtype=torch.int64)
    for some, which, row, _ in alike_rows(text[rows], text_part(bank), SAME_TEXT):
        has_it = torch.zeros(len(some), int(places.max()) + 1, dtype=torch.bool)
        has_it[which, places[row]] = True
        known[rows[some]] = has_it.sum(dim=1)
    return (known > 0) * says(text, SAME_TEXT) / known.clamp_min(1).square()


def find_bandwidth(runs: Sequence[torch.Tensor], recorded: Sequence[torch.Tensor]) -> float:
    """Return how far frames of the same picture lie apart, from runs, each (T, dims).

    Of the pictures that their run shows once, as `recorded`, (T, dims) each, three in four have one
    in another run that is nearer; the fourth is of something that the others have not seen.
    """
    low, high = BANDWIDTHS
    if len(runs) < 2:
        return low
    nearest = []
    for i, run in enumerate(runs):
        once = run[says(recorded[i], COUNTING) == 1]
        sample = once[:: max(1, math.ceil(len(once) / SAMPLE))]
        others = [nearest_of(other, sample, high) for j, other in enumerate(runs) if j != i]
        nearest.append(torch.stack(others).amin(dim=0))
    nearest = torch.cat(nearest)
    return float(nearest.quantile(0.75).clamp(low, high)) if len(nearest) else low


def different_moments(run: torch.Tensor, threshold: float) -> torch.Tensor:
    """Return the frames of a run (T, dims) that lie further than `threshold` from the one kept
    before, (moments,) int64, the first among them."""
    kept = [0]
    for t in range(1, len(run)):
        if (run[t] - run[kept[-1]]).square().sum() > threshold:
            kept.append(t)
    return torch.tensor(kept)


def align(
    bank: torch.Tensor,
    bins: torch.Tensor,
    num_bins: int,
    run: torch.Tensor,
    bandwidth: float,
    says: torch.Tensor,
) -> torch.Tensor:
    """Return the bins that the frames of a run (T, dims) show: (T,) int64.

    bank: (M, dims) frames whose `bins` (M,) are known, in order of bins. Viterbi's algorithm in a
    band around the best place so far, with a price on each bin moved: a run that turns back must be
    let back, or what it then shows would count as further than it is. A picture weighs by what it
    `says`, and only while it is new; a text likewise, whatever picture it stands under. Between
    frames that the bank knows the others lie evenly: another way to the same place rises, a corner
    off the way does not.
    """
    new, text, texts = news(run, bandwidth), text_part(run), text_part(bank)
    weight = says * new
    telling = text_says(run, bank, bins) * news(text, SAME_TEXT)
    weight = torch.maximum(weight, telling)
    band = min(BAND, num_bins)
    first_row = torch.searchsorted(bins, torch.arange(num_bins + 1)).tolist()
    squared = bank.square().sum(dim=1)
    steps = torch.arange(band)
    on, back = MOVE_PRICE * steps, BACK_PRICE * steps
    best = -on
    # One array for all frames, as in run_thumbnails.
    sources = torch.empty(len(run), band, dtype=torch.int32)
    known = torch.zeros(len(run), band, dtype=torch.bool)
    start, starts = 0, []
    for t, frame in enumerate(run):
        if t:
            middle = start + int(best.argmax())
            moved = min(max(middle - band // 2, 0), num_bins - band) - start
            best, source = _cheapest_moves(best, on, back)
            source += start
            if moved:
                start += moved
                index = steps + moved
                inside = (index >= 0) & (index < band)
                index = index.clamp(0, band - 1)
                best = torch.where(inside, best[index], best.min())
                source = torch.where(inside, source[index], middle)
            sources[t] = source
        starts.append(start)
        if not weight[t]:
            continue
        rows = slice(first_row[start], first_row[start + band])
        products = bank[rows] @ frame
        apart = (frame.square().sum() + squared[rows] - 2 * products).clamp_min(0)
        if telling[t] > TELLING:
            alike = text_distances(text[t : t + 1], texts[rows], bandwidth)
            apart = torch.minimum(apart, alike[0])
        near = apart.new_full((band,), torch.inf)
        near.scatter_reduce_(0, bins[rows] - start, apart, "amin")
        best = best + weight[t] * (torch.exp(-near / bandwidth) + PathConfig.outlier).log()
        if weight[t] > TELLING:
            known[t] = near < bandwidth
    way = [start + int(best.argmax())]
    for t in range(len(run) - 1, 0, -1):
        way.append(int(sources[t, way[-1] - starts[t]]))
    way.reverse()
    anchors = np.flatnonzero(
        known[torch.arange(len(run)), torch.tensor(way) - torch.tensor(starts)]
    )
    if not len(anchors):
        return torch.tensor(way)
    between = np.interp(np.arange(len(way)), anchors, np.array(way)[anchors])
    last_new = np.maximum.accumulate(np.where(new.numpy(), np.arange(len(run)), 0))
    return torch.from_numpy(between[last_new].round().astype(np.int64))


def _cheapest_moves(
    best: torch.Tensor, on: torch.Tensor, back: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the best score of each bin after a move, and where it came from; all (band,).

    on, back: (band,) the price of as many bins.
    """
    last = len(best) - 1
    rising, below = (best + on).cummax(dim=0)
    falling, above = (best - back).flip(0).cummax(dim=0)
    rising, falling, above = rising - on, falling.flip(0) + back, last - above.flip(0)
    score = torch.where(rising >= falling, rising, falling)
    source = torch.where(rising >= falling, below, above)
    jump = best.max() - JUMP_PRICE
    return score.clamp_min(jump), torch.where(score >= jump, source, best.argmax())


def without_detours(
    places: Sequence[torch.Tensor], reference: int, num_bins: int
) -> list[torch.Tensor]:
    """Take out the bins that most other runs leave out: there the reference strayed.

    places: the bins of each run's frames, (T,); returned with the bins that are left renumbered,
    and the frames of those taken out in the last one before.
    """
    if len(places) < 3:
        return list(places)
    visits = torch.zeros(num_bins)
    for i, place in enumerate(places):
        if i != reference:
            near = torch.stack([place - 1, place, place + 1]).clamp(0, num_bins - 1)
            visits[near.unique()] += 1
    kept = visits >= (len(places) - 1) / 2
    kept[0] = True
    number = kept.long().cumsum(0) - 1
    return [number[place] for place in places]


def runs_that_show(
    runs: Sequence[torch.Tensor], places: Sequence[torch.Tensor], bandwidth: float
) -> list[torch.Tensor]:
    """Return how many others show each frame of the runs, and how many that or its text, in about
    the same place: (2, T) each.

    runs: each (T, dims); places: their bins, each (T,). The first and the last frame of each count
    as shown by all, and so does all of a run that is alone.
    """
    if len(runs) < 2:
        return [torch.ones(2, len(run)) for run in runs]
    num_bins = 1 + max(int(place.max()) for place in places)
    sorted_runs = []
    for run, place in zip(runs, places, strict=True):
        bins, order = place.sort()
        edges = torch.searchsorted(bins, torch.arange(num_bins + 1))
        sorted_runs.append((run[order], edges))
    counts = []
    for i, (run, place) in enumerate(zip(runs, places, strict=True)):
        low = (place - COMMON_WITHIN).clamp(min=0)
        high = (place + COMMON_WITHIN + 1).clamp(max=num_bins)
        shown_by, text = torch.zeros(2, len(run)), has_text(run).tolist()
        for frames, edges in sorted_runs[:i] + sorted_runs[i + 1 :]:
            pieces = zip(run, text, edges[low].tolist(), edges[high].tolist(), strict=True)
            shown_by += torch.tensor(
                [_shows(frames[begin:end] - x, has, bandwidth) for x, has, begin, end in pieces]
            ).T
        shown_by[:, [0, -1]] = len(runs) - 1.0
        counts.append(shown_by)
    return counts


def _shows(apart: torch.Tensor, has_text: bool, bandwidth: float) -> tuple[float, float]:
    """Say whether frames `apart` (B, dims) from one show it, and whether they show that or its
    text, if it has one: 1 or 0."""
    alike = bool((apart.square().sum(dim=1) < bandwidth).any())
    told = has_text and bool((text_part(apart).square().sum(dim=1) < SAME_TEXT).any())
    return float(alike), float(alike or told)


def counting_limits(
    config: PathConfig,
    runs: Sequence[torch.Tensor],
    telling: Sequence[torch.Tensor],
    places: Sequence[torch.Tensor],
    texts: Sequence[torch.Tensor],
    common: Sequence[torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the bin up to which a belief counts once a bin was shown, and once its text was, both
    (bins,) int64.

    runs: each (T, dims); then of their frames, each (T,): how `telling` they are, their bins
    `places`, how much their `texts` say by themselves, and which are `common`: others show them.
    The rest is no proof of having come somewhere: a menu that one player happened to open there can
    be opened without having done what came before.

    What happens is told: the texts that nearly all runs show are those of a choice, of what is
    found, of a gate that opens, while a picture of before may lie beside one of after. So both
    limits hold. One more bin may fall between two steps. With fewer than three runs all
    counts: what two have in common may be chance.
    """
    num_bins = 1 + max(int(place.max()) for place in places)
    last = torch.full((num_bins,), num_bins - 1)
    if len(runs) < 3:
        return last, last
    shown, told, passed = [], [], []
    for i, run in enumerate(runs):
        others = [j for j in range(len(runs)) if j != i]
        place, order = torch.cat([places[j] for j in others]).sort()
        parts = runs, telling, texts, common
        frames, *parts = (torch.cat([part[j] for j in others])[order] for part in parts)
        none, nothing = torch.zeros(1, dtype=torch.int64), Pictures.pack([])
        path = PathModel(config, frames, place, *parts, last, last, none, none, none, nothing)
        follower = Follower(path, 1)
        proven = torch.zeros(2, path.num_cells, dtype=torch.bool)
        for _ in follower.along(run):
            proven |= torch.stack([follower.shown[0], follower.told[0]])
        for bins, which in zip((shown, told), proven, strict=True):
            bins.append(which.nonzero()[:, 0].numpy() * path.bins_a_cell)
        passed.append(places[i][news(run, config.bandwidth)].sort().values.numpy())
    limit, told_limit = (
        torch.from_numpy(_limit(bins, passed, num_bins) + config.missed) for bins in (shown, told)
    )
    return limit.clamp(max=num_bins - 1), told_limit.clamp(max=num_bins - 1)


def _limit(shown: Sequence[np.ndarray], passed: Sequence[np.ndarray], num_bins: int) -> np.ndarray:
    """Return how far trajectories may go from each bin without showing one, (bins,) int64.

    A trajectory may go as far as all but a quarter of the runs leave out: there are other ways. It
    may go as far as all but a fifth of them pass unseen, each followed along a path of the others,
    as another player would be: some of what these show is on its screen between two frames only, or
    never, as it has another companion; and one of many may have been lost for long.

    shown: the bins that each run has `shown` so; passed: those of its different frames, in order.
    """
    left_out, unseen = np.full((2, len(shown), num_bins), np.nan)
    for i, (bins, until) in enumerate(zip(shown, passed, strict=True)):
        at, bins = np.arange(until[-1]), np.append(bins[bins < until[-1]], until[-1])
        unseen[i, at] = then = bins[np.searchsorted(bins, at, side="right")]
        between = np.searchsorted(until, then) - np.searchsorted(until, at, side="right")
        left_out[i, at] = np.where(2 * between < then - at, then, at + 1)
    nobody = np.isnan(unseen).all(axis=0)  # goes on from there, as from the end
    unseen[:, nobody] = left_out[:, nobody] = num_bins - 1
    left_out = np.nanquantile(left_out, 0.75, axis=0, method="higher")
    unseen = np.nanquantile(unseen, 0.8, axis=0, method="higher")
    # Who leaves a way some bins sooner than runs do may also come out so many sooner.
    slope = np.arange(0, 2 * num_bins, 2)
    left_out = np.maximum.accumulate((left_out - slope)[::-1])[::-1] + slope
    return np.maximum(left_out, unseen).astype(np.int64).clip(max=num_bins - 1)


def recorded_pace(places: Sequence[torch.Tensor], steps: int = 16) -> float:
    """Return the bins a step that runs go where they are fast: the 95th percentile over `steps`."""
    gains = [(place[steps:] - place[:-steps]).float() / steps for place in places]
    gains = torch.cat([gain for gain in gains if len(gain)] or [torch.ones(1)])
    return max(1.0, float(gains.quantile(0.95)))


@dataclass(frozen=True)
class Alignment:
    """Runs laid beside the one that is the measure."""

    reference: int
    different: list[int]
    """how many different frames each run has"""
    small: list[torch.Tensor]
    """each run's thumbnails on the walking grid, (T, dims)"""
    telling: list[torch.Tensor]
    """how much the frames of each say about where it is, (T,)"""
    places: list[torch.Tensor]
    """the bins of each run's frames, (T,) int64"""
    bandwidth: float
    pool: int


def align_runs(
    runs: Sequence[np.ndarray], reference: int | None = None, pool: int = PathConfig.pool
) -> Alignment:
    """Cut the reference into bins and find those of the other runs, each (T, 144, 160, 3) uint8.

    The reference, by default the most direct run, is the measure; the others linger and stray
    elsewhere, so their own clocks say little: each is aligned with all before it, the most direct
    first. One with less than half as many different frames as the median run is not taken for
    direct, but for one that stops early. Raises ValueError when there is no run, the reference
    shows fewer than two different frames, or the others have next to nothing in common with it.
    """
    if not runs or not all(map(len, runs)):
        raise ValueError(f"a path needs runs of frames, got {[len(run) for run in runs]} of them")
    counts = [different_frames(run) for run in runs]
    if reference is None:
        reference = counts.index(min(n for n in counts if n >= np.median(counts) / 2))
    recorded = [run_thumbnails(run, pool) for run in runs]
    small = [run_thumbnails(run, pool, moved=True) for run in runs]
    bandwidth = find_bandwidth(small, recorded)
    telling = [says(run, bandwidth) for run in recorded]
    measure = small[reference]
    starts = different_moments(measure, DIFFERENT * bandwidth)
    if len(starts) < 2:
        better = "name another by --reference-run" if max(counts) > 1 else "bring other recordings"
        raise ValueError(
            "a path needs a run that shows something happen, got one whose frames are all alike: "
            + better
        )
    samples = [run[:: 1 + len(run) // SAMPLE] for i, run in enumerate(small) if i != reference]
    within = KNOWN * bandwidth
    known = [nearest_of(measure, x, within) < within for x in samples]
    if known and max(float(some.float().mean()) for some in known) < ONE_GAME:
        raise ValueError(
            "a path needs runs of one game, got runs of which less than "
            f"{ONE_GAME:.0%} is like anything in the one that is the measure: sort out the others, "
            "or name another --reference-run"
        )
    own = torch.searchsorted(starts, torch.arange(len(measure)), right=True) - 1
    found = {reference: own}
    bank, bins = measure, own
    for i in sorted(range(len(runs)), key=counts.__getitem__):
        if i != reference:
            found[i] = align(bank, bins, len(starts), small[i], bandwidth, telling[i])
            bins, order = torch.cat([bins, found[i]]).sort(stable=True)
            bank = torch.cat([bank, small[i]])[order]
    places = without_detours([found[i] for i in range(len(runs))], reference, len(starts))
    num_bins = 1 + max(int(place.max()) for place in places)
    if num_bins < max(2, len(starts) // 10):
        raise ValueError(
            f"a path needs runs of one game, got runs with {num_bins} of {len(starts)} moments in "
            "common: sort out the others, or name another --reference-run"
        )
    return Alignment(reference, counts, small, telling, places, bandwidth, pool)


def fit_path(
    runs: Sequence[np.ndarray],
    reference: int | None = None,
    reach: float = PathConfig.reach,
    pool: int = PathConfig.pool,
) -> PathModel:
    """Build a path from runs, each (T, 144, 160, 3) uint8; raises ValueError as align_runs does.

    `reach` and `pool` are the path's (PathConfig).
    """
    return make_path(runs, align_runs(runs, reference, pool), reach)


def make_path(
    runs: Sequence[np.ndarray], aligned: Alignment, reach: float = PathConfig.reach
) -> PathModel:
    """Build a path from runs, each (T, 144, 160, 3) uint8, that are aligned."""
    small, places, bandwidth = aligned.small, aligned.places, aligned.bandwidth
    telling = aligned.telling
    config = PathConfig(
        bandwidth=bandwidth, pace=recorded_pace(places), pool=aligned.pool, reach=reach
    )
    counts = runs_that_show(small, places, bandwidth)
    frames, bins = torch.cat(small), torch.cat(places)
    texts = [text_says(run, frames, bins) for run in small]
    common = [count[1] > 0 for count in counts]
    limits = counting_limits(config, small, telling, places, texts, common)
    return _bank(config, runs, small, telling, places, texts, counts, *limits)


def _bank(
    config: PathConfig,
    runs: Sequence[np.ndarray],
    small: Sequence[torch.Tensor],
    telling: Sequence[torch.Tensor],
    places: Sequence[torch.Tensor],
    texts: Sequence[torch.Tensor],
    counts: Sequence[torch.Tensor],
    limit: torch.Tensor,
    told_limit: torch.Tensor,
) -> PathModel:
    """Put all frames in one bank by bin, those that look the same in one bin once."""
    offsets = np.cumsum([0, *map(len, small)])
    frames, bins = torch.cat(list(small)), torch.cat(list(places))
    moments = [different_moments(run, DIFFERENT * config.bandwidth) for run in small]
    is_moment = torch.zeros(len(frames), dtype=torch.bool)
    for found, offset in zip(moments, offsets, strict=False):
        is_moment[found + int(offset)] = True
    order = bins.argsort(stable=True)
    edges = torch.searchsorted(bins[order], torch.arange(len(limit) + 1)).tolist()
    kept: list[int] = []
    stands_for = torch.zeros(len(frames), dtype=torch.int64)  # frame -> row of the bank
    for begin, end in pairwise(edges):
        first = len(kept)
        for frame in order[begin:end].tolist():
            if len(kept) > first:
                apart = (frames[kept[first:]] - frames[frame]).square().sum(dim=1)
                nearest = int(apart.argmin())
                full = len(kept) - first >= BIN_ROWS and not is_moment[frame]
                if apart[nearest] < 0.1 * config.bandwidth or full:
                    stands_for[frame] = first + nearest
                    continue
            stands_for[frame] = len(kept)
            kept.append(frame)
    rows = torch.tensor(kept)
    which = np.searchsorted(offsets, rows.numpy(), side="right") - 1
    places_in_runs = zip(which, rows.tolist(), strict=True)
    shown = (runs[run][row - offsets[run]] for run, row in places_in_runs)
    pictures = Pictures.pack(frame for some in _in_batches(shown) for frame in on_grid(some))
    twins = torch.bincount(stands_for, minlength=len(rows))
    telling = torch.bincount(stands_for, torch.cat(list(telling)), minlength=len(rows)) / twins
    also = torch.bincount(stands_for, torch.cat(list(counts), dim=1)[1], minlength=len(rows)) > 0
    shows = [stands_for[m + int(o)] for m, o in zip(moments, offsets, strict=False)]
    enough = max(1, math.ceil(GOAL_SHARE * (len(small) - 1)))
    are_goals = [count[0, found] >= enough for count, found in zip(counts, moments, strict=True)]
    trails = _trails(shows, are_goals, bins[rows])
    frames, bins, told = frames[rows], bins[rows], torch.cat(list(texts))[rows]
    return PathModel(
        config, frames, bins, telling, told, also, limit, told_limit, *trails, pictures
    )


def _in_batches(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield frames, each (144, 160, 3), in batches (B, 144, 160, 3)."""
    frames = iter(frames)
    while some := list(islice(frames, CHUNK)):
        yield np.stack(some)


def _trails(
    runs: Sequence[torch.Tensor], are_goals: Sequence[torch.Tensor], bins: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Put the moments of all runs, rows of a bank with `bins`, in order of bins.

    Returns their rows, which moment follows each, and how many are left until its run's end, all
    (moments,). What is a goal is followed by the next one, if that is near: what hardly any other
    run shows, such as a box half drawn, the instant of a fade, or a menu that a player happened to
    open, is nothing to lead others to, but leads on those who are there.
    """
    last = int(bins[-1])
    shows = torch.cat(list(runs))
    # A run that stops early is not at the end for it: what it leaves out is left.
    left = [torch.arange(len(run)).flip(0) + last - bins[run[-1]] for run in runs]
    whole = torch.cat([torch.full((len(run),), bool(bins[run[-1]] == last)) for run in runs])
    order = bins[shows].argsort(stable=True)
    where = torch.empty_like(order)
    where[order] = torch.arange(len(order))
    begins = np.cumsum([0, *map(len, runs)])
    after = [
        _next_moments(part, bins[run]) + int(begin)
        for run, part, begin in zip(runs, are_goals, begins, strict=False)
    ]
    following, places = where[torch.cat(after)][order], bins[shows[order]]
    # Where a run stops early others go on: those that come to the end, or it might go round.
    stops = (following == torch.arange(len(order))) & (places < last)
    onward = whole[order].nonzero()[:, 0]
    following[stops] = onward[torch.searchsorted(places[onward], places[stops] + 1)]
    return shows[order], following, torch.cat(left)[order]


def _next_moments(are_goals: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return which moment of a run follows each, (moments,), by bools and bins, both (moments,)."""
    step, last = torch.arange(len(are_goals)), len(are_goals) - 1
    next_one = (step + 1).clamp(max=last)
    goal_from = torch.where(are_goals, step, last).flip(0).cummin(dim=0).values.flip(0)
    next_goal = goal_from[next_one]
    near = (places[next_goal] - places).abs() <= COMMON_WITHIN
    return torch.where(are_goals & near, next_goal, next_one)
