"""Render the bundled games' recorded runs as videos, as streamers show them.

    uv run python data/demo/render_videos.py                         # waystone, played by people
    uv run python data/demo/render_videos.py --limit 1 --fps 60 --out /tmp/videos

H.264, 30 or 60 pictures a second, each run in a layout of its own: webcam, chat, splits, a timer,
another palette, another bitrate. The same command again makes only what is not there yet.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import av
import numpy as np
from tqdm import tqdm

if not __package__:  # run as a file: Python then looks for modules beside it, not at the top level
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cli import Count, Positive, Seed, run_script
from data.demo.layouts import LAYOUTS, TICKS_PER_SECOND, Layout, Scene, write_video
from data.demo.prepare import find_movies, replay
from data.frames import ROOT
from files import writes_alone
from games.game import BUNDLED_ROM, Game, find_game
from games.movie import FRAMES_PER_SECOND, Movie, read_movie

#: Those that show the whole game.
WHOLE = {name: layout for name, layout in LAYOUTS.items() if not layout.refuse}


@dataclass
class Args:
    movies: Path = ROOT / "games" / "waystone" / "people"
    """input movies: a folder of .txt files, or one file"""
    rom: Path = BUNDLED_ROM
    """the ROM on which they were recorded"""
    out: Path = ROOT / "data" / "demo" / "videos"
    """folder for the videos, named after the movies"""
    fps: tuple[Literal[30, 60], ...] = (30, 60)
    """pictures a second; of several numbers the runs take turns"""
    seed: Seed = 0
    """of the layouts"""
    limit: Count | None = None
    """render only the first so many movies, in order of name"""
    seconds: Positive | None = None
    """render only the first so many seconds of each"""
    overwrite: bool = False
    """render videos again that are already there"""


def render(
    movie: Movie, game: Game, layout: Layout, seed: int, fps: int, seconds: float | None = None
) -> Iterator[av.VideoFrame]:
    """Yield the pictures of a movie in a layout, `fps` a second (30 or 60)."""
    seconds = min(movie.seconds, seconds or movie.seconds)
    scene = Scene(layout, seed, max(1, round(seconds * TICKS_PER_SECOND)))
    screens = replay(game.rom, movie.frames(), FRAMES_PER_SECOND // fps)
    for number, screen in enumerate(islice(screens, round(seconds * fps))):
        yield scene.show(number * TICKS_PER_SECOND // fps, screen[..., 0])


def choose(seed: int) -> list[str]:
    """Return names of layouts in the order in which runs take them, over and over."""
    return np.random.default_rng(seed).permutation(list(WHOLE)).tolist()


def is_made(path: Path, request: dict, overwrite: bool) -> bool:
    """Say whether a video is there.

    Raises ValueError for one of another movie, with other settings, or from elsewhere.
    """
    if overwrite or not path.exists():
        return False
    try:
        with av.open(str(path)) as container:
            had = json.loads(container.metadata.get("comment", "{}"))
    except (av.FFmpegError, ValueError):
        had = {}
    other = [f"{k} {had.get(k, 'unknown')}" for k, value in request.items() if had.get(k) != value]
    if other:
        raise ValueError(
            f"{path} was made with {', '.join(other)}: pass --overwrite to make it again, or "
            "another --out"
        )
    return True


@writes_alone(lambda args: args.out)
def main(args: Args) -> dict:
    """Render what is not there yet; return the videos and their layouts."""
    if not args.fps:
        raise ValueError("expected --fps 30, 60 or both, got none")
    movies = find_movies(args.movies)[: args.limit]
    game = find_game(args.rom)
    order = choose(args.seed)
    made = {}
    for number, movie_path in enumerate(movies):
        movie, path = read_movie(movie_path), args.out / f"{movie_path.stem}.mp4"
        name, fps = order[number % len(order)], args.fps[number % len(args.fps)]
        made[path.name] = request = {
            "movie_sha1": hashlib.sha1(movie_path.read_bytes()).hexdigest(),
            "rom_sha1": game.sha1,
            "layout": name,
            "seed": args.seed + number,
            "fps": fps,
            "seconds": args.seconds,
        }
        told = f"{path.name}: {name}, {fps} fps"
        if is_made(path, request, args.overwrite):
            print(f"{told}, already there")
            continue
        layout = WHOLE[name]
        pictures = render(movie, game, layout, request["seed"], fps, args.seconds)
        total = round(min(movie.seconds, args.seconds or movie.seconds) * fps)
        pictures = tqdm(pictures, desc=told, total=total, unit="picture")
        write_video(path, pictures, fps, layout.crf, "superfast", json.dumps(request))
    print(f"{len(made)} videos in {args.out}")
    return made


if __name__ == "__main__":
    run_script(main, Args)
