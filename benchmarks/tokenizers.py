"""Train the tokenizer with one thing changed at a time, as long each: what sharpness is made of.

With the artefacts of a demo in runs/demo, which it leaves as they are:

    uv run python -m benchmarks.tokenizers                          # 14 changes, 150 s each
    uv run python -m benchmarks.tokenizers --seconds 30 --only as-it-is,no-lpips
    uv run python -m benchmarks.tokenizers --artefacts runs/demo-emberwick

The flags are the demo's, and so is the seed: one each, so tenths of a dB mean nothing. PSNR and
LPIPS are of the held-out runs; those of images of another size do not compare.
"""

import quiet_threads  # noqa: F401

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import demo
import pretrain_visual
from cli import Positive, run_script
from data.frames import find_runs, split_runs
from files import write_json
from models.perceptual import PerceptualDistance
from training import event_log, pick_device

CHANGES: dict[str, dict[str, Any]] = {
    "as-it-is": {},
    "no-lpips": {"lpips_weight": 0.0},
    "lpips-of-all": {"lpips_share": 1.0},
    "latents-8": {"latent_channels": 8},
    "latents-32": {"latent_channels": 32},
    "width-64": {"width": 64},
    "width-256": {"width": 256},
    "depth-2": {"depth": 2},
    "lr-1e-3": {"lr": 1e-3},
    "lr-4e-3": {"lr": 4e-3},
    "batch-8": {"batch_size": 8},
    "batch-32": {"batch_size": 32},
    "hidden-tiles": {"mask_max": 0.5},
    "full-size": {"half_size": False},
}


@dataclass
class Args:
    artefacts: Path = Path("runs/demo")
    """folder of a demo: its frames"""
    seconds: Positive = 150.0
    """of training, each"""
    only: str = ",".join(CHANGES)
    """changes to try, with commas between"""
    out: Path | None = None
    """also write the figures as JSON to this file"""


def train(args: Args, change: dict[str, Any]) -> dict[str, float]:
    """Train a tokenizer with one change; returns its figures on held-out runs."""
    flags = demo.stage_args("pretrain", args.artefacts)
    share = 1 - pretrain_visual.DYNAMICS_TIME_SHARE
    runs, held_out = split_runs(find_runs(flags.data))
    with tempfile.TemporaryDirectory() as out:
        endless = {"epochs": 10**6, "time_limit_seconds": args.seconds / share, "out": Path(out)}
        flags = replace(flags, **endless | change)
        device = pick_device(flags.device)
        tokenizer = pretrain_visual.make_tokenizer(flags, device)
        lpips = PerceptualDistance(flags.lpips_net, flags.lpips_weights).to(device)
        lpips.to(memory_format=torch.channels_last)
        with event_log(Path(out)) as writer:
            loss = lpips if flags.lpips_weight else None
            spent = pretrain_visual.train_tokenizer(flags, tokenizer, loss, runs, held_out, writer)
    return spent | pretrain_visual.evaluate_tokenizer(tokenizer, lpips, held_out)


def main(args: Args) -> dict:
    """Train with each change; print and return the figures."""
    names = args.only.split(",")
    if unknown := [name for name in names if name not in CHANGES]:
        raise ValueError(f"expected --only from {', '.join(CHANGES)}, got {', '.join(unknown)}")
    report = {name: train(args, CHANGES[name]) for name in names}
    print(f"{'':<16}{'steps':>8}{'PSNR, dB':>12}{'LPIPS':>10}")
    for name, row in report.items():
        print(f"{name:<16}{row['steps']:>8}{row['psnr_db']:>12.1f}{row['lpips']:>10.4f}")
    if args.out:
        write_json(args.out, report)
    return report


if __name__ == "__main__":
    run_script(main, Args)
