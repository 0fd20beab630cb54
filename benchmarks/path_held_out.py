"""Does the path know where a run is that it has not seen? Its places against the game's RAM.

    uv run python data/demo/prepare.py --movies games/waystone/people --out /tmp/frames
    uv run python -m benchmarks.path_held_out --frames /tmp/frames

or, from videos of the same movies, `data/speedruns/prepare.py VIDEOS --shades 4 --out /tmp/frames`.
A path of the other runs follows each held-out one. Between two milestones the truth is
interpolated: a place on the path says how far the others were between theirs, and so at which
second of its own time this run is taken to be. Prints JSON: by run, share of samples within 5 and
30 s of the second that it is, the longest time in a row that it is more than 30 s off, the share
that is taken to be more than 60 s ahead. A detour between two milestones counts as an error. RAM
serves for this alone.
"""

import quiet_threads  # noqa: F401

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from emurust import VecGameBoy
from tqdm import tqdm

from cli import run_script
from data.frames import FRAME_SHAPE, Run, find_runs, split_runs
from games.game import BUNDLED_ROM, ROOT, Game, find_game
from games.movie import FRAME_SKIP, FRAMES_PER_SECOND, play, read_movie
from models.alignment import fit_path
from models.follower import follow_run
from models.path import PathConfig

LOST_SECONDS = 30


@dataclass
class Args:
    frames: Path = ROOT / "runs" / "demo" / "frames"
    """folder of runs, each called like its movie"""
    movies: Path = ROOT / "games" / "waystone" / "people"
    """their input movies"""
    rom: Path = BUNDLED_ROM
    """the ROM on which they were recorded"""
    each: bool = False
    """hold out each run in turn, not only those that a training holds out"""
    pool: Literal[4, 8, 16] = PathConfig.pool
    """side in pixels of the squares whose mean greys frames are compared by"""


def milestone_seconds(movie: Path, game: Game) -> np.ndarray:
    """Return when a movie reaches each milestone first, (M,); inf for never."""
    emulator = VecGameBoy(game.rom, 1, num_threads=1)
    obs = np.zeros((1, *FRAME_SHAPE), dtype=np.uint8)
    emulator.reset(obs)
    seconds = np.full(len(game.milestones), np.inf)
    for step, _ in enumerate(play(emulator, read_movie(movie).frames(), obs), 1):
        held = game.milestones_held(emulator.read_memory_batch)[0]
        seconds[held] = np.minimum(seconds[held], step * FRAME_SKIP / FRAMES_PER_SECOND)
    return seconds


class Ruler:
    """A path of some runs, and where on it they reach each milestone, the median."""

    def __init__(self, runs: list[Run], reached: dict[str, np.ndarray], pool: int):
        self.path = fit_path([run.frames for run in runs], pool=pool)
        bins = []
        for run in tqdm(runs, desc="milestones on the path", unit="run"):
            places = follow_run(self.path, run.frames)
            at = np.minimum(reached[run.name] * run.fps, len(places) - 1).astype(int)
            bins.append(places[at])
        self.places = np.concatenate([[0], np.median(bins, axis=0), [1]])

    def seconds_off(self, run: Run, reached: np.ndarray) -> np.ndarray:
        """Return how many seconds ahead a run is taken to be, (T,)."""
        known = np.concatenate([[0], reached, [run.num_frames / run.fps]])
        order = np.argsort(known, kind="stable")
        places = np.maximum.accumulate(self.places[order]) + 1e-9 * np.arange(len(order))
        taken_for = np.interp(follow_run(self.path, run.frames), places, known[order])
        return taken_for - np.arange(run.num_frames) / run.fps


def longest(held: np.ndarray) -> int:
    """Return the length of the longest stretch of True."""
    ends = np.flatnonzero(~np.concatenate([[False], held, [False]]))
    return int(np.diff(ends).max()) - 1


def figures(off: np.ndarray, fps: float) -> dict:
    """Return the figures of seconds off, (T,)."""
    return {
        "samples": len(off),
        "within_5_s": float((np.abs(off) <= 5).mean()),
        "within_30_s": float((np.abs(off) <= LOST_SECONDS).mean()),
        "longest_lost_s": longest(np.abs(off) > LOST_SECONDS) / fps,
        "over_60_s_ahead": float((off > 60).mean()),
        "median_s_off": float(np.median(np.abs(off))),
    }


def main(args: Args) -> dict:
    """Follow the held-out runs; print and return the figures.

    Raises ValueError for a run that has no movie, or one that misses milestones.
    """
    runs, game = find_runs(args.frames), find_game(args.rom)
    if not game.milestones:
        raise ValueError(f"expected a ROM with milestones, got {args.rom}")
    reached = {}
    for run in runs:
        movie = args.movies / f"{run.name}.txt" if args.movies.is_dir() else args.movies
        reached[run.name] = milestone_seconds(movie, game)
        if np.isinf(reached[run.name]).any():
            raise ValueError(f"expected a run that reaches every milestone, got {movie}")
    hidden = [[run] for run in runs] if args.each else [split_runs(runs)[1]]
    results, everything = {}, []
    for held_out in hidden:
        ruler = Ruler([run for run in runs if run not in held_out], reached, args.pool)
        for run in held_out:
            off = ruler.seconds_off(run, reached[run.name])
            everything.append(off)
            results[run.name] = figures(off, run.fps)
    results["all"] = figures(np.concatenate(everything), runs[0].fps)
    results["all"]["longest_lost_s"] = max(row["longest_lost_s"] for row in results.values())
    print(json.dumps(results, indent=2))
    return results


if __name__ == "__main__":
    run_script(main, Args)
