"""Recorded screens moved to the walking grid, as an agent sees them that looks between its steps.

Who holds the pad is recorded in the middle of steps. A goal that lies a cell and a pixel away looks
like no screen that can be reached, and moved by whole tiles it fits nowhere.
"""

import numpy as np

from models.blocks import FRAME_SHAPE, GRID

HEIGHT, WIDTH, _ = FRAME_SHAPE
TILE = HEIGHT // GRID[0]
#: Share of the different tiles of a screen as it is that it may have, at most, to be moved.
FEWER = 0.8
#: Where the player stands, who stays while the map moves.
MIDDLE = np.s_[:, 3 * TILE + TILE // 2 : 5 * TILE, 4 * TILE : 5 * TILE]
#: Odd numbers by which tiles are told apart: sums of products stay below 2^53, exact in float64.
_ROWS, _COLUMNS = np.random.default_rng(0).integers(1, 2**17, (2, TILE)) * 2.0 + 1


def on_grid(frames: np.ndarray) -> np.ndarray:
    """Return frames (B, 144, 160, 3) uint8 with their maps moved to the nearest cell.

    Maps are made of few kinds of tiles, so a screen is cut along their grid where it has the fewest
    different ones. One that is cut best as it is, as a text box or a battle is, stays. At the edge
    that comes into sight the tile beside it is repeated.
    """
    greys = frames[..., 0].astype(np.float64)
    moved = frames.copy()
    across, down = _different(greys), _different(greys.swapaxes(1, 2))
    best = np.stack([across, down]).reshape(2, len(frames), TILE)
    offset = best.argmin(axis=2)
    share = best.min(axis=2) / best[:, :, 0].clip(min=1)
    axis = share.argmin(axis=0)
    for i in np.flatnonzero(share.min(axis=0) < FEWER):
        by = int(offset[axis[i], i])
        moved[i] = _moved(frames[i], by if by < TILE // 2 else by - TILE, 1 - int(axis[i]))
    moved[MIDDLE] = frames[MIDDLE]
    return moved


def _different(greys: np.ndarray) -> np.ndarray:
    """Count the different tiles of screens (B, height, width) that are cut off by 0 to 15 columns.

    (B, 16); as many tiles are counted for each, so of those by none the fewer of two counts.
    """
    count, height, width = greys.shape
    bands = (greys.reshape(count, height // TILE, TILE, width).swapaxes(2, 3) @ _ROWS).astype(float)
    windows = np.lib.stride_tricks.sliding_window_view(bands, TILE, axis=2) @ _COLUMNS
    first = np.arange(width // TILE - 1) * TILE
    tiles = np.stack([windows[:, :, first + by] for by in range(TILE + 1)], axis=1)
    tiles = np.sort(tiles.reshape(count, TILE + 1, -1), axis=2)
    different = 1 + (np.diff(tiles, axis=2) != 0).sum(axis=2)
    different[:, 0] = np.minimum(different[:, 0], different[:, TILE])
    return different[:, :TILE]


def _moved(frame: np.ndarray, by: int, axis: int) -> np.ndarray:
    """Return a frame (144, 160, 3) from `by` pixels on along an axis, or before, if less than 0."""
    size = frame.shape[axis]
    source = np.arange(size) + by
    source = np.where(source < 0, source + TILE, np.where(source >= size, source - TILE, source))
    return frame.take(source, axis=axis)
