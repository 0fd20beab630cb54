"""Try the automatic crop on made-up streamer layouts around replays of the bundled game.

    uv run python -m tests.layouts                        # every layout, seeds 0 to 2
    uv run python -m tests.layouts --seeds 1 --keep /tmp/layouts

Each row is a layout, 1280×720 H.264, at its worst over the seeds: how far the found rectangle is
from the true one at its worst side, and the share of pixels whose shade is the emulator's own after
--shades 4, with the crop by numbers and by itself. Layouts with no whole game are to be refused.
"""

import contextlib
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import numpy as np

from cli import run_script
from data.demo.layouts import LAYOUTS, TICKS_PER_SECOND, Layout, Scene, write_video
from data.demo.prepare import find_movies, replay
from data.frames import ROOT, Run, read_run
from data.speedruns import prepare
from files import read_json
from games.game import BUNDLED_ROM
from games.movie import read_movie

STEPS_PER_SECOND = 2
STEPS = 30


@cache
def game_frames(movie: int, steps: int = STEPS) -> np.ndarray:
    """Return `steps` frames from all over a recorded run, (steps, 144, 160, 3) uint8."""
    movies = find_movies(ROOT / "games" / "waystone" / "movies")
    played = read_movie(movies[movie % len(movies)])
    keep = set(np.linspace(4, len(played.masks) - 1, steps).astype(int))
    frames = enumerate(replay(BUNDLED_ROM.read_bytes(), played.frames()))
    return np.stack([frame.copy() for t, frame in frames if t in keep])


def draw_layout(layout: Layout, seed: int, steps: int, rate: int) -> Iterator[av.VideoFrame]:
    """Yield the video's pictures, `rate` a second."""
    screens = game_frames(layout.movie + seed, steps)[..., 0]
    scene = Scene(layout, seed, steps * TICKS_PER_SECOND // STEPS_PER_SECOND)
    for t in range(steps * rate // STEPS_PER_SECOND):
        yield scene.show(t * TICKS_PER_SECOND // rate, screens[t * STEPS_PER_SECOND // rate])


@dataclass
class Result:
    """What prepare.py made of a layout."""

    confidence: float
    off_pixels: int | None
    """of the worst side of the crop it took; None where it refused"""
    agreement_numbers: float | None
    """share of pixels that --shades 4 gets right with the crop by numbers; None without a game"""
    agreement_auto: float | None


def try_layout(
    name: str, seed: int, folder: Path, steps: int = STEPS, rate: int = TICKS_PER_SECOND
) -> Result:
    """Render a layout to `folder` and prepare it, the crop found and by numbers."""
    layout = LAYOUTS[name]
    slug = f"{name.replace(' ', '-').replace(',', '')}-{seed}"
    path = folder / f"{slug}.mp4"
    write_video(path, draw_layout(layout, seed, steps, rate), rate, layout.crf)
    truth = game_frames(layout.movie + seed, steps)

    def agreement(run: Run) -> float:
        return float((run.frames == truth).mean())

    try:
        run = take(path, folder / "auto", crop="auto")
    except ValueError:
        (reason,) = read_json(folder / "auto" / prepare.REPORT)["failed"].values()
        sure = float(re.search(r"confidence ([\d.]+)", reason)[1])
        result = Result(sure, None, None, None)
    else:
        found, true = (
            np.array([x, y, x + w, y + h]) for x, y, w, h in (run.meta["crop"], layout.game)
        )
        off = int(np.abs(found - true).max())
        result = Result(run.meta["confidence"], off, None, agreement(run))
    if result.off_pixels == 0:  # the same crop makes the same run
        result.agreement_numbers = result.agreement_auto
    elif layout.game and not layout.cut:
        numbers = ",".join(map(str, layout.game))
        result.agreement_numbers = agreement(take(path, folder / "numbers", crop=numbers))
    return result


def take(path: Path, out: Path, crop: str) -> Run:
    """Run prepare.py with --shades 4; return the run."""
    report = prepare.main(prepare.Args((path,), crop=crop, shades=4, out=out))
    (meta,) = report["runs"]
    return read_run(out / f"{meta['name']}.npy")


@dataclass
class Args:
    seeds: int = 3
    """try seeds 0 to this, less one"""
    keep: Path | None = None
    """folder in which to leave the videos, runs and contact sheets"""


def main(args: Args) -> None:
    """Print a row for each layout, its worst over the seeds, and what came of all of them."""
    if args.seeds < 1:
        raise ValueError(f"expected --seeds of 1 or more, got {args.seeds}")
    rows = []
    with tempfile.TemporaryDirectory() as temporary, contextlib.redirect_stdout(sys.stderr):
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in LAYOUTS:
            rows += [(name, seed, try_layout(name, seed, folder)) for seed in range(args.seeds)]
    print("| layout | sure | crop off by, at most | shades by numbers | shades, auto |")
    print("|---|---|---|---|---|")
    for name in LAYOUTS:
        results = [result for row_name, _, result in rows if row_name == name]
        off = [result.off_pixels for result in results if result.off_pixels is not None]
        sure = min(result.confidence for result in results)
        cells = [name, f"{sure:.2f}", f"{max(off)} px" if off else "refused"]
        for shares in ("agreement_numbers", "agreement_auto"):
            known = [share for r in results if (share := getattr(r, shares)) is not None]
            cells.append(f"{min(known):.2%}" if known else "")
        print(f"| {' | '.join(cells)} |")
    wanted = [result for name, _, result in rows if not LAYOUTS[name].refuse]
    other = [result for name, _, result in rows if LAYOUTS[name].refuse]
    good = sum(result.off_pixels is not None and result.off_pixels <= 2 for result in wanted)
    wrong = sum(result.off_pixels is not None and result.off_pixels > 2 for result in wanted)
    print(f"found within 2 pixels: {good} of {len(wanted)}; wrong: {wrong}")
    print(f"refused: {sum(result.off_pixels is None for result in other)} of {len(other)}")


if __name__ == "__main__":
    run_script(main, Args)
