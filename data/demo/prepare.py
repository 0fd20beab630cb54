"""Replay the bundled game's recorded runs through the emulator into runs of frames.

Frame t is the screen after step t of 30 frames, from power-on, whatever the timing of a movie; two
steps are a second of game time.

    uv run python data/demo/prepare.py
    uv run python data/demo/prepare.py --limit 2 --out /tmp/frames
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

if not __package__:  # run as a file: Python then looks for modules beside it, not at the top level
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from emurust import VecGameBoy

from cli import Count, run_script
from data.frames import FRAME_SHAPE, REPORT, ROOT, made_here, read_run, write_run
from files import read_json, write_json, writes_alone
from games.game import BUNDLED_ROM, Game, find_game
from games.movie import FRAME_SKIP, FRAMES_PER_SECOND, play, read_movie


@dataclass
class Args:
    movies: Path = ROOT / "games" / "waystone" / "movies"
    """input movies: a folder of .txt files, or one file"""
    rom: Path = BUNDLED_ROM
    """the ROM on which they were recorded"""
    out: Path = ROOT / "data" / "demo" / "frames"
    """folder for the runs; one of the same name is replaced"""
    limit: Count | None = None
    """replay only the first so many movies, in order of name"""
    steps: Count | None = None
    """replay only the first so many steps of each"""


def find_movies(path: Path) -> list[Path]:
    """Return the movies at `path`, sorted. Raises FileNotFoundError when there is none."""
    movies = [path]
    if path.is_dir():
        movies = sorted(movie for movie in path.glob("*.txt") if not movie.name.startswith("."))
    if not movies or not movies[0].is_file():
        raise FileNotFoundError(f"no input movies at {path}: pass --movies FOLDER or FILE.txt")
    return movies


def replay(rom: bytes, buttons: np.ndarray, every: int = FRAME_SKIP) -> Iterator[np.ndarray]:
    """Play the buttons of every frame, (N,), from power-on; yield the screen after `every` of them.

    Screens are (144, 160, 3) uint8, valid until the next one is asked for. Raises ValueError when
    the game locks up.
    """
    game_boy = VecGameBoy(rom, 1, num_threads=1)
    obs = np.empty((1, *FRAME_SHAPE), dtype=np.uint8)
    game_boy.reset(obs)
    for number, locked in enumerate(play(game_boy, buttons, obs, every)):
        if locked:
            seconds = number * every / FRAMES_PER_SECOND
            raise ValueError(f"the game locked up at {seconds:g} s: is this the movie's own ROM?")
        yield obs[0]


def prepare_movie(movie: Path, game: Game, out: Path, steps: int | None) -> dict:
    """Replay one movie into `out`; return the JSON of its run."""
    frames = islice(replay(game.rom, read_movie(movie).frames()), steps)
    fps = FRAMES_PER_SECOND / FRAME_SKIP
    path = write_run(
        out, movie.stem, frames, fps=fps, source=movie.name, palette="grey4", rom_sha1=game.sha1
    )
    return read_run(path).meta


def state_paths(args: Args) -> list[Path]:
    """Return the runs that are in OUT already: those of movies that are gone would stay."""
    names = sorted(made_here(args.out)) if args.out.is_dir() else []
    paths = [args.out / name for name in names if name.endswith((".npy", ".json"))]
    return [path for path in paths if path.is_file()]


def products(args: Args) -> list[Path]:
    """Return the files that others read."""
    return state_paths(args)


def refuse_other_games(args: Args, game: Game) -> None:
    """Raise ValueError where OUT has runs of another ROM: trainings take all that is there."""
    for path in state_paths(args):
        is_run = path.suffix == ".json" and path.name != REPORT
        if is_run and read_json(path).get("rom_sha1", game.sha1) != game.sha1:
            raise ValueError(
                f"expected runs of {game.name} in {args.out}, got {path.name} of another ROM: pass "
                "another --out, or delete them"
            )


@writes_alone(lambda args: args.out)
def main(args: Args) -> dict:
    """Replay the movies; return, and write to OUT/prepare_report.json, what was made."""
    movies = find_movies(args.movies)[: args.limit]
    game = find_game(args.rom)
    refuse_other_games(args, game)
    with ThreadPoolExecutor() as pool:  # the emulator runs without the GIL
        made = pool.map(lambda movie: prepare_movie(movie, game, args.out, args.steps), movies)
        runs = list(tqdm(made, total=len(movies), desc="replay", unit="movie"))
    report = {"runs": runs, "frames": sum(run["frames"] for run in runs), "rom_sha1": game.sha1}
    write_json(args.out / REPORT, report)
    print(f"wrote {len(runs)} runs, {report['frames']:,} frames to {args.out}")
    return report


if __name__ == "__main__":
    run_script(main, Args)
