"""Made-up recordings: a walk to the right through one world that gets darker on the way."""

from pathlib import Path

import numpy as np

from data.frames import write_run

TILE = 16  # pixels


def walk_frames(length: int, seed: int, stalls: float = 0.1) -> np.ndarray:
    """Return (length, 144, 160, 3) uint8: one tile a frame, standing still now and then."""
    columns = length + 10
    world = np.random.default_rng(0).random((9, columns))  # the same world in every run
    level = 1 - 0.8 * np.arange(columns) / columns
    shades = np.round(world * level * 3).astype(np.uint8) * 85  # (9, columns), four shades
    moves = np.random.default_rng(seed).random(length) >= stalls
    place = np.cumsum(moves) - moves[0]
    frames = np.stack([shades[:, p : p + 10] for p in place])
    frames = frames.repeat(TILE, axis=1).repeat(TILE, axis=2)
    return np.repeat(frames[..., None], 3, axis=3)


def write_walks(directory: Path, count: int = 3, length: int = 60) -> Path:
    """Write `count` runs into `directory` and return it."""
    for seed in range(count):
        write_run(directory, f"walk{seed}", walk_frames(length, seed), source="synthetic")
    return directory
