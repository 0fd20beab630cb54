"""Does the path know where a run is that it has not seen? Its places against the game's RAM.

    uv run python -m benchmarks.path_held_out          # waystone's demo, one button a step

    uv run python data/demo/prepare.py --movies games/waystone/people --out /tmp/frames
    uv run python -m benchmarks.path_held_out --frames /tmp/frames --movies games/waystone/people

or, from videos of the same movies, `data/speedruns/prepare.py VIDEOS --shades 4 --out /tmp/frames`.
A path of the other runs follows each held-out one. A place is a moment of the path's reference,
whose RAM says where in the game that is: map, cell, number of milestones that are no places (who is
put back by a defeat is further back, with nothing undone). The error is how far in its own time the
run is from when it is there, or as near as it comes. Prints JSON: by run, share of
samples within 5 and 30 s, the longest time in a row that it is more than 30 s off, the share that
is taken to be more than 60 s ahead; the same of what counts as progress ("counted"), which waits
for what few runs pass unseen, and of the places at which the training runs are aligned. RAM serves
for this alone.
"""

import quiet_threads  # noqa: F401

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from unittest.mock import patch

import numpy as np
import torch
from emurust import VecGameBoy
from tqdm import tqdm

from cli import Count, run_script
from data.frames import FRAME_SHAPE, Run, find_runs, split_runs
from games.game import BUNDLED_ROM, ROOT, Game, find_game
from games.movie import FRAME_SKIP, FRAMES_PER_SECOND, play, read_movie
from models.alignment import COUNTING, align_runs, make_path
from models.follower import Follower
from models.grid import on_grid
from models.path import CELLS, PathConfig, PathModel, thumbnails
from models.tokenizer import Encoder, load_encoder

LOST_SECONDS = 30
#: A state is where the run comes nearest to it, within these cells; a milestone more or less counts
#: as so many cells, another map as more than any.
NEAR_CELLS, MILESTONE_CELLS, OTHER_MAP_CELLS = 2, 20, 1000


@dataclass
class Args:
    frames: Path = ROOT / "runs" / "demo" / "frames"
    """folder of runs, each called like its movie"""
    movies: Path = ROOT / "games" / "waystone" / "movies"
    """their input movies"""
    rom: Path = BUNDLED_ROM
    """the ROM on which they were recorded"""
    each: bool = False
    """hold out each run in turn, not only those that a training holds out"""
    hold_out: tuple[str, ...] = ()
    """hold out these runs, by name, together"""
    pool: Literal[4, 8, 16] = PathConfig.pool
    """side in pixels of the squares whose mean greys frames are compared by"""
    cells: Count = CELLS
    """cells of a belief, at most"""
    reference_run: str | None = None
    """run that the path is measured along; default: the most direct one"""
    encoder: Path | None = None
    """compare frames by this encoder's latents instead"""


@torch.no_grad()
def latents(encoder: Encoder, frames: torch.Tensor) -> torch.Tensor:
    """Return the latents of frames (B, 144, 160, 3) uint8, tile by tile: (B, dims) float32."""
    made = torch.cat([encoder(some) for some in frames.split(64)]).permute(0, 2, 3, 1).flatten(1)
    return made / math.sqrt(made.shape[1])


@contextmanager
def compared_by(file: Path | None, runs: list[Run]) -> Iterator[None]:
    """Let paths compare frames by an encoder's latents, if one is given.

    They are scaled to differ as much as greys do, the median, where the picture changes.
    """
    if file is None:
        yield
        return
    encoder, frames = load_encoder(file), torch.tensor(runs[0].frames[:1500])
    grey, own = (
        x.diff(dim=0).square().sum(dim=1)
        for x in (thumbnails(frames, PathConfig.pool), latents(encoder, frames))
    )
    changes = grey > COUNTING
    scale = float((grey[changes].median() / own[changes].median()).sqrt())

    def by_latents(frames: torch.Tensor, _) -> torch.Tensor:
        return scale * latents(encoder, frames)

    def of_run(run: np.ndarray, pool: int, moved: bool = False) -> torch.Tensor:
        return by_latents(torch.tensor(on_grid(run) if moved else run), pool)

    with (
        patch("models.path.thumbnails", by_latents),
        patch("models.alignment.run_thumbnails", of_run),
    ):
        yield


def recorded_states(movie: Path, game: Game, with_places: bool = True) -> np.ndarray:
    """Return where in the game a movie is after each step: map, x, y, milestones held, (S, 4);
    with or without those that are places."""
    emulator = VecGameBoy(game.rom, 1, num_threads=1)
    obs = np.zeros((1, *FRAME_SHAPE), dtype=np.uint8)
    emulator.reset(obs)
    counted = [with_places or not milestone.is_place for milestone in game.milestones]
    states = []
    for _ in play(emulator, read_movie(movie).frames(), obs):
        position = [emulator.read_memory_batch(at, 1)[0, 0] for at in game.position.values()]
        held = game.milestones_held(emulator.read_memory_batch)[0, counted].sum()
        states.append([*position, held])
    return np.array(states, dtype=int)


def at_frames(states: np.ndarray, run: Run) -> np.ndarray:
    """Return the states (S, 4) of a movie's steps at the frames of its run, (T, 4)."""
    steps_a_frame = FRAMES_PER_SECOND / FRAME_SKIP / run.fps
    steps = np.round((np.arange(run.num_frames) + 1) * steps_a_frame - 1).astype(int)
    return states[steps.clip(0, len(states) - 1)]


def seconds_off(
    places: np.ndarray, reference: np.ndarray, bins: np.ndarray, own: np.ndarray, fps: float
) -> np.ndarray:
    """Return how many seconds ahead a run is taken to be, (T,).

    places: bins that the run is taken to be in, (T,); reference: states of the reference's frames,
    which are in `bins`; own: the run's states, (T, 4).
    """
    times: dict[int, np.ndarray] = {}  # bin -> the run's frames that are there
    for place in np.unique(places):
        at = np.flatnonzero(bins == bins[np.abs(bins - place).argmin()])
        apart = np.full(len(own), np.inf)
        for state in np.unique(reference[at], axis=0):
            cells = np.abs(own[:, 1:3] - state[1:3]).sum(axis=1)
            cost = cells + MILESTONE_CELLS * np.abs(own[:, 3] - state[3])
            cost = cost + OTHER_MAP_CELLS * (own[:, 0] != state[0])
            apart = np.minimum(apart, cost)
        times[int(place)] = np.flatnonzero(apart <= apart.min() + NEAR_CELLS)
    off = [times[int(p)][np.abs(times[int(p)] - t).argmin()] - t for t, p in enumerate(places)]
    return np.array(off) / fps


def follow(path: PathModel, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return in which bins a run (T, 144, 160, 3) is believed, and counted, to be, both (T,)."""
    follower, row, places = Follower(path, 1), torch.tensor([0]), []
    for start in range(0, len(frames), 256):
        some = torch.tensor(on_grid(frames[start : start + 256]))
        for _ in follower.along(path.thumbnails(some)):
            places.append([follower.believed(row).item(), follower.progress(row).item()])
    believed, counted = (np.array(places) * (path.num_bins - 1)).round().T
    return believed, counted


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

    Raises ValueError for a run that has no movie, or a game whose RAM is not known.
    """
    runs, game = find_runs(args.frames), find_game(args.rom)
    if tuple(game.position) != ("map", "x", "y"):
        raise ValueError(f"expected a ROM whose map, x and y are known, got {args.rom}")
    if unknown := set(args.hold_out) - {run.name for run in runs}:
        raise ValueError(
            f"expected --hold-out of runs in {args.frames}, got {', '.join(sorted(unknown))}"
        )
    states = {}
    for run in tqdm(runs, desc="what was in RAM", unit="run"):
        movie = args.movies / f"{run.name}.txt" if args.movies.is_dir() else args.movies
        states[run.name] = at_frames(recorded_states(movie, game, with_places=False), run)
    with patch("models.path.CELLS", args.cells), compared_by(args.encoder, runs):
        return measure(args, runs, states)


def measure(args: Args, runs: list[Run], states: dict[str, np.ndarray]) -> dict:
    """Follow the held-out runs, whose game's states, (T, 4) by name, are known."""
    hidden = [[run] for run in runs] if args.each else [split_runs(runs)[1]]
    if args.hold_out:
        hidden = [[run for run in runs if run.name in args.hold_out]]
    results, held_out, paid, trained_on = {}, [], [], []
    for hold_out in hidden:
        train = [run for run in runs if run not in hold_out]
        frames = [run.frames for run in train]
        names, name = [run.name for run in train], args.reference_run
        if name not in (None, *names):
            raise ValueError(f"expected --reference-run among {', '.join(names)}, got {name}")
        aligned = align_runs(frames, names.index(name) if name else None, args.pool)
        path = make_path(frames, aligned)
        reference = states[train[aligned.reference].name], aligned.places[aligned.reference].numpy()
        for run, places in zip(train, aligned.places, strict=True):
            off = seconds_off(places.numpy(), *reference, states[run.name], run.fps)
            trained_on.append(off)
        for run in hold_out:
            for places, offs in zip(follow(path, run.frames), (held_out, paid), strict=True):
                offs.append(seconds_off(places, *reference, states[run.name], run.fps))
            results[run.name] = figures(held_out[-1], run.fps)
    for name, offs in (("all", held_out), ("counted", paid), ("aligned", trained_on)):
        results[name] = figures(np.concatenate(offs), runs[0].fps)
        longest_lost = [figures(off, runs[0].fps)["longest_lost_s"] for off in offs]
        results[name]["longest_lost_s"] = max(longest_lost)
    results["path"] = {
        "bins": path.num_bins,
        "rows": len(path.bank),
        "counts_on": float((path.limit - torch.arange(path.num_bins)).float().mean()),
        "bandwidth": path.config.bandwidth,
        "pace": path.config.pace,
    }
    print(json.dumps(results, indent=2))
    return results


if __name__ == "__main__":
    run_script(main, Args)
