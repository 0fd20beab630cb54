"""What is said of how far episodes came, and how sure it is (Agarwal et al., 2021)."""

from collections.abc import Callable

import numpy as np
from scipy.stats import trim_mean

RESAMPLES = 10_000


def mean(values: np.ndarray) -> np.ndarray:
    """Return the means of values (..., N): (...)."""
    return values.mean(axis=-1)


def interquartile_mean(values: np.ndarray) -> np.ndarray:
    """Return the means of the middle half of values (..., N): (...).

    Neither a lucky episode nor one that was lost moves it, and unlike the median it does not jump
    from one number of milestones to the next. Of fewer than four values it is the mean.
    """
    return trim_mean(values, 0.25, axis=-1)


def probability_of_improvement(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return how probably one of `ours` (..., N) is above one of `theirs` (..., M): (...).

    Equals count half. It is the Mann-Whitney U statistic over N·M.
    """
    ours, theirs = ours[..., :, None], theirs[..., None, :]
    above = (ours > theirs) + 0.5 * (ours == theirs)
    return above.mean(axis=(-2, -1))


def bootstrap_interval(
    *samples: np.ndarray, statistic: Callable[..., np.ndarray] = mean, seed: int = 0
) -> list[float]:
    """Return the 95% percentile bootstrap interval of a statistic of samples (N,) each.

    Stratified: every sample is drawn from by itself, as often as it is long.
    """
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(values, (RESAMPLES, len(values))) for values in samples]
    parts = zip(*(np.array_split(rows, RESAMPLES // 500) for rows in drawn), strict=True)
    figures = np.concatenate([statistic(*part) for part in parts])  # in parts, for the memory
    return np.percentile(figures, (2.5, 97.5)).tolist()
