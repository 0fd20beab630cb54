"""Find a Game Boy's picture in a streamer's layout, from frames sampled all over the video.

Over a run the game changes everywhere in its rectangle, 10 wide to 9 high, and the art around it
does not: integral images rank every such rectangle by where the picture changes, and its sides
move to where change begins. What is inside has 160×144 pixels of few shades, enlarged: their grid,
a comb of edges at one distance, places the sides to the pixel and tells a game from a webcam.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise, product

import av
import numpy as np
from PIL import Image, ImageDraw

from data.frames import FRAME_SHAPE

HEIGHT, WIDTH = FRAME_SHAPE[:2]
CHANGED = 16  # of 255, in luma: more than compression leaves in a still picture
CHANGED_SHARE = (
    0.08  # of the samples in which a pixel of the game changes; a change of scene is less
)
SEARCH_WIDTH = 320  # the search for the rectangle sees the video this wide
MIN_CONFIDENCE = 0.5

Crop = tuple[int, int, int, int]  # x, y, width, height in pixels of the video


@dataclass
class Evidence:
    """What speaks for a rectangle, each from 0 (nothing) to 1."""

    change: float
    """share of the inside that changes, less that of a strip around it"""
    sides: float
    """how sharply change begins at the side where it does so least"""
    picture: float
    """grid or few shades, whichever tells more, in the ninth of the inside where they tell least"""

    @property
    def confidence(self) -> float:
        """The weakest of them: a rectangle must pass all."""
        return max(0.0, min(asdict(self).values()))


def find_crop(frames: np.ndarray) -> tuple[Crop, Evidence]:
    """Return the likeliest rectangle in luma frames, (N, H, W) uint8, and what speaks for it."""
    changing = np.zeros(frames.shape[1:], dtype=np.float32)
    for before, after in pairwise(frames):
        changing += np.maximum(before, after) - np.minimum(before, after) > CHANGED
    changing = (changing >= CHANGED_SHARE * (len(frames) - 1)).astype(np.float32)
    crop = move_sides(changing, search_rectangle(changing))
    crop = fit_grid(frames, crop)
    x, y, width, height = crop
    inside = frames[:, y : y + height, x : x + width]
    evidence = Evidence(
        change=float(ring_contrast(integral(changing), *crop)),
        sides=min(step for step, _ in side_steps(changing, crop, reach=1)),
        picture=picture_evidence(inside),
    )
    return crop, evidence


def integral(image: np.ndarray) -> np.ndarray:
    """Return the sums over all rectangles from the corner, (H + 1, W + 1)."""
    return np.pad(image.cumsum(0, dtype=np.float64).cumsum(1), ((1, 0), (1, 0)))


def ring_contrast(sums: np.ndarray, x, y, width, height) -> np.ndarray:
    """Return the mean inside rectangles less the mean of a strip along each side, 4% of it wide.

    `x` and `y` may be arrays. Beyond the picture there is nothing, which counts as 0.
    """

    def mean(top, left, bottom, right):
        total = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
        return total / np.maximum((bottom - top) * (right - left), 1)

    strip = max(2, round(0.04 * width))
    bottom, right = y + height, x + width
    strips = (
        mean(y, np.maximum(x - strip, 0), bottom, x),
        mean(y, right, bottom, np.minimum(right + strip, sums.shape[1] - 1)),
        mean(np.maximum(y - strip, 0), x, y, right),
        mean(bottom, x, np.minimum(bottom + strip, sums.shape[0] - 1), right),
    )
    return mean(y, x, bottom, right) - sum(strips) / 4


def search_rectangle(changing: np.ndarray) -> Crop:
    """Return the 10:9 rectangle that stands out most from what is around it, to a few pixels."""
    block = max(1, round(changing.shape[1] / SEARCH_WIDTH))
    rows, columns = (size // block for size in changing.shape)
    small = changing[: rows * block, : columns * block]
    sums = integral(small.reshape(rows, block, columns, block).mean(axis=(1, 3)))
    best, crop = -1.0, (0, 0, changing.shape[1], changing.shape[0])
    for width in range(max(16, WIDTH // block), columns + 1, 2):
        height = round(width * HEIGHT / WIDTH)
        if height > rows:
            break
        y, x = np.mgrid[: rows - height + 1, : columns - width + 1]
        contrast = ring_contrast(sums, x, y, width, height)
        if contrast.max() > best:
            best = contrast.max()
            top, left = np.unravel_index(contrast.argmax(), contrast.shape)
            crop = tuple(int(block * value) for value in (left, top, width, height))
    return crop


def side_steps(changing: np.ndarray, crop: Crop, reach: int) -> list[tuple[float, int]]:
    """Return for left, right, top, bottom how much change sets in there, and where it does most.

    Looked for within `reach` pixels of the side, over the middle 80% of its length.
    """
    x, y, width, height = crop
    across = changing[y + height // 10 : y + height - height // 10].mean(axis=0)
    down = changing[:, x + width // 10 : x + width - width // 10].mean(axis=1)
    steps = []
    span = 5  # pixels on either side of a border
    sides = ((across, x, 1), (across, x + width, -1), (down, y, 1), (down, y + height, -1))
    for profile, side, sign in sides:
        sums = np.pad(profile, (span + 1, span)).cumsum()  # beyond the picture nothing changes
        at = np.arange(max(0, side - reach), min(len(profile), side + reach) + 1)
        before = sums[at + span] - sums[at]
        after = sums[at + 2 * span] - sums[at + span]
        step = sign * (after - before) / span
        steps.append((float(step.max()), int(at[step.argmax()])))
    return steps


def move_sides(changing: np.ndarray, crop: Crop) -> Crop:
    """Move each side to where change begins."""
    reach = max(8, round(0.03 * crop[2]))
    left, right, top, bottom = (at for _, at in side_steps(changing, crop, reach))
    return left, top, right - left, bottom - top


def edge_maps(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean first and second differences along the last axis, (H, W) each.

    The first peak where pixels enlarged as squares meet: entry x is between x - 1 and x. The second
    peak at the middles of pixels that were enlarged bilinearly.
    """
    first = np.zeros(frames.shape[1:], dtype=np.float32)
    second = np.zeros_like(first)
    for frame in frames:
        steps = np.diff(frame.astype(np.int16), axis=1)
        first[:, 1:] += np.abs(steps)
        second[:, 1:-1] += np.abs(np.diff(steps, axis=1))
    return first / len(frames), second / len(frames)


def grid_contrast(profiles: Sequence[np.ndarray], start: float, stop: float, count: int) -> float:
    """Return how much edges favour a grid of `count` pixels from start to stop; 1 is not at all.

    `profiles` are first and second differences by place; the one that favours it more counts.
    """
    scale = (stop - start) / count
    lines = np.round(start + np.arange(1, count) * scale).astype(int)
    middles = np.floor(start + np.arange(0.5, count) * scale).astype(int)
    inside = slice(round(start), round(stop))
    first, second = profiles
    return max(
        first[lines].mean() / max(first[inside].mean(), 1e-6),
        second[middles].mean() / max(second[inside].mean(), 1e-6),
    )


def fit_grid(frames: np.ndarray, crop: Crop) -> Crop:
    """Move the sides by up to half a pixel of the game onto its grid; without one, make it 10:9."""
    x, y, width, height = crop
    found = []
    for stack, (start, stop), (low, high), count in (
        (frames, (x, x + width), (y, y + height), WIDTH),
        (frames.transpose(0, 2, 1), (y, y + height), (x, x + width), HEIGHT),
    ):
        profiles = [edges.mean(axis=0) for edges in edge_maps(stack[::2, low:high])]
        reach = int(np.ceil((stop - start) / count / 2))
        moves = range(-reach, reach + 1)
        tried = [
            (grid_contrast(profiles, start + a, stop + b, count), start + a, stop + b)
            for a in moves
            for b in moves
            if start + a >= 0 and stop + b <= stack.shape[2]
        ]
        found.append(max(tried))
    (across, left, right), (down, top, bottom) = found
    if min(across, down) > 1.25:
        return left, top, right - left, bottom - top
    scale = (width / WIDTH + height / HEIGHT) / 2
    grown = round(scale * WIDTH), round(scale * HEIGHT)
    corner = (round(x + (width - grown[0]) / 2), round(y + (height - grown[1]) / 2))
    left, top = (max(0, value) for value in corner)
    return left, top, min(grown[0], frames.shape[2] - left), min(grown[1], frames.shape[1] - top)


def picture_evidence(inside: np.ndarray) -> float:
    """Return how much (N, h, w) uint8 looks like a Game Boy's where it does least, 0 to 1."""
    height, width = inside.shape[1:]
    across = edge_maps(inside[::2])
    down = edge_maps(inside[::2].transpose(0, 2, 1))
    in_mode = mode_share(inside)
    thirds = [(i / 3, (i + 1) / 3) for i in range(3)]
    weakest = 1.0
    for (top, bottom), (left, right) in product(thirds, thirds):
        rows = slice(int(top * height), int(bottom * height))
        columns = slice(int(left * width), int(right * width))
        x = [edges[rows].mean(axis=0) for edges in across]
        y = [edges[columns].mean(axis=0) for edges in down]
        contrast = grid_contrast(x, left * width, right * width, round((right - left) * WIDTH))
        contrast += grid_contrast(y, top * height, bottom * height, round((bottom - top) * HEIGHT))
        shades = in_mode[int(top * HEIGHT) : int(bottom * HEIGHT)]
        shades = shades[:, int(left * WIDTH) : int(right * WIDTH)].mean()
        # A webcam: contrast 1.00 to 1.02, share 0.2 to 0.6. A game: 1.1 to 4.6, 0.7 to 1.
        weakest = min(weakest, max(contrast / 2 - 1, (shades - 0.5) / 0.3))
    return float(np.clip(weakest, 0, 1))


def mode_share(inside: np.ndarray) -> np.ndarray:
    """Return the share of frames in which a pixel has one of the frame's four commonest shades.

    (144, 160), of pixels picked from (N, h, w) uint8. A shade is 3 bins of 40 between the frame's
    darkest and lightest, so that a dim picture gains nothing.
    """
    rows = ((np.arange(HEIGHT) + 0.5) * inside.shape[1] / HEIGHT).astype(int)
    columns = ((np.arange(WIDTH) + 0.5) * inside.shape[2] / WIDTH).astype(int)
    share = np.zeros((HEIGHT, WIDTH))
    for frame in inside[:, rows[:, None], columns]:
        low, high = np.percentile(frame, (1, 99))
        bins = ((frame - low) / max(high - low, 1) * 40).clip(0, 39).astype(int)
        counts, common = np.bincount(bins.ravel(), minlength=40), np.zeros(40, dtype=bool)
        for _ in range(4):
            mode = np.convolve(counts, np.ones(3), "same").argmax()
            common[max(0, mode - 1) : mode + 2] = True
            counts[common] = 0
        share += common[bins]
    return share / len(inside)


def draw_preview(frame: av.VideoFrame, crop: Crop) -> Image.Image:
    """Outline `crop` on a frame of the video, within the picture."""
    image = frame.to_image()
    x, y, width, height = crop
    thick = max(2, image.width // 320)
    right, bottom = x + width + thick, y + height + thick
    box = max(0, x - thick), max(0, y - thick), min(image.width, right), min(image.height, bottom)
    box = (*box[:2], box[2] - 1, box[3] - 1)
    ImageDraw.Draw(image).rectangle(box, outline=(255, 0, 0), width=thick)
    return image
