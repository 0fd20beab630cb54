"""Measure how hard a bundled game is: who reaches which milestones, from power-on.

    uv run python -m games.difficulty --seeds 32
    uv run python -m games.difficulty --game emberwick --steps 8000
    uv run python -m games.difficulty --seeds 4 --steps 500

Random presses any of the eight buttons, the masher A or Start, each step anew; the scripted player
reads RAM and wins.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from emurust import VecGameBoy

from cli import Count, run_script
from files import write_json
from games.actions import ACTION_MASKS, BUTTONS, MINDLESS
from games.game import ROOT, Game, find_game
from games.movie import FRAME_SKIP, HOLD_FRAMES


@dataclass
class Args:
    game: Literal["waystone", "emberwick"] = "waystone"
    """whose difficulty"""
    seeds: Count = 32
    """playthroughs of each player"""
    steps: Count = 2000
    """length of a playthrough of random buttons, in steps of 30 frames"""
    out: Path | None = None
    """also write the figures as JSON to this file"""


def play(game: Game, buttons: tuple[str, ...], seeds: int, steps: int) -> np.ndarray:
    """Press `buttons` at random in `seeds` games. Returns the milestones reached, (seeds, M) bool.

    Game i draws from the generator of seed i, so it is the same however many are played.
    """
    masks = ACTION_MASKS[[BUTTONS.index(name) for name in buttons]]
    actions = np.stack(
        [
            masks[np.random.default_rng(seed).integers(len(masks), size=steps)]
            for seed in range(seeds)
        ]
    )
    games = VecGameBoy(game.rom, seeds, FRAME_SKIP, hold_frames=HOLD_FRAMES)
    obs = np.empty(games.obs_shape(), dtype=np.uint8)
    games.reset(obs)
    reached = np.zeros((seeds, len(game.milestones)), dtype=bool)
    for step in range(steps):
        games.step(actions[:, step], obs)
        reached |= game.milestones_held(games.read_memory_batch)
    return reached


def summary(reached: np.ndarray) -> dict:
    """Return figures over playthroughs of their milestones (N, M) bool."""
    counts = reached.sum(axis=1)
    return {
        "median": float(np.median(counts)),
        "least": int(counts.min()),
        "most": int(counts.max()),
        "endings": int(reached[:, -1].sum()),
    }


def main(args: Args) -> dict:
    """Play, print the table, return the figures."""
    game = find_game(ROOT / "games" / args.game / f"{args.game}.gb")
    player_of = importlib.import_module(f"games.{args.game}.player").Player
    report = {}
    for name, buttons in MINDLESS.items():
        report[name] = summary(play(game, buttons, args.seeds, args.steps))
    players = [player_of(game.rom, seed) for seed in range(args.seeds)]
    for player in players:
        player.win()
    lengths = [player.won_at for player in players]
    held = np.array([game.milestones_held(player.game.read_memory_batch)[0] for player in players])
    report["scripted"] = summary(held) | {
        "steps_median": float(np.median(lengths)),
        "steps_least": min(lengths),
        "steps_most": max(lengths),
    }
    print(f"| player | median of {len(game.milestones)} | least to most | endings |")
    print("|---|---|---|---|")
    for name, row in report.items():
        print(
            f"| {name} | {row['median']:g} | {row['least']} to {row['most']} | {row['endings']} |"
        )
    print(
        f"steps of the scripted player: {min(lengths)} to {max(lengths)}, "
        f"median {np.median(lengths):g}"
    )
    if args.out:
        write_json(args.out, report)
    return report


if __name__ == "__main__":
    run_script(main, Args)
