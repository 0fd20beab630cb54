"""Pretrain the eyes on recorded play, no actions needed: a tokenizer (1A), then its dynamics (1B).

    uv run python pretrain_visual.py --epochs 100
    uv run python pretrain_visual.py --precision bf16 --compile          # on a GPU
    uv run python pretrain_visual.py --grey --half-size --widths 16 16 32 64 --batch-size 16 \\
        --lr 2e-3 --dynamics-width 64 --dynamics-depth 2 --time-limit-seconds 300   # on 2 CPU cores

Writes pretrained_tokenizer.pkl, pretrained_encoder.pkl (what the policy sees with),
pretrained_dynamics.pkl, and pretrain_metrics.json with figures from runs that training never saw.
The same command again goes on exactly where it stopped.
"""

import quiet_threads  # noqa: F401

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from cli import run_script
from data.frames import ENOUGH_RUNS, Run, find_runs, sample_frames, split_runs, too_little_data
from models.blocks import GRID, RunningRMS
from models.checkpoint import refuse_to_replace, save_checkpoint
from models.dynamics import Dynamics, DynamicsConfig
from models.perceptual import PerceptualDistance
from models.tokenizer import Encoder, Tokenizer, TokenizerConfig
from training import (
    autocast,
    fingerprints,
    forget,
    learning_rate,
    load_state,
    pick_device,
    save_state,
    training_progress,
    write_json,
)

HORIZONS_FRAMES = (1, 2, 4, 8)
CHANGED_PIXELS = 0.01  # a frame has changed when more than this share of its pixels has
DYNAMICS_TIME_SHARE = 0.25  # of --time-limit-seconds
NUM_EVAL_FRAMES = 512
LOG_DIR = Path("runs/pretrain_visual")


@dataclass
class Args:
    epochs: int = 100
    """passes over the frames to train the tokenizer"""
    dynamics_epochs: int = 20
    """passes over the frames to train the dynamics"""
    data: Path | None = None
    """folder of runs; without it data/speedruns/frames, or else data/demo/frames"""
    out: Path = Path(".")
    """folder for the artefacts; logs and the training state go to runs/pretrain_visual in it"""
    batch_size: int = 64
    """frames (1A) or windows of frames (1B) a step"""
    lr: float = 3e-4
    """peak learning rate of AdamW"""
    seed: int = 0
    """of the weights and the batches; every seed holds out the same runs"""
    steps_per_epoch: int | None = None
    """steps that count as an epoch; without it as many as show every frame once"""
    time_limit_seconds: float | None = None
    """stop training after this long, evaluate and save; a quarter of it is for the dynamics"""
    save_every_seconds: float = 60.0
    """how much work a crash may cost"""
    fresh: bool = False
    """start again, whatever an earlier training left"""

    grey: bool = False
    """see one channel instead of RGB"""
    half_size: bool = False
    """see 72x80 pixels instead of 144x160"""
    widths: tuple[int, int, int, int] = (32, 64, 128, 192)
    """channels of the tokenizer's stages; --half-size does without the first"""
    latent_channels: int = 16
    """channels of the latents on the 9x10 grid"""
    lpips_weight: float = 0.2
    """weight of LPIPS beside the squared error; 0 leaves it out"""
    lpips_net: str = "alex"
    """backbone of LPIPS: alex or vgg"""
    lpips_weights: Path | None = None
    """file of that backbone's weights (torchvision's), for machines that cannot download them"""
    mask_max: float = 0.0
    """hide a share of the tiles, drawn from 0 to this, from the encoder (Dreamer 4 has 0.9)"""

    dynamics: str = "transformer"
    """transformer or mlp"""
    context_frames: int = 4
    """frames that the dynamics sees"""
    dynamics_width: int = 128
    """channels of its tokens"""
    dynamics_depth: int = 4
    """its layers"""

    device: str = "auto"
    """auto, cpu or cuda"""
    precision: str = "float32"
    """float32 or bf16 (fast on a GPU, very slow on most CPUs)"""
    channels_last: bool = True
    """lay images out channels last: faster convolutions on most machines"""
    compile: bool = False
    """compile the models: a minute at the start, then faster, on a GPU"""


def state_paths(args: Args) -> list[Path]:
    """Return what a continued training goes on from: the tokenizer's state, the dynamics'."""
    return [args.out / LOG_DIR / f"{model}_state.pkl" for model in ("tokenizer", "dynamics")]


def main(args: Args) -> dict:
    """Train both stages, save the artefacts, return the metrics.

    Raises ValueError for settings that cannot be, FileNotFoundError when there are no frames.
    """
    config = TokenizerConfig(args.widths, args.latent_channels, args.grey, args.half_size)
    dynamics_config = DynamicsConfig(
        config.latent_channels,
        args.dynamics,
        args.context_frames,
        args.dynamics_width,
        args.dynamics_depth,
    )
    if not 0 <= args.mask_max <= 1 or args.lpips_weight < 0 or args.batch_size < 1:
        raise ValueError(
            "expected --mask-max in [0, 1], --lpips-weight >= 0 and --batch-size >= 1, got "
            f"{args.mask_max}, {args.lpips_weight} and {args.batch_size}"
        )
    device = pick_device(args.device)
    autocast(device, args.precision)  # complains before the work, not after it
    models = ("tokenizer", "encoder", "dynamics")
    refuse_to_replace(args.out / f"pretrained_{model}.pkl" for model in models)
    runs = find_runs(args.data)
    train, val = split_runs(runs)
    longest_window = args.context_frames + max(HORIZONS_FRAMES)
    if (lack := too_little_data(runs, ENOUGH_RUNS, longest_window)) is not None:
        raise ValueError(lack)
    lpips = None
    if args.lpips_weight > 0:
        lpips = PerceptualDistance(args.lpips_net, args.lpips_weights).to(device)

    torch.manual_seed(args.seed)
    tokenizer = Tokenizer(config).to(device)
    dynamics = Dynamics(dynamics_config).to(device)
    if args.channels_last:
        tokenizer.to(memory_format=torch.channels_last)
        if lpips is not None:
            lpips.to(memory_format=torch.channels_last)
    log_dir = args.out / LOG_DIR
    if args.fresh:
        forget(state_paths(args))
    with SummaryWriter(log_dir) as writer:
        spent = train_tokenizer(args, tokenizer, lpips, train, val, writer)
        tokenizer_metrics = spent | evaluate_tokenizer(tokenizer, lpips, val)
        tokenizer.eval().requires_grad_(False)
        Image.fromarray(reconstruction_grid(tokenizer, val)).save(log_dir / "reconstructions.png")
        save_checkpoint(
            args.out / "pretrained_tokenizer.pkl", "tokenizer", config, tokenizer.state_dict()
        )
        save_checkpoint(
            args.out / "pretrained_encoder.pkl", "encoder", config, tokenizer.encoder.state_dict()
        )

        train_latents = [encode_run(tokenizer.encoder, run) for run in train]
        val_latents = [encode_run(tokenizer.encoder, run) for run in val]
        spent = train_dynamics(args, dynamics, train_latents, (val, val_latents), writer)
        skill = evaluate_dynamics(dynamics, val, val_latents, HORIZONS_FRAMES)
        save_checkpoint(
            args.out / "pretrained_dynamics.pkl", "dynamics", dynamics_config, dynamics.state_dict()
        )
    metrics = {
        "train_runs": [run.name for run in train],
        "val_runs": [run.name for run in val],
        "tokenizer": tokenizer_metrics,
        "dynamics": spent | {"by_horizon_frames": skill},
    }
    write_json(args.out / "pretrain_metrics.json", metrics)
    print_report(metrics)
    return metrics


def train_tokenizer(
    args: Args,
    tokenizer: Tokenizer,
    lpips: PerceptualDistance | None,
    train: list[Run],
    val: list[Run],
    writer: SummaryWriter,
) -> dict:
    """Stage 1A: reconstruct frames. Returns steps, and how long they took."""
    device = tokenizer.mask_colour.device
    model = torch.compile(tokenizer) if args.compile else tokenizer
    optimizer = torch.optim.AdamW(tokenizer.parameters(), lr=args.lr, fused=True)
    mse_rms, lpips_rms = RunningRMS().to(device), RunningRMS().to(device)
    parts = {"model": tokenizer, "optimizer": optimizer, "mse": mse_rms, "lpips": lpips_rms}
    settings = asdict(tokenizer.config) | {
        "batch_size": args.batch_size,
        "lr": args.lr,
        "seed": args.seed,
        "lpips_weight": args.lpips_weight,
        "lpips_net": args.lpips_net,
        "mask_max": args.mask_max,
        "train_runs": fingerprints(train),
    }
    state, dynamics_state = state_paths(args)
    step, clock = load_state(state, settings, parts)
    epoch_steps = args.steps_per_epoch or math.ceil(
        sum(run.num_frames for run in train) / args.batch_size
    )
    total = args.epochs * epoch_steps
    limit = share_of_limit(args, 1 - DYNAMICS_TIME_SHARE)
    saved_at = clock.seconds
    if training_progress(step, total, clock.seconds, limit) < 1:
        # Latents are about to change: what dynamics learned on the old ones is void.
        dynamics_state.unlink(missing_ok=True)
    bar = tqdm(total=total, initial=step, desc="tokenizer", unit="step")
    while (progress := training_progress(step, total, clock.seconds, limit)) < 1:
        began = time.perf_counter()
        # Batches depend on (seed, step) alone, so a resumed training sees what it would have seen.
        rng = np.random.default_rng([args.seed, 1, step])
        frames = torch.from_numpy(sample_frames(train, args.batch_size, rng))
        clock.data_seconds += time.perf_counter() - began
        images = tokenizer.preprocess(frames.to(device))
        hidden = None
        if args.mask_max > 0:
            share = rng.uniform(0, args.mask_max, (args.batch_size, 1, 1))
            hidden = torch.from_numpy(rng.random((args.batch_size, *GRID)) < share).to(device)
        with autocast(device, args.precision):
            output = model(images, hidden)
            mse = F.mse_loss(output.float(), images)
            loss = mse_rms(mse)
            if lpips is not None:
                distance = lpips(output, images).float().mean()
                loss = loss + args.lpips_weight * lpips_rms(distance)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(args.lr, step, progress)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
        bar.update()
        if step % 20 == 0:
            writer.add_scalar("tokenizer/mse", mse.item(), step)
            writer.add_scalar("tokenizer/data_wait_share", clock.data_wait_share, step)
            if lpips is not None:
                writer.add_scalar("tokenizer/lpips", distance.item(), step)
            bar.set_postfix(mse=f"{mse.item():.5f}")
        clock.seconds += time.perf_counter() - began
        if step % epoch_steps == 0 or clock.seconds - saved_at > args.save_every_seconds:
            save_state(state, settings, parts, step, clock)
            saved_at = clock.seconds
        if step % epoch_steps == 0:
            metrics = evaluate_tokenizer(tokenizer, lpips, val, num_frames=128)
            for name, value in metrics.items():
                if value is not None:
                    writer.add_scalar(f"tokenizer_val/{name}", value, step)
            grid = reconstruction_grid(tokenizer, val)
            writer.add_image("tokenizer_val/reconstructions", grid, step, dataformats="HWC")
    bar.close()
    save_state(state, settings, parts, step, clock)
    return {"steps": step} | clock.summary("frames", step * args.batch_size)


def share_of_limit(args: Args, share: float) -> float | None:
    """Return the seconds that one stage may take; None is no limit."""
    return None if args.time_limit_seconds is None else args.time_limit_seconds * share


def evenly_spaced_frames(runs: list[Run], count: int) -> torch.Tensor:
    """Return about `count` frames of all runs, evenly spaced: (B, 144, 160, 3) uint8."""
    stride = max(1, sum(run.num_frames for run in runs) // count)
    return torch.from_numpy(np.concatenate([run.frames[::stride] for run in runs]))


@torch.no_grad()
def evaluate_tokenizer(
    tokenizer: Tokenizer,
    lpips: PerceptualDistance | None,
    runs: list[Run],
    num_frames: int = NUM_EVAL_FRAMES,
) -> dict:
    """Measure PSNR of the mean squared error in dB, LPIPS, and the spread of the latents."""
    device = tokenizer.mask_colour.device
    squares, distances, latents = [], [], []
    for frames in evenly_spaced_frames(runs, num_frames).split(64):
        images = tokenizer.preprocess(frames.to(device))
        z = tokenizer.encode(images)
        output = tokenizer.decode(z).clamp(0, 1)
        squares.append((output - images).square().mean(dim=(1, 2, 3)))
        latents.append(z)
        if lpips is not None:
            distances.append(lpips(output, images))
    mse = torch.cat(squares).mean().item()
    return {
        "psnr_db": -10 * math.log10(max(mse, 1e-10)),
        "lpips": torch.cat(distances).mean().item() if distances else None,
        "latent_std": torch.cat(latents).std(dim=0).mean().item(),
    }


@torch.no_grad()
def reconstruction_grid(tokenizer: Tokenizer, runs: list[Run], columns: int = 8) -> np.ndarray:
    """Draw frames of `runs` above their reconstructions: (2 H, columns W, 3) uint8."""
    frames = evenly_spaced_frames(runs, columns)[:columns].to(tokenizer.mask_colour.device)
    images = tokenizer.preprocess(frames)
    rows = [torch.cat(list(x), dim=2) for x in (images, tokenizer(images).clamp(0, 1))]
    grid = torch.cat(rows, dim=1).expand(3, -1, -1)  # (3, 2 H, columns W)
    return (grid.permute(1, 2, 0) * 255).round().byte().cpu().numpy()


@torch.no_grad()
def encode_run(encoder: Encoder, run: Run) -> torch.Tensor:
    """Encode a whole run: (T, D, 9, 10) float16 on the CPU."""
    device = next(encoder.parameters()).device
    chunks = (np.array(run.frames[i : i + 64]) for i in range(0, run.num_frames, 64))
    return torch.cat([encoder(torch.from_numpy(c).to(device)).half().cpu() for c in chunks])


def train_dynamics(
    args: Args,
    dynamics: Dynamics,
    latents: list[torch.Tensor],
    held_out: tuple[list[Run], list[torch.Tensor]],
    writer: SummaryWriter,
) -> dict:
    """Stage 1B: predict the next latents. Returns steps, and how long they took."""
    device = next(dynamics.parameters()).device
    model = torch.compile(dynamics) if args.compile else dynamics
    optimizer = torch.optim.AdamW(dynamics.parameters(), lr=args.lr, fused=True)
    parts = {"model": dynamics, "optimizer": optimizer}
    settings = asdict(dynamics.config) | {
        "batch_size": args.batch_size,
        "lr": args.lr,
        "seed": args.seed,
    }
    _, state = state_paths(args)
    step, clock = load_state(state, settings, parts)
    epoch_steps = args.steps_per_epoch or math.ceil(sum(map(len, latents)) / args.batch_size)
    total = args.dynamics_epochs * epoch_steps
    limit = share_of_limit(args, DYNAMICS_TIME_SHARE)
    saved_at = clock.seconds
    bar = tqdm(total=total, initial=step, desc="dynamics", unit="step")
    while (progress := training_progress(step, total, clock.seconds, limit)) < 1:
        began = time.perf_counter()
        rng = np.random.default_rng([args.seed, 2, step])
        windows = sample_windows(latents, args.batch_size, args.context_frames + 1, rng)
        clock.data_seconds += time.perf_counter() - began
        windows = windows.to(device).float()
        with autocast(device, args.precision):
            loss = F.mse_loss(model(windows[:, :-1]).float(), windows[:, -1])
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(args.lr, step, progress)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
        bar.update()
        if step % 20 == 0:
            mse_copy = F.mse_loss(windows[:, -2], windows[:, -1]).item()
            writer.add_scalar("dynamics/mse", loss.item(), step)
            writer.add_scalar("dynamics/mse_copy", mse_copy, step)
            writer.add_scalar("dynamics/data_wait_share", clock.data_wait_share, step)
            bar.set_postfix(mse=f"{loss.item():.5f}", mse_copy=f"{mse_copy:.5f}")
        clock.seconds += time.perf_counter() - began
        if step % epoch_steps == 0 or clock.seconds - saved_at > args.save_every_seconds:
            save_state(state, settings, parts, step, clock)
            saved_at = clock.seconds
        if step % epoch_steps == 0:
            metrics = evaluate_dynamics(dynamics, *held_out, (1,), num_windows=128)["1"]
            writer.add_scalar("dynamics_val/skill", metrics["skill"], step)
            writer.add_scalar("dynamics_val/skill_changed", metrics["skill_changed"], step)
    bar.close()
    save_state(state, settings, parts, step, clock)
    return {"steps": step} | clock.summary("windows", step * args.batch_size)


def sample_windows(
    latents: list[torch.Tensor], batch: int, length: int, rng: np.random.Generator
) -> torch.Tensor:
    """Draw windows of `length` consecutive latents of one run: (batch, length, D, 9, 10)."""
    places = np.array([len(run) - length + 1 for run in latents])
    which = rng.choice(len(latents), batch, p=places / places.sum())
    starts = rng.integers(places[which])
    return torch.stack([latents[i][s : s + length] for i, s in zip(which, starts, strict=True)])


@torch.no_grad()
def evaluate_dynamics(
    dynamics: Dynamics,
    runs: list[Run],
    latents: list[torch.Tensor],
    horizons: tuple[int, ...],
    num_windows: int = NUM_EVAL_FRAMES,
) -> dict[str, dict]:
    """Compare rollouts with copying the last latents, by horizon in frames.

    Skill is 1 - mse / mse_copy: 0 is no better than copying, 1 is perfect. `_changed` counts only
    windows where more than 1% of the pixels differ between the last frame seen and the one to be
    predicted.
    """
    device = next(dynamics.parameters()).device
    K, reach = dynamics.config.context_frames, max(horizons)
    starts = [(i, s) for i, z in enumerate(latents) for s in range(len(z) - K - reach + 1)]
    starts = starts[:: max(1, len(starts) // num_windows)]
    windows = torch.stack([latents[i][s : s + K + reach] for i, s in starts])
    rollouts = [dynamics.rollout(w[:, :K].to(device).float(), reach) for w in windows.split(64)]
    predicted, windows = torch.cat(rollouts).cpu(), windows.float()
    table = {}
    for horizon in horizons:
        target = windows[:, K + horizon - 1]
        mse = (predicted[:, horizon - 1] - target).square().mean(dim=(1, 2, 3))
        mse_copy = (windows[:, K - 1] - target).square().mean(dim=(1, 2, 3))
        changed = torch.tensor(
            [
                (runs[i].frames[s + K - 1] != runs[i].frames[s + K - 1 + horizon]).any(-1).mean()
                > CHANGED_PIXELS
                for i, s in starts
            ]
        )
        table[str(horizon)] = _skill("", mse, mse_copy) | _skill(
            "_changed", mse[changed], mse_copy[changed]
        )
    return table


def _skill(suffix: str, mse: torch.Tensor, mse_copy: torch.Tensor) -> dict:
    """Summarise squared errors, (B,) each. Where nothing changes there is no skill to show: 0."""
    error, copy_error = mse.sum().item(), mse_copy.sum().item()
    count = max(len(mse), 1)
    return {
        f"skill{suffix}": 1 - error / copy_error if copy_error > 0 else 0.0,
        f"mse{suffix}": error / count,
        f"mse_copy{suffix}": copy_error / count,
        f"windows{suffix}": len(mse),
    }


def print_report(metrics: dict) -> None:
    """Print the figures of the held-out runs."""
    tokenizer = metrics["tokenizer"]
    lpips = "not measured" if tokenizer["lpips"] is None else f"{tokenizer['lpips']:.3f}"
    print(f"held-out runs: {', '.join(metrics['val_runs'])}")
    print(
        f"tokenizer: PSNR {tokenizer['psnr_db']:.1f} dB, LPIPS {lpips}, "
        f"latent std {tokenizer['latent_std']:.2f}"
    )
    print("dynamics   frames ahead   copy mse   model mse   skill   skill on changed frames")
    for horizon, row in metrics["dynamics"]["by_horizon_frames"].items():
        print(
            f"{horizon:>23}   {row['mse_copy']:8.4f}   {row['mse']:9.4f}   "
            f"{row['skill']:5.2f}   {row['skill_changed']:.2f} ({row['windows_changed']} windows)"
        )


if __name__ == "__main__":
    run_script(main, Args)
