"""Is the path fooled? Places of agents that were not recorded, against the bundled game's RAM.

    uv run python -m benchmarks.path_truth
    uv run python -m benchmarks.path_truth --policy runs/demo/checkpoints/policy_000050.pkl

A random agent, a masher (A or Start) and, if given, a policy play waystone from power-on. Each
frame that the path is sure of is compared with where the recorded runs are in the same part of the
same map, with no more milestones than the agent has: where they are followed to, or, while that is
not sure, the one place on the path that has their picture. Prints JSON
and writes the 20 worst frames beside what they were taken for. RAM serves for this alone.
"""

import quiet_threads  # noqa: F401

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from emurust import VecGameBoy
from PIL import Image, ImageDraw
from tqdm import trange

from cli import Count, Seed, run_script
from data.demo.prepare import find_movies
from data.frames import find_runs, split_runs
from games.actions import MINDLESS, action_masks
from games.game import BUNDLED_ROM
from games.movie import FRAME_SKIP, HOLD_FRAMES, play, read_movie
from games.waystone.player import State, read_state
from models.actor_critic import load_policy
from models.checkpoint import fitting
from models.follower import Follower
from models.ordering import rank_correlation
from models.path import PathModel, load_path
from playing import Mindless, TrainedAgent, load_guide

NEAR_CELLS = 2


@dataclass
class Args:
    artefacts: Path = Path("runs/demo")
    """folder of a demo: its frames and its path"""
    policy: Path | None = None
    """a policy that plays too, such as a half-trained one"""
    envs: Count = 8
    """episodes of each agent at once"""
    steps: Count = 1000
    """steps of each"""
    out: Path = Path("runs/path_truth.png")
    """picture of the worst frames"""
    seed: Seed = 0
    """of the agents"""


def recorded_places(path: PathModel, artefacts: Path) -> np.ndarray:
    """Return map, milestones, x, y and bin of all frames of the training runs, (T, 5)."""
    names = {run.name for run in split_runs(find_runs(artefacts / "frames"))[0]}
    rows = []
    for movie in find_movies(BUNDLED_ROM.parent / "movies"):
        if movie.stem not in names:
            continue
        game = VecGameBoy(BUNDLED_ROM.read_bytes(), 1)
        obs, follower = np.zeros(game.obs_shape(), dtype=np.uint8), Follower(path, 1)
        game.reset(obs)
        for _ in play(game, read_movie(movie).frames(), obs):
            follower.follow(path.thumbnails(torch.from_numpy(obs)), torch.tensor([0]))
            state = read_state(game)
            places = [follower.progress(torch.tensor([0])).item() * (path.num_bins - 1)]
            if not follower.sure[0]:
                places += aligned_bins(path, obs)
            known = (state.map, state.milestones.bit_count(), state.x, state.y)
            rows += [(*known, place) for place in places]
    return np.array(rows)


def aligned_bins(path: PathModel, frame: np.ndarray) -> list[int]:
    """Return the bins that hold the picture of a frame (1, 144, 160, 3); none if they lie apart."""
    apart = path.everywhere(path.thumbnails(torch.from_numpy(frame)))[0]
    bins = path.bins[apart < 0.1 * path.config.bandwidth].unique().tolist()
    return bins if bins and bins[-1] - bins[0] <= 5 else []


def distance_to_truth(recorded: np.ndarray, state: State, place: float) -> float:
    """Return how many bins a place lies from where the recorded runs were there."""
    same = recorded[(recorded[:, 0] == state.map)]
    same = same[same[:, 1] <= state.milestones.bit_count()]
    if not len(same):
        return np.nan
    cells = np.abs(same[:, 2:4] - (state.x, state.y)).sum(axis=1)
    near = same[cells <= cells.min() + NEAR_CELLS]
    return float(np.abs(near[:, 4] - place).min())


def main(args: Args) -> dict:
    """Play, compare, print and draw; returns the figures."""
    path = load_path(args.artefacts / "reward_path.pkl")
    recorded = recorded_places(path, args.artefacts)
    agents = {name: Mindless(buttons, args.envs, args.seed) for name, buttons in MINDLESS.items()}
    timing = {"frame_skip": FRAME_SKIP, "hold_frames": HOLD_FRAMES}
    if args.policy:
        policy, checkpoint = load_policy(args.policy)
        with fitting(args.policy, "policy"):
            timing = {name: int(checkpoint[name]) for name in timing}
        guide = load_guide(args.policy, checkpoint, "cpu")
        agents["policy"] = TrainedAgent(policy, guide, args.envs, args.seed)
    places, milestones, worst = [], [], []
    results = {}
    for name, agent in agents.items():
        game = VecGameBoy(BUNDLED_ROM.read_bytes(), args.envs, **timing)
        obs = np.zeros(game.obs_shape(), dtype=np.uint8)
        follower, rows = Follower(path, args.envs), torch.arange(args.envs)
        game.reset(obs)
        agent.watch(obs)
        errors = []
        for step in trange(args.steps, desc=name, unit="step"):
            game.step(action_masks(agent.act()[0]), obs)
            agent.watch(obs)
            follower.follow(path.thumbnails(torch.from_numpy(obs)), rows)
            now = (follower.progress(rows) * (path.num_bins - 1)).tolist()
            for env in follower.sure.nonzero()[:, 0].tolist():
                state = read_state(game, env)
                error = distance_to_truth(recorded, state, now[env])
                errors.append(error)
                places.append(now[env])
                milestones.append(state.milestones.bit_count())
                if not np.isnan(error) and (len(worst) < 20 or error > worst[-1][0]):
                    taken_for = path.pictures[nearest_row(path, obs[env], round(now[env]))]
                    label = f"{name} {step}: {error:.1f} bins off, at {now[env]:.0f}"
                    worst.append((error, label, obs[env].copy(), taken_for))
                    worst = sorted(worst, key=lambda row: -row[0])[:20]
        errors = np.array(errors)
        results[name] = {
            "frames": args.envs * args.steps,
            "sure_share": len(errors) / (args.envs * args.steps),
            "bins_off_quantiles": {
                str(q): float(np.nanquantile(errors, q)) for q in (0.5, 0.9, 0.99, 0.999, 1.0)
            },
            "share_over_5_bins": float((errors > 5).sum() / max(1, np.isfinite(errors).sum())),
            "share_where_no_run_was": float(np.isnan(errors).mean()) if len(errors) else 0.0,
        }
    correlation = rank_correlation(np.array(places), np.array(milestones))
    results["rank_correlation_of_sure_places_with_milestones"] = correlation
    args.out.parent.mkdir(parents=True, exist_ok=True)
    draw(worst).save(args.out)
    print(json.dumps(results, indent=2))
    print(f"wrote {args.out}: the worst frames, each left of what it was taken for")
    return results


def nearest_row(path: PathModel, frame: np.ndarray, place: int) -> int:
    """Return the row most like a frame within two bins of a place."""
    distance = path.everywhere(path.thumbnails(torch.from_numpy(frame)[None]))[0]
    far = (path.bins - place).abs() > 2
    return int(distance.masked_fill(far, torch.inf).argmin())


def draw(worst: list[tuple[float, str, np.ndarray, np.ndarray]]) -> Image.Image:
    """Draw frames beside what they were taken for, four pairs in a line."""
    sheet = Image.new("L", (4 * 340, -(-len(worst) // 4) * 164 or 1), 255)
    for i, (_, label, frame, taken_for) in enumerate(worst):
        x, y = i % 4 * 340, i // 4 * 164
        sheet.paste(Image.fromarray(frame[..., 0]), (x, y + 14))
        sheet.paste(Image.fromarray(taken_for[..., 0]), (x + 164, y + 14))
        ImageDraw.Draw(sheet).text((x, y), label, fill=0)
    return sheet


if __name__ == "__main__":
    run_script(main, Args)
