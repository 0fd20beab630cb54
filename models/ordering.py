"""How well a progress score tells the order of frames: the figures for any score, on any runs."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

#: Gaps between the two frames of a pair, in seconds of game time: a bucket is [edge, next edge).
GAP_EDGES_SECONDS = (0, 2, 8, 32, 128, 512, np.inf)
PAIRS_A_BUCKET = 4000  # of each run
BLOCKS_A_RUN = 20
BOOTSTRAP_DRAWS = 500


def ordering_metrics(
    scores: Sequence[np.ndarray], fps: Sequence[float], seed: int = 0
) -> dict[str, dict]:
    """Judge scores, one (T,) array a run, by the order they put frames in.

    Returns `voc` (mean over runs, and by run), `random_pairs` (two frames drawn uniformly from one
    run) and `by_gap`, one entry a bucket that any run is long enough for. Each accuracy comes with
    the number of pairs and a 95% interval. A tie counts half.
    """
    rng = np.random.default_rng(seed)
    voc = [rank_correlation(run, np.arange(len(run))) for run in scores]
    frames = [rng.integers(len(run), size=(2, PAIRS_A_BUCKET)) for run in scores]
    random_pairs = [np.sort(pair[:, pair[0] != pair[1]], axis=0) for pair in frames]
    by_gap = {}
    for low, high in pairwise(GAP_EDGES_SECONDS):
        pairs = [
            _pairs_of_gap(len(run), low * rate, high * rate, rng)
            for run, rate in zip(scores, fps, strict=True)
        ]
        if any(pair.size for pair in pairs):
            by_gap[f"{low}-{high} s" if high < np.inf else f"{low}+ s"] = _accuracy(
                scores, pairs, rng
            )
    return {
        "voc": {"mean": float(np.mean(voc)), "by_run": voc},
        "random_pairs": _accuracy(scores, random_pairs, rng),
        "by_gap": by_gap,
    }


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return Spearman's rank correlation of (T,) and (T,); 0 where one of them is constant.

    Against time this is the value-order correlation (VOC) of Ma et al., arXiv:2411.04549.
    """
    ranks = [_ranks(x), _ranks(y)]
    if min(rank.std() for rank in ranks) == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def _ranks(x: np.ndarray) -> np.ndarray:
    """Return ranks from 0; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[inverse]


def _pairs_of_gap(length: int, low: float, high: float, rng: np.random.Generator) -> np.ndarray:
    """Draw (2, N) frame indices, earlier and later, of a gap in [low, high) frames; N may be 0."""
    gaps = np.arange(max(1, int(np.ceil(low))), int(min(np.ceil(high), length)))
    if not len(gaps):
        return np.empty((2, 0), dtype=np.int64)
    gap = rng.choice(gaps, PAIRS_A_BUCKET, p=(1 / gaps) / (1 / gaps).sum())
    earlier = rng.integers(length - gap)
    return np.stack([earlier, earlier + gap])


def _accuracy(
    scores: Sequence[np.ndarray], pairs: Sequence[np.ndarray], rng: np.random.Generator
) -> dict:
    """Share of pairs in the right order, with a block bootstrap over stretches of the runs.

    Pairs overlap, so pairs drawn anew would make the interval far too narrow: what is drawn anew
    are stretches, a twentieth of a run each, with all pairs that begin there.
    """
    correct, block = [], []
    for index, (run, (earlier, later)) in enumerate(zip(scores, pairs, strict=True)):
        correct.append(np.where(run[later] == run[earlier], 0.5, run[later] > run[earlier]))
        block.append(index * BLOCKS_A_RUN + earlier * BLOCKS_A_RUN // len(run))
    correct, block = np.concatenate(correct), np.concatenate(block)
    _, block = np.unique(block, return_inverse=True)
    total, hits = np.bincount(block), np.bincount(block, weights=correct)
    draws = rng.integers(len(total), size=(BOOTSTRAP_DRAWS, len(total)))
    accuracy = hits[draws].sum(axis=1) / total[draws].sum(axis=1)
    low, high = np.quantile(accuracy, (0.025, 0.975))
    return {
        "accuracy": float(correct.mean()),
        "interval_95": [float(low), float(high)],
        "pairs": len(correct),
    }
