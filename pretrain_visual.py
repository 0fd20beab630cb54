"""Pretrain the eyes on recorded play, no actions needed: a tokenizer (1A), then its dynamics (1B).

    uv run python pretrain_visual.py --epochs 100
    uv run python pretrain_visual.py --grey --half-size --width 128 --depth 1 --batch-size 16 \\
        --lr 2e-3 --dynamics-width 64 --dynamics-depth 2 --time-limit-seconds 200   # on 2 CPU cores

Writes pretrained_tokenizer.pkl, pretrained_encoder.pkl (what the policy sees with),
pretrained_dynamics.pkl, with --action-bits pretrained_latent_actions.pkl, and pretrain_metrics.json
with figures from runs that training never saw.
The same command again goes on exactly where it stopped.
"""

import quiet_threads  # noqa: F401

import hashlib
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

import ranks
from cli import Count, CountOrZero, Depth, NotNegative, Range, Share, Width, run_script
from data.frames import ENOUGH_RUNS, Run, find_runs, sample_frames, split_runs, too_little_data
from files import write_json, write_png, writes_alone
from models.blocks import GRID, RunningRMS
from models.checkpoint import load_checkpoint, refuse_to_replace, save_checkpoint
from models.dynamics import Dynamics, DynamicsConfig
from models.perceptual import PerceptualDistance
from models.tokenizer import Encoder, Tokenizer, TokenizerConfig
from training import (
    STATE_KIND,
    Pretraining,
    TrainingArgs,
    autocast,
    event_log,
    fingerprints,
    forget,
    pick_device,
)

HORIZONS_FRAMES = (1, 4, 16)
CHANGED_PIXELS = 0.01  # a frame has changed when more than this share of its pixels has
DYNAMICS_TIME_SHARE = 0.25  # of --time-limit-seconds
NUM_EVAL_FRAMES = 512
ENOUGH_WINDOWS = 8  # in a batch, for what is normalised over it to mean something
LOG_DIR = Path("runs/pretrain_visual")


@dataclass
class Args(TrainingArgs):
    epochs: CountOrZero = 100
    """passes over the frames to train the tokenizer"""
    dynamics_epochs: CountOrZero = 20
    """passes over the frames to train the dynamics, for which a quarter of the time limit is kept
    """

    width: Width = 512
    """channels of a walking tile in the tokenizer's decoder"""
    depth: Depth = 2
    """its blocks"""
    latent_channels: Width = 16
    """channels of the latents on the 9x10 grid"""
    lpips_weight: NotNegative = 0.2
    """weight of LPIPS beside the squared error; 0 leaves it out"""
    lpips_share: Annotated[float, Range(0, 1, above=True)] = 0.25
    """share of a batch that LPIPS sees: it costs several times what the tokenizer does"""
    lpips_net: str = "alex"
    """backbone of LPIPS: alex or vgg"""
    lpips_weights: Path | None = None
    """file of that backbone's weights (torchvision's), for machines that cannot download them"""
    mask_max: Share = 0.0
    """hide a share of the tiles, drawn from 0 to this, from the encoder (Dreamer 4 has 0.9)"""

    dynamics: str = "transformer"
    """transformer or mlp"""
    context_frames: Count = 4
    """frames that the dynamics sees"""
    dynamics_width: Width = 128
    """channels of its tokens"""
    dynamics_depth: Depth = 4
    """its layers"""
    action_bits: Annotated[int, Range(0, 16)] = 0
    """train a second dynamics model, which is told so many bits of what happened, as long: the two
    share the quarter of the time limit"""


def tokenizer_config(args: Args) -> TokenizerConfig:
    """Return the tokenizer that the flags mean."""
    sizes = args.width, args.depth, args.latent_channels
    return TokenizerConfig(*sizes, args.grey, args.half_size)


def state_paths(args: Args) -> list[Path]:
    """Return what a continued training goes on from: a state of each model."""
    return [state_path(args, name) for name in ("tokenizer", "dynamics", "latent_actions")]


def state_path(args: Args, name: str) -> Path:
    """Return where the state of a model's training is."""
    return args.out / LOG_DIR / f"{name}_state.pkl"


def dynamics_configs(args: Args) -> dict[str, DynamicsConfig]:
    """Return the dynamics models that the flags mean, by name, in order of their training."""
    plain = DynamicsConfig(
        args.latent_channels,
        args.dynamics,
        args.context_frames,
        args.dynamics_width,
        args.dynamics_depth,
    )
    if not args.action_bits:
        return {"dynamics": plain}
    return {"dynamics": plain, "latent_actions": replace(plain, action_bits=args.action_bits)}


def products(args: Args) -> list[Path]:
    """Return the files that others read."""
    models = ("tokenizer", "encoder", *dynamics_configs(args))
    artefacts = [args.out / f"pretrained_{model}.pkl" for model in models]
    return [*artefacts, args.out / "pretrain_metrics.json"]


@ranks.joined()
@writes_alone(lambda args: args.out / LOG_DIR)
def main(args: Args) -> dict:
    """Train both stages, save the artefacts, return the metrics.

    Raises ValueError for settings that cannot be, FileNotFoundError when there are no frames.
    """
    config = tokenizer_config(args)
    dynamics = dynamics_configs(args)
    ranks.check_divides("--batch-size", args.batch_size)
    if args.action_bits and args.batch_size // ranks.count < ENOUGH_WINDOWS:
        raise ValueError(
            f"expected --batch-size to give each process {ENOUGH_WINDOWS} windows or more, over "
            f"which --action-bits are normalised, got {args.batch_size} for {ranks.count}"
        )
    device = pick_device(args.device)
    refuse_to_replace(path for path in products(args) if path.suffix == ".pkl")
    runs = find_runs(args.data)
    train, val = split_runs(runs)
    longest_window = args.context_frames + max(HORIZONS_FRAMES)
    if (lack := too_little_data(runs, ENOUGH_RUNS, longest_window)) is not None:
        raise ValueError(lack)
    lpips = None
    if args.lpips_weight > 0:
        lpips = PerceptualDistance(args.lpips_net, args.lpips_weights).to(device)

    tokenizer = make_tokenizer(args, device)
    if lpips is not None and args.channels_last:
        lpips.to(memory_format=torch.channels_last)
    log_dir = args.out / LOG_DIR
    if args.fresh:
        forget(state_paths(args))
    with event_log(log_dir) as writer:
        spent = train_tokenizer(args, tokenizer, lpips, train, val, writer)
        tokenizer_metrics = spent | evaluate_tokenizer(tokenizer, lpips, val)
        tokenizer.eval().requires_grad_(False)
        if ranks.is_first:
            grid = Image.fromarray(reconstruction_grid(tokenizer, val))
            write_png(log_dir / "reconstructions.png", grid)
            for name, model in {"tokenizer": tokenizer, "encoder": tokenizer.encoder}.items():
                file = args.out / f"pretrained_{name}.pkl"
                save_checkpoint(file, name, config, model.state_dict())

        train_latents = [encode_run(tokenizer.encoder, run) for run in train]
        val_latents = [encode_run(tokenizer.encoder, run) for run in val]
        metrics = {
            "train_runs": [run.name for run in train],
            "val_runs": [run.name for run in val],
            "tokenizer": tokenizer_metrics,
        }
        for name, dynamics_config in dynamics.items():
            torch.manual_seed(args.seed)
            model = ranks.synchronised(Dynamics(dynamics_config).to(device))
            spent = train_dynamics(args, name, model, train_latents, (val, val_latents), writer)
            skill = evaluate_dynamics(model, val, val_latents, HORIZONS_FRAMES)
            metrics[name] = spent | {"by_horizon_frames": skill}
            if ranks.is_first:
                file = args.out / f"pretrained_{name}.pkl"
                save_checkpoint(file, "dynamics", dynamics_config, model.state_dict())
    if ranks.is_first:
        write_json(args.out / "pretrain_metrics.json", metrics)
    print_report(metrics)
    return metrics


def make_tokenizer(args: Args, device: torch.device) -> Tokenizer:
    """Make the tokenizer that the flags mean, with the weights of their seed."""
    torch.manual_seed(args.seed)
    tokenizer = Tokenizer(tokenizer_config(args)).to(device)
    return tokenizer.to(memory_format=torch.channels_last) if args.channels_last else tokenizer


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
    mse_rms, lpips_rms = (RunningRMS(mean=ranks.mean).to(device) for _ in range(2))

    def draw(step: int) -> tuple[torch.Tensor, ...]:
        rng = np.random.default_rng([args.seed, 1, step])
        frames = torch.from_numpy(sample_frames(train, args.batch_size, rng))
        if args.mask_max == 0:
            return (frames,)
        share = rng.uniform(0, args.mask_max, (args.batch_size, 1, 1))
        return frames, torch.from_numpy(rng.random((args.batch_size, *GRID)) < share)

    training = Pretraining(
        "tokenizer",
        args,
        tokenizer,
        torch.optim.AdamW(tokenizer.parameters(), lr=args.lr, fused=args.fused),
        writer,
        draw,
        outputs=lambda frames, hidden=None: tokenizer(tokenizer.preprocess(frames)),
        state=state_path(args, "tokenizer"),
        settings=asdict(tokenizer.config)
        | {
            "batch_size": args.batch_size,
            "seed": args.seed,
            "lpips_weight": args.lpips_weight,
            "lpips_net": args.lpips_net,
            "lpips_share": args.lpips_share,
            "mask_max": args.mask_max,
            "train_runs": fingerprints(train),
        },
        epochs=args.epochs,
        epoch_steps=args.steps_per_epoch
        or math.ceil(sum(run.num_frames for run in train) / args.batch_size),
        limit_seconds=share_of_limit(args, 1 - DYNAMICS_TIME_SHARE),
        parts={"mse": mse_rms, "lpips": lpips_rms},
    )
    with training:
        for step in training:
            frames, *hidden = training.batch()
            images = tokenizer.preprocess(frames)
            with autocast(device, args.precision):
                output = model(images, *hidden)
                mse = F.mse_loss(output.float(), images)
                loss, figures = mse_rms(mse), {"mse": mse}
                if lpips is not None:
                    some = math.ceil(len(images) * args.lpips_share)
                    distance = lpips(output[:some], images[:some]).float().mean()
                    loss = loss + args.lpips_weight * lpips_rms(distance)
                    figures["lpips"] = distance
            training.improve(loss)
            training.show(figures)
            if training.evaluates:
                with training.held_out() as held_out:
                    grid = reconstruction_grid(tokenizer, val)
                    name = "tokenizer_val/reconstructions"
                    writer.add_image(name, grid, step, dataformats="HWC")
                    metrics = evaluate_tokenizer(tokenizer, lpips, val, num_frames=128)
                    held_out |= {
                        name: value for name, value in metrics.items() if value is not None
                    }
    return training.summary("frames", args.batch_size)


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
    name: str,
    dynamics: Dynamics,
    latents: list[torch.Tensor],
    val: tuple[list[Run], list[torch.Tensor]],
    writer: SummaryWriter,
) -> dict:
    """Stage 1B: predict the next latents. Returns steps, and how long they took.

    name: of the model, where it logs and saves its state.
    """
    device = next(dynamics.parameters()).device
    model = torch.compile(dynamics) if args.compile else dynamics

    def draw(step: int) -> tuple[torch.Tensor, ...]:
        rng = np.random.default_rng([args.seed, 2, step])
        return (sample_windows(latents, args.batch_size, args.context_frames + 1, rng),)

    state = state_path(args, name)

    def find_encoder() -> tuple[str, bool]:
        content = (args.out / "pretrained_encoder.pkl").read_bytes()
        encoder = hashlib.sha256(content).hexdigest()
        was = load_checkpoint(state, STATE_KIND)["config"] if state.is_file() else None
        return encoder, was is not None and was.get("encoder") != encoder

    encoder, is_another = ranks.from_first(find_encoder)
    if is_another:
        print(f"{name} starts over: what it learned was of another encoder's latents")
        forget([state])
    training = Pretraining(
        name,
        args,
        dynamics,
        torch.optim.AdamW(dynamics.parameters(), lr=args.lr, fused=args.fused),
        writer,
        draw,
        outputs=lambda windows: dynamics(windows[:, :-1].float(), windows[:, -1].float()),
        state=state,
        settings=asdict(dynamics.config)
        | {"batch_size": args.batch_size, "seed": args.seed, "encoder": encoder},
        epochs=args.dynamics_epochs,
        epoch_steps=args.steps_per_epoch or math.ceil(sum(map(len, latents)) / args.batch_size),
        limit_seconds=share_of_limit(args, DYNAMICS_TIME_SHARE / len(dynamics_configs(args))),
    )
    with training:
        for _ in training:
            (windows,) = training.batch()
            seen, following = windows[:, :-1].float(), windows[:, -1].float()
            with autocast(device, args.precision):
                mse = F.mse_loss(model(seen, following).float(), following)
            training.improve(mse)
            training.show({"mse": mse, "mse_copy": F.mse_loss(seen[:, -1], following)})
            if training.evaluates:
                with training.held_out() as held_out:
                    metrics = evaluate_dynamics(dynamics, *val, (1,), num_windows=128)["1"]
                    held_out |= {name: metrics[name] for name in ("skill", "skill_changed")}
    return training.summary("windows", args.batch_size)


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

    A model with a latent action is told at each step what is inferred from the true latents.

    Skill is 1 - mse / mse_copy: 0 is no better than copying, 1 is perfect. `_changed` counts only
    windows where more than 1% of the pixels differ between the last frame seen and the one to be
    predicted.
    """
    device = next(dynamics.parameters()).device
    K, reach = dynamics.config.context_frames, max(horizons)
    starts = [(i, s) for i, z in enumerate(latents) for s in range(len(z) - K - reach + 1)]
    starts = starts[:: max(1, len(starts) // num_windows)]
    windows = torch.stack([latents[i][s : s + K + reach] for i, s in starts])
    rollouts = []
    for some in windows.split(64):
        some = some.to(device).float()
        rollouts.append(dynamics.rollout(some[:, :K], reach, some[:, K:]))
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
    print(f"{'frames ahead':>30}   copy mse   model mse   skill   skill on changed frames")
    for name in ("dynamics", "latent_actions"):
        for horizon, row in metrics.get(name, {}).get("by_horizon_frames", {}).items():
            print(
                f"{name:<16}{horizon:>14}   {row['mse_copy']:8.4f}   {row['mse']:9.4f}   "
                f"{row['skill']:5.2f}   {row['skill_changed']:.2f} "
                f"({row['windows_changed']} windows)"
            )


if __name__ == "__main__":
    run_script(main, Args)
