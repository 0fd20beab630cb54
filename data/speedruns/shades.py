"""Map any palette, grey, green or tinted, to the emulator's four shades, and tell blanks and fades.

A Game Boy shows four shades; a video shows them through a palette, a colour range and a codec.
Their levels are the modes of the luma over the whole video, counted on flat pixels only, so that
blends at the borders of pixels and the few frames of a fade do not count.
"""

from itertools import combinations, pairwise

import numpy as np

GREYS = np.array([0, 85, 170, 255], dtype=np.uint8)  # the emulator's, dark to light
FLAT = 8  # of 255: neighbours of one shade differ by less, after compression
MIN_SHARE = 0.002  # of the flat pixels: a rarer level is noise
NEAR_LEVEL = 14  # of 255: a pixel this near to a level has it


def luma(frames: np.ndarray) -> np.ndarray:
    """Return the luma (ITU-R BT.601) of (..., 3) uint8, as (...) uint8."""
    return (frames @ np.array([0.299, 0.587, 0.114], np.float32) + 0.5).astype(np.uint8)


def find_levels(lumas: np.ndarray) -> np.ndarray:
    """Return the 1 to 4 levels of luma that frames (N, 144, 160) uint8 show, dark to light."""
    counts = np.bincount(lumas[flat_pixels(lumas)], minlength=256).astype(float)
    if not counts.any():
        counts = np.bincount(lumas.ravel(), minlength=256).astype(float)
    smooth = np.convolve(counts, np.hanning(11)[1:-1], "same")
    peaks: list[int] = []
    for level in np.argsort(-smooth):  # a peak is parted from every higher one by a valley
        valleys = (smooth[min(level, p) : max(level, p) + 1].min() for p in peaks)
        if all(valley < 0.5 * smooth[level] for valley in valleys) and smooth[level] > 0:
            peaks.append(int(level))
        if len(peaks) == 16:
            break
    peaks.sort()
    borders = [0, *((a + b + 1) // 2 for a, b in pairwise(peaks)), 256]
    masses = [counts[a:b].sum() for a, b in pairwise(borders)]
    kept = [(p, m) for p, m in zip(peaks, masses, strict=True) if m >= MIN_SHARE * counts.sum()]
    while len(kept) > len(GREYS):  # several palettes at once, or fades
        joins = [m * n / (m + n) * (b - a) ** 2 for (a, m), (b, n) in pairwise(kept)]  # Ward's
        i = int(np.argmin(joins))
        (a, m), (b, n) = kept[i : i + 2]
        # By squares, so that a palette's share moves the level and a fade's does not.
        kept[i : i + 2] = [((a * m**2 + b * n**2) / (m**2 + n**2), m + n)]
    return np.array([level for level, _ in kept])


def flat_pixels(lumas: np.ndarray) -> np.ndarray:
    """Return which pixels of (N, 144, 160) are like a neighbour beside and one above or below."""
    across = np.abs(np.diff(lumas.astype(np.int16), axis=2)) < FLAT
    down = np.abs(np.diff(lumas.astype(np.int16), axis=1)) < FLAT
    flat = np.zeros(lumas.shape, dtype=bool)
    flat[:, :, :-1] |= across
    flat[:, :, 1:] |= across
    tall = np.zeros_like(flat)
    tall[:, :-1] |= down
    tall[:, 1:] |= down
    return flat & tall


def shade_table(levels: np.ndarray) -> np.ndarray:
    """Return for each luma the shade of its nearest level, (256,) uint8.

    Four levels are the four shades in order. Fewer are those in order which lie nearest: a clip may
    not show all of them.
    """
    choices = [c for c in combinations(GREYS.astype(int), len(levels))]
    shades = min(choices, key=lambda c: np.abs(np.array(c) - levels).sum())
    borders = (levels[1:] + levels[:-1]) / 2
    return np.array(shades, dtype=np.uint8)[np.searchsorted(borders, np.arange(256))]


def is_blank(frame_luma: np.ndarray) -> bool:
    """Tell whether (144, 160) shows one level, and under 0.5% of anything else."""
    middle = np.median(frame_luma)
    return bool((np.abs(frame_luma - middle) > NEAR_LEVEL).mean() < 0.005)


def is_fade(frame_luma: np.ndarray, levels: np.ndarray) -> bool:
    """Tell whether over a quarter of the flat pixels of (144, 160) have no level of the video."""
    flat = frame_luma[flat_pixels(frame_luma[None])[0]].astype(float)
    near = (np.abs(flat[:, None] - levels) <= NEAR_LEVEL).any(axis=1)
    return bool(len(flat) > 0 and near.mean() < 0.75)
