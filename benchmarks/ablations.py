"""What each part of the agent is worth: training runs without it, over several seeds.

With the demo's artefacts in runs/demo (`uv run python demo.py` leaves them there):

    uv run python -m benchmarks.ablations                       # all of it: hours on two cores
    uv run python -m benchmarks.ablations --only full,no-hindsight --seeds 1 --steps 100000

Each condition is trained for the same number of environment steps, one after the other, in
OUT/<condition>/seed<n>. The same command goes on where it was stopped. Prints a table, and writes
ablations.json and ablations.png: milestones of episodes from power-on over steps.
"""

import quiet_threads  # noqa: F401

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import torch

import demo
import train_with_cnn_reward
from cli import run_script
from data.frames import find_runs, split_runs
from evaluate_policy import bootstrap_interval
from models.alignment import different_frames, fit_path
from models.checkpoint import load_checkpoint, save_checkpoint
from models.path import PathModel, load_path, save_path
from models.tokenizer import Encoder, TokenizerConfig
from training import write_json

TrainArgs = train_with_cnn_reward.Args


@dataclass
class Args:
    artefacts: Path = Path("runs/demo")
    """folder of a demo: frames, encoder, rewards"""
    out: Path = Path("runs/ablations")
    """folder of the training runs, the table and the curves"""
    steps: int = 300_000
    """environment steps of each training run"""
    seeds: int = 3
    """training runs of each condition"""
    only: str = ""
    """conditions, joined by commas; default: all"""


def random_encoder(args: Args) -> Path:
    """Make an encoder of the demo's shape that has learned nothing."""
    path = args.out / "random_encoder.pkl"
    config = load_checkpoint(args.artefacts / "pretrained_encoder.pkl", "encoder")["config"]
    torch.manual_seed(0)
    save_checkpoint(path, "encoder", config, Encoder(TokenizerConfig(**config)).state_dict())
    return path


def reference_alone(args: Args) -> Path:
    """Make a path of the reference run alone: its goals, its places, and nothing shared."""
    path = args.out / "path_of_the_reference.pkl"
    runs = [run.frames for run in split_runs(find_runs(args.artefacts / "frames"))[0]]
    save_path(path, fit_path([min(runs, key=different_frames)]))
    return path


def changed_path(args: Args, name: str, **changes) -> Path:
    """Make a path with another config."""
    path, old = args.out / f"path_{name}.pkl", load_path(args.artefacts / "reward_path.pkl")
    tensors = (old.bank, old.bins, old.next_row, old.frames_left, old.shared)
    save_path(path, PathModel(replace(old.config, **changes), *tensors, old.pictures))
    return path


#: What a condition changes in the demo's training, given what it has to make for it.
CONDITIONS: dict[str, Callable[[Args], dict]] = {
    "full": lambda args: {},
    "no-hindsight": lambda args: {"hindsight_coef": 0.0},
    "no-goals": lambda args: {"guide": "none"},
    "reference-run-alone": lambda args: {"reward_model": reference_alone(args)},
    "no-information-gate": lambda args: {"reward_model": changed_path(args, "gate", focus=1e9)},
    "random-encoder": lambda args: {"pretrained_encoder": random_encoder(args)},
    "following-alone": lambda args: {"progress_scale": 0.0, "time_penalty": 0.0},
    "return-filter-0.8": lambda args: {"return_filter": 0.8},
    "no-curriculum": lambda args: {"fresh_share": 1.0},
    "novelty-0": lambda args: {"novelty_coef": 0.0},
    "novelty-0.05": lambda args: {"novelty_coef": 0.05},
    "one-frame-score": lambda args: {
        "reward_model": args.artefacts / "reward_resnet34.pkl",
        "reward_interval": 64,
    },
    "one-frame-score-no-guide": lambda args: {
        "reward_model": args.artefacts / "reward_resnet34.pkl",
        "reward_interval": 64,
        "guide": "none",
    },
}


def base_args(args: Args) -> TrainArgs:
    """Return the demo's training settings, without a limit of time."""
    stages = demo.make_stages(demo.Args(), args.artefacts)
    (train,) = (stage.args for stage in stages if stage.name == "train")
    iterations = -(-args.steps // (train.num_envs * train.num_steps))
    return replace(train, iterations=iterations, time_limit_minutes=None, snapshots=1)


def read_curve(path: Path, points: np.ndarray, width: int) -> np.ndarray:
    """Return mean milestones of fresh episodes that ended within `width` steps before points."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows = [row for row in rows if "fresh_episode/milestones" in row]
    steps = np.array([row["env_steps"] for row in rows])
    milestones = np.array([row["fresh_episode/milestones"] for row in rows])
    means = [milestones[(steps > point - width) & (steps <= point)] for point in points]
    return np.array([some.mean() if len(some) else np.nan for some in means])


def summarise(curves: np.ndarray) -> dict:
    """Return figures of a condition from its curves, (seeds, points): the end, and by seed."""
    ends = np.nan_to_num(curves[:, -1])  # no episode from power-on ended: none reached anything
    low, high = bootstrap_interval(ends)
    return {"mean": float(ends.mean()), "interval": [low, high], "by_seed": ends.tolist()}


def draw(path: Path, points: np.ndarray, curves: dict[str, np.ndarray]) -> None:
    """Draw each condition's mean over seeds, with its least and greatest."""
    figure, axes = plt.subplots(figsize=(10, 6))
    colours = plt.get_cmap("tab20")
    for number, (name, lines) in enumerate(curves.items()):
        colour = colours(number)
        axes.plot(points / 1000, lines.mean(axis=0), color=colour, label=name)
        axes.fill_between(
            points / 1000, lines.min(axis=0), lines.max(axis=0), color=colour, alpha=0.15
        )
    axes.set(xlabel="environment steps, thousands", ylabel="milestones of fresh episodes, of 16")
    axes.legend(fontsize=8, loc="upper left")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main(args: Args) -> dict:
    """Train what is not yet trained; returns, by condition, its figures."""
    names = args.only.split(",") if args.only else list(CONDITIONS)
    if unknown := [name for name in names if name not in CONDITIONS]:
        raise ValueError(f"expected --only from {', '.join(CONDITIONS)}, got {', '.join(unknown)}")
    if args.seeds < 1 or args.steps < 1:
        raise ValueError(
            f"expected --seeds and --steps of 1 or more, got {args.seeds}, {args.steps}"
        )
    args.out.mkdir(parents=True, exist_ok=True)
    base = base_args(args)
    points = np.linspace(args.steps / 30, args.steps, 30)
    curves = {}
    for name in names:
        changes, lines = CONDITIONS[name](args), []
        for seed in range(args.seeds):
            out = args.out / name / f"seed{seed}"
            print(f"\n{name}, seed {seed}")
            train_with_cnn_reward.main(replace(base, **changes, seed=seed, out=out))
            lines.append(read_curve(out / "metrics.jsonl", points, args.steps // 10))
        curves[name] = np.stack(lines)
        draw(args.out / "ablations.png", points, curves)
    results = {name: summarise(lines) for name, lines in curves.items()}
    table = args.out / "ablations.json"
    known = json.loads(table.read_text()) if table.exists() else {}
    same = (known.get("steps"), known.get("seeds")) == (args.steps, args.seeds)
    conditions = (known["conditions"] if same else {}) | results
    write_json(table, {"steps": args.steps, "seeds": args.seeds, "conditions": conditions})
    print(f"\nmilestones of fresh episodes, last tenth of {args.steps:,} steps, {args.seeds} seeds")
    for name, row in results.items():
        low, high = row["interval"]
        seeds = ", ".join(f"{end:.1f}" for end in row["by_seed"])
        print(f"{name:26} {row['mean']:5.2f} [{low:.2f}, {high:.2f}]   by seed: {seeds}")
    return results


if __name__ == "__main__":
    run_script(main, Args)
