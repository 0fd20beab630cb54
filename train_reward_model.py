"""Learn progress from the order of frames: later in a run is further, and no label says more.

    uv run python train_reward_model.py
    uv run python train_reward_model.py --backbone small --grey --half-size --lr 1e-3 \\
        --batch-size 32 --epochs 20 --time-limit-seconds 180               # on 2 CPU cores

Writes reward_resnet34.pkl (the name is kept for every backbone), reward_path.pkl (nothing to train:
the runs themselves, aligned), and reward_metrics.json, which compares the two on runs that training
never saw. The same command again goes on exactly where it stopped.
"""

import quiet_threads  # noqa: F401

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

import ranks
from cli import Count, CountOrZero, Positive, run_script
from data.frames import (
    ENOUGH_RUNS,
    Run,
    different_runs,
    find_runs,
    sample_pairs,
    split_runs,
    too_little_data,
)
from files import write_json, writes_alone
from models.alignment import Alignment, align_runs, make_path
from models.checkpoint import refuse_to_replace, save_checkpoint
from models.follower import follow_run
from models.ordering import ordering_metrics, rank_correlation
from models.path import PathConfig, save_path
from models.reward_model import RewardModel, RewardModelConfig, bradley_terry_loss
from training import (
    Pretraining,
    TrainingArgs,
    autocast,
    event_log,
    fingerprints,
    forget,
    pick_device,
)

CALIBRATION_SHARE = 0.02  # of each training run, at either end
LOG_DIR = Path("runs/train_reward_model")


@dataclass
class Args(TrainingArgs):
    epochs: CountOrZero = 20
    """passes over the frames"""
    reference_run: str | None = None
    """run that the path is measured along; default: the one with the fewest different frames, of
    those with at least half of the median run's"""
    path_reach: Positive = PathConfig.reach
    """times the recorded pace that a place on the path may lie ahead of the last sure one"""

    backbone: str = "resnet34"
    """resnet34, resnet18, or small (for CPUs)"""
    min_gap_frames: Count = 1
    """least distance of the frames of a pair; distances are log-uniform"""
    max_gap_frames: Count | None = None
    """greatest distance; without it the length of the runs"""


def state_paths(args: Args) -> list[Path]:
    """Return what a continued training goes on from."""
    return [args.out / LOG_DIR / "training_state.pkl"]


def products(args: Args) -> list[Path]:
    """Return the files that others read."""
    names = ("reward_resnet34.pkl", "reward_path.pkl", "reward_metrics.json")
    return [args.out / name for name in names]


@ranks.joined()
@writes_alone(lambda args: args.out / LOG_DIR)
def main(args: Args) -> dict:
    """Train the score, save it, return the metrics.

    Raises ValueError for settings that cannot be, FileNotFoundError when there are no frames.
    """
    config = RewardModelConfig(args.backbone, args.grey, args.half_size)
    if args.max_gap_frames is not None and args.max_gap_frames < args.min_gap_frames:
        raise ValueError(
            f"expected --max-gap-frames of --min-gap-frames ({args.min_gap_frames}) or more, got "
            f"{args.max_gap_frames}"
        )
    ranks.check_divides("--batch-size", args.batch_size)
    device = pick_device(args.device)
    refuse_to_replace(path for path in products(args) if path.suffix == ".pkl")
    runs = find_runs(args.data)
    train, val = split_runs(runs)
    if (lack := too_little_data(runs, ENOUGH_RUNS, args.min_gap_frames + 1)) is not None:
        raise ValueError(lack)
    if ranks.is_first:  # the path first: it tells at once where runs do not fit
        different = different_runs(train, args.reference_run)
        frames = [run.frames for run in different]
        aligned = align_runs(frames, find_named(different, args.reference_run))
        tell_reference(different, aligned)
        path = make_path(frames, aligned, args.path_reach)
        followed = [follow_run(path, run.frames) for run in val]
        if (path.limit == path.num_bins - 1).all():
            print(
                "warning: two runs are too few to say what may be passed unseen, so no place is "
                f"held back from that: {too_little_data(runs) or 'are these runs of one game?'}"
            )

    torch.manual_seed(args.seed)
    model = ranks.synchronised(RewardModel(config).to(device))
    if args.channels_last:
        model.to(memory_format=torch.channels_last)
    if args.fresh:
        forget(state_paths(args))
    with event_log(args.out / LOG_DIR) as writer:
        spent = train_score(args, model, train, val, writer)
    if not ranks.is_first:
        return {}
    save_path(args.out / "reward_path.pkl", path)  # now that nothing was refused
    start, end = run_ends(model, train)
    rises = model.calibrate(start, end)
    if not rises:
        print(
            f"warning: the score does not rise over the training runs ({start:.3g} at their "
            f"start, {end:.3g} at their end): train longer"
        )
    save_checkpoint(args.out / "reward_resnet34.pkl", "reward_model", config, model.state_dict())
    scores = [score_frames(model, run.frames) for run in val]
    metrics = {
        "train_runs": [run.name for run in train],
        "val_runs": [run.name for run in val],
        "training": spent | {"rises_over_training_runs": rises},
        "score": ordering_metrics(scores, [run.fps for run in val]),
    }
    metrics["path"] = ordering_metrics(followed, [run.fps for run in val]) | {
        "ends_at": [float(places[-1]) for places in followed],
        "bins": path.num_bins,
        "counts_on": float((path.limit - torch.arange(path.num_bins)).float().mean()),
        "bandwidth": path.config.bandwidth,
        "pace": path.config.pace,
    }
    write_json(args.out / "reward_metrics.json", metrics)
    print(f"held-out runs: {', '.join(metrics['val_runs'])}")
    print_report("score", metrics["score"])
    print_report("path", metrics["path"])
    return metrics


def find_named(train: list[Run], name: str | None) -> int | None:
    """Return which run has the name, if one is given. Raises ValueError when none has."""
    names = [run.name for run in train]
    if name is not None and name not in names:
        raise ValueError(
            f"expected --reference-run to be a training run ({', '.join(names)}), got {name}"
        )
    return None if name is None else names.index(name)


def tell_reference(runs: list[Run], aligned: Alignment) -> None:
    """Print which run the path is measured along, and which may not be whole."""
    counts, typical = aligned.different, float(np.median(aligned.different))
    print(
        f"path: along {runs[aligned.reference].name}, of {counts[aligned.reference]:,} different "
        f"frames (the median run has {typical:,.0f})"
    )
    few = [run.name for run, count in zip(runs, counts, strict=True) if count < typical / 2]
    if few:
        print(f"warning: less than half as many different frames in {', '.join(few)}: whole runs?")


def train_score(
    args: Args, model: RewardModel, train: list[Run], val: list[Run], writer: SummaryWriter
) -> dict:
    """Fit the Bradley-Terry score. Returns steps, and how long they took."""
    device = model.shift.device
    backbone = torch.compile(model.raw_score) if args.compile else model.raw_score

    def draw(step: int) -> tuple[torch.Tensor, ...]:
        rng = np.random.default_rng([args.seed, 3, step])
        gaps = (args.min_gap_frames, args.max_gap_frames)
        earlier, later, _ = sample_pairs(train, args.batch_size, rng, *gaps)
        return torch.from_numpy(earlier), torch.from_numpy(later)

    training = Pretraining(
        "reward_model",
        args,
        model,
        torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.05, fused=args.fused),
        writer,
        draw,
        outputs=lambda earlier, later: model.raw_score(torch.cat([earlier, later])),
        state=state_paths(args)[0],
        settings=asdict(model.config)
        | {
            "batch_size": args.batch_size,
            "seed": args.seed,
            "min_gap_frames": args.min_gap_frames,
            "max_gap_frames": args.max_gap_frames,
            "train_runs": fingerprints(train),
        },
        epochs=args.epochs,
        epoch_steps=args.steps_per_epoch
        or math.ceil(sum(run.num_frames for run in train) / (2 * args.batch_size)),
        limit_seconds=args.time_limit_seconds,
    )
    with training:
        for _ in training:
            pairs = training.batch()
            with autocast(device, args.precision):
                scores = backbone(torch.cat(pairs)).float()
            earlier, later = scores.chunk(2)
            loss = bradley_terry_loss(earlier, later)
            training.improve(loss)
            in_order = (later > earlier).float().mean()
            training.show({"loss": loss, "pair_accuracy": in_order})
            if training.evaluates:
                with training.held_out() as held_out:
                    some = [run.frames[:: max(1, run.num_frames // 128)] for run in val]
                    scores = [score_frames(model, frames) for frames in some]
                    held_out["voc"] = np.mean(
                        [rank_correlation(run, np.arange(len(run))) for run in scores]
                    )
    return training.summary("frames", 2 * args.batch_size)


@torch.no_grad()
def score_frames(model: RewardModel, frames: np.ndarray) -> np.ndarray:
    """Score frames (T, 144, 160, 3) uint8: (T,) float32. The model is to be in eval mode."""
    chunks = (np.array(frames[i : i + 64]) for i in range(0, len(frames), 64))
    device = model.shift.device
    return torch.cat([model(torch.from_numpy(c).to(device)).cpu() for c in chunks]).numpy()


def run_ends(model: RewardModel, runs: list[Run]) -> tuple[float, float]:
    """Return the median score of the first and of the last 2% of frames of all runs."""
    counts = [max(1, int(run.num_frames * CALIBRATION_SHARE)) for run in runs]
    pairs = list(zip(runs, counts, strict=True))
    starts = [score_frames(model, run.frames[:count]) for run, count in pairs]
    ends = [score_frames(model, run.frames[-count:]) for run, count in pairs]
    return float(np.median(np.concatenate(starts))), float(np.median(np.concatenate(ends)))


def print_report(name: str, metrics: dict) -> None:
    """Print how well one score orders the held-out runs."""
    print(f"{name}: rank correlation with time (VOC) {metrics['voc']['mean']:.3f}")
    rows = {"random pairs": metrics["random_pairs"]} | metrics["by_gap"]
    for label, row in rows.items():
        low, high = row["interval_95"]
        print(
            f"{label:>14}  {row['accuracy']:6.1%} in order  "
            f"(95% {low:.1%} to {high:.1%}, {row['pairs']:,} pairs)"
        )


if __name__ == "__main__":
    run_script(main, Args)
