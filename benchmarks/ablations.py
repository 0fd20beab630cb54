"""What each part of the agent is worth: training runs without it, over several seeds.

With the demo's artefacts in runs/demo (`uv run python demo.py` leaves them there):

    uv run python -m benchmarks.ablations --jobs 2              # all of it: hours on two cores
    uv run python -m benchmarks.ablations --only no-hindsight --seeds 1 --steps 100000

Each condition is trained for the same number of environment steps, in OUT/<condition>/seed<n>. The
same command goes on where it was stopped. Prints a table, and writes ablations.json and
ablations.png: milestones of episodes from power-on over steps.
"""

import quiet_threads  # noqa: F401

import contextlib
import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from tqdm import tqdm

import demo
import train_with_cnn_reward
from benchmarks import told_codes
from cli import Count, Positive, run_script
from files import read_json, write_json, writes_alone
from models import actor_critic
from models.blocks import FITS
from models.checkpoint import load_checkpoint, save_checkpoint
from models.path import PathModel, load_path, save_path
from models.tokenizer import Encoder, TokenizerConfig
from report.statistics import bootstrap_interval

TrainArgs = train_with_cnn_reward.Args


@dataclass
class Args:
    artefacts: Path = Path("runs/demo")
    """folder of a demo: frames, encoder, rewards"""
    out: Path = Path("runs/ablations")
    """folder of the training runs, the table and the curves"""
    steps: Count = 300_000
    """environment steps of each training run"""
    seeds: Count = 3
    """training runs of each condition"""
    jobs: Count = 1
    """training runs at once, which share the cores: several of one thread each are faster than one
    after the other"""
    codes_seconds: Positive = 150.0
    """of training, of the latent actions that one condition needs"""
    only: str = ""
    """conditions, joined by commas, beside the whole agent; default: all"""


def random_encoder(args: Args) -> Path:
    """Make an encoder of the demo's shape that has learned nothing."""
    path = args.out / "random_encoder.pkl"
    config = load_checkpoint(args.artefacts / "pretrained_encoder.pkl", "encoder")["config"]
    torch.manual_seed(0)
    save_checkpoint(path, "encoder", config, Encoder(TokenizerConfig(**config)).state_dict())
    return path


def changed_path(args: Args, name: str, change: Callable[[PathModel], dict]) -> Path:
    """Make a path of which some tensors are others."""
    path, old = args.out / f"path_{name}.pkl", load_path(args.artefacts / "reward_path.pkl")
    save_path(path, old.changed(**change(old)))
    return path


def all_says(path: PathModel) -> dict:
    """Take every picture at its word, also those that recur all along the path."""
    return {"says": torch.ones_like(path.says)}


def goals_of_one_run(args: Args) -> Path:
    """Make a path along which whatever is seen leads to what the most direct run showed next."""
    path = load_path(args.artefacts / "reward_path.pkl")
    moments = [path.start]
    while (following := int(path.following[moments[-1]])) != moments[-1]:
        moments.append(following)
    kept = torch.tensor(sorted(moments))
    of_it = {"shows": path.shows[kept], "left": path.left[kept]}
    of_it["following"] = torch.searchsorted(kept, path.following[kept])
    return changed_path(args, "goals", lambda path: of_it)


def learn_codes(args: Args) -> dict:
    """Make the latent actions that the agent's training looks for."""
    told_codes.make(args.artefacts, args.out, args.codes_seconds)
    return {}


#: What a condition changes in the demo's training, given what it has to make for it.
CONDITIONS: dict[str, Callable[[Args], dict]] = {
    "full": lambda args: {},
    "no-hindsight": lambda args: {"hindsight_coef": 0.0},
    "no-goals": lambda args: {"guide": "none"},
    "goals-of-one-run": lambda args: {"reward_model": goals_of_one_run(args)},
    "no-shifts": lambda args: {},
    "shifts-in-trunk-alone": lambda args: {},
    "habit": lambda args: {},
    "no-information-gate": lambda args: {"reward_model": changed_path(args, "gate", all_says)},
    "random-encoder": lambda args: {"pretrained_encoder": random_encoder(args)},
    "fine-tuned": lambda args: {"finetune_encoder": True},
    "from-scratch": lambda args: {
        "pretrained_encoder": random_encoder(args),
        "finetune_encoder": True,
    },
    "told-codes": learn_codes,
    "no-memory": lambda args: {"gru": False},
    "following-alone": lambda args: {"progress_scale": 0.0, "time_penalty": 0.0},
    "return-filter-0.8": lambda args: {"return_filter": 0.8},
    "no-curriculum": lambda args: {"fresh_share": 1.0},
    "two-passes": lambda args: {"epochs": 2},
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


def no_shifts(seen: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
    """Say of no goal how it fits when it is moved."""
    return seen.new_zeros(len(seen), goals.shape[1] * FITS)


def actor_of_trunk(*args) -> actor_critic.ActorCritic:
    """Return a policy to whose logits the shifts do not add by themselves."""
    policy = actor_critic.ActorCritic(*args)
    policy.fits_head = None
    return policy


#: What a condition replaces in the code: module, name, and what stands there instead.
REPLACED: dict[str, list[tuple[Any, str, Any]]] = {
    "no-shifts": [(actor_critic, "shifts", no_shifts)],
    "shifts-in-trunk-alone": [(train_with_cnn_reward, "ActorCritic", actor_of_trunk)],
    "habit": [(train_with_cnn_reward, "HABIT", 1.0)],
    "told-codes": [
        (train_with_cnn_reward, "ActorCritic", told_codes.actor_of_codes),
        (train_with_cnn_reward, "Agent", told_codes.AgentOfCodes),
    ],
}


def base_args(args: Args) -> TrainArgs:
    """Return the demo's training settings, without a limit of time."""
    train = demo.stage_args("train", args.artefacts)
    iterations = -(-args.steps // (train.num_envs * train.num_steps))
    return replace(train, iterations=iterations, time_limit_minutes=None, snapshots=1)


@dataclass
class Course:
    """What a training run came to, one row an iteration."""

    steps: np.ndarray
    """of all environments, so far"""
    seconds: np.ndarray
    """of training, so far"""
    milestones: np.ndarray
    """mean of the fresh episodes that ended in it; NaN where none did"""

    @classmethod
    def read(cls, path: Path) -> "Course":
        """Read it from a metrics.jsonl."""
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        steps = np.array([row["env_steps"] for row in rows])
        rates = np.array([row["env_steps_per_second"] for row in rows])
        seconds = (np.diff(steps, prepend=0) / rates).cumsum()
        reached = np.array([row.get("fresh_episode/milestones", np.nan) for row in rows])
        return cls(steps, seconds, reached)

    def curve(self, along: str, points: np.ndarray, width: float) -> np.ndarray:
        """Return mean milestones within `width` before points of steps or seconds, (points,)."""
        ended = ~np.isnan(self.milestones)
        at, reached = getattr(self, along)[ended], self.milestones[ended]
        means = [reached[(at > point - width) & (at <= point)] for point in points]
        return np.array([some.mean() if len(some) else np.nan for some in means])


def summarise(courses: list[Course], steps: int, seconds: list[float]) -> dict:
    """Return a condition's figures from its runs, one a seed: in the tenth of them before half the
    steps, the last tenth, and the last tenth of as many seconds as each may take."""
    means = {
        "half": [run.curve("steps", [steps / 2], steps / 10) for run in courses],
        "last": [run.curve("steps", [steps], steps / 10) for run in courses],
        "in_time": [
            run.curve("seconds", [limit], limit / 10)
            for run, limit in zip(courses, seconds, strict=True)
        ],
    }
    figures = {}
    for name, some in means.items():
        reached = np.nan_to_num(np.concatenate(some))  # none ended: nothing reached
        figures[name] = {
            "mean": float(reached.mean()),
            "interval": bootstrap_interval(reached),
            "by_seed": reached.tolist(),
        }
    return figures


def _mean(figures: dict) -> str:
    low, high = figures["interval"]
    return f"{figures['mean']:.1f} [{low:.1f}, {high:.1f}]"


def draw(path: Path, points: np.ndarray, curves: dict[str, np.ndarray]) -> None:
    """Draw each condition's seeds as lines, before the mean of the first condition in grey."""
    import matplotlib  # costs a second, and the processes that train have no use for it

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    columns = min(4, len(curves))
    rows = -(-len(curves) // columns)
    figure, all_axes = plt.subplots(
        rows, columns, figsize=(3.2 * columns, 2.4 * rows), sharex=True, sharey=True, squeeze=False
    )
    first = np.nan_to_num(next(iter(curves.values()))).mean(axis=0)
    for axes, (name, lines) in zip(all_axes.flat, curves.items(), strict=False):
        axes.plot(points / 1000, first, color="0.75", linewidth=4)
        axes.plot(points / 1000, lines.T, linewidth=1)
        axes.set_title(name, fontsize=9)
    for axes in all_axes.flat[len(curves) :]:
        axes.axis("off")
    figure.supxlabel("environment steps, thousands", fontsize=9)
    figure.supylabel("milestones of fresh episodes, of 16", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


#: In a worker: set once no further run is to begin.
is_over: Any = None


def begin_worker(turn, over, jobs: int, threads: int) -> None:
    """Take this worker's share of the cores. Ctrl-C is for the runs that it trains alone."""
    global is_over
    is_over = over
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with turn.get_lock():
        number, turn.value = turn.value, turn.value + 1
    if hasattr(os, "sched_setaffinity"):  # the emulator's threads keep to it, too
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[number % len(cores) :: jobs])
    torch.set_num_threads(threads)


def train(name: str, args: TrainArgs) -> None:
    """Train one run of a condition, unless all is over; what it says goes into its folder."""
    if is_over.is_set():
        return
    args.out.mkdir(parents=True, exist_ok=True)
    with (
        (args.out / "log.txt").open("a") as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
        contextlib.ExitStack() as replaced,
    ):
        for part in REPLACED.get(name, ()):
            replaced.enter_context(patch.object(*part))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            train_with_cnn_reward.main(args)
        except BaseException:
            is_over.set()  # at once: this worker may have the next run already
            raise
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def train_all(runs: list[tuple[str, TrainArgs]], jobs: int) -> None:
    """Train runs, `jobs` at once; after one that fails no other begins."""
    jobs = min(jobs, len(runs))
    context = multiprocessing.get_context("spawn")
    over, threads = context.Event(), max(1, torch.get_num_threads() // jobs)
    shared = (context.Value("i", 0), over, jobs, threads)
    with ProcessPoolExecutor(jobs, context, begin_worker, shared) as pool:
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the workers while they start
        waiting = [pool.submit(train, *run) for run in runs]
        signal.signal(signal.SIGINT, handler)
        try:
            for future in tqdm(as_completed(waiting), total=len(waiting), unit="run"):
                future.result()
        except BaseException:
            over.set()
            raise


@writes_alone(lambda args: args.out)
def main(args: Args) -> dict:
    """Train what is not yet trained; returns, by condition, its figures."""
    names = args.only.split(",") if args.only else CONDITIONS
    names = list(dict.fromkeys(["full", *names]))  # what all are compared with
    if unknown := [name for name in names if name not in CONDITIONS]:
        raise ValueError(f"expected --only from {', '.join(CONDITIONS)}, got {', '.join(unknown)}")
    args.out.mkdir(parents=True, exist_ok=True)
    base = base_args(args)
    changes = {name: CONDITIONS[name](args) for name in names}
    runs = [  # a seed of each condition first: where all of it takes days, there is a table sooner
        (name, replace(base, **changes[name], seed=seed, out=args.out / name / f"seed{seed}"))
        for seed in range(args.seeds)
        for name in names
    ]
    print(f"{len(runs)} training runs of {args.steps:,} steps, each with a log.txt in {args.out}")
    train_all(runs, args.jobs)
    points = np.linspace(args.steps / 30, args.steps, 30)
    courses: dict[str, list[Course]] = {name: [] for name in names}
    for name, run in runs:
        courses[name].append(Course.read(run.out / "metrics.jsonl"))
    seconds = [run.seconds[-1] for run in courses["full"]]
    curves = {
        name: np.stack([run.curve("steps", points, args.steps / 10) for run in some])
        for name, some in courses.items()
    }
    draw(args.out / "ablations.png", points, curves)
    results = {name: summarise(some, args.steps, seconds) for name, some in courses.items()}
    table = args.out / "ablations.json"
    known = read_json(table) if table.exists() else {}
    same = (known.get("steps"), known.get("seeds")) == (args.steps, args.seeds)
    conditions = (known["conditions"] if same else {}) | results
    write_json(table, {"steps": args.steps, "seeds": args.seeds, "conditions": conditions})
    print(f"\nmilestones of fresh episodes in a tenth of {args.steps:,} steps, {args.seeds} seeds")
    columns = ("", "at half the steps", "at the end", "as long as full", "by seed, at the end")
    print(f"{columns[0]:26}" + "".join(f"{name:22}" for name in columns[1:]))
    for name, row in results.items():
        cells = "".join(f"{_mean(part):22}" for part in row.values())
        print(f"{name:26}{cells}" + ", ".join(f"{end:.1f}" for end in row["last"]["by_seed"]))
    return results


if __name__ == "__main__":
    run_script(main, Args)
