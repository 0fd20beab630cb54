"""What does a step of following a path cost, the longer it is? Time at several lengths.

    uv run python -m benchmarks.path_length

Paths are made of random pictures, three runs each. Lengths are taken in turn, round after round, so
that a slow minute of the machine touches all; the figure is the ratio to the shortest. One step
follows 32 trajectories, which stand all over the path: some sure, some lost.
"""

import quiet_threads  # noqa: F401

import json
import time
from dataclasses import dataclass

import numpy as np
import torch

from cli import Count, run_script
from models.follower import Follower
from models.path import PathConfig, PathModel, Pictures

#: As many rows as in emberwick's path have a text that tells by itself.
FRAMES_A_BIN, TEXT_EVERY = 6, 40


@dataclass
class Args:
    lengths: tuple[Count, ...] = (350, 3_500, 35_000)
    """bins of the paths"""
    rounds: Count = 7
    """times that each is measured"""
    steps: Count = 60
    """steps of a measurement"""
    num_envs: Count = 32
    """trajectories followed at once"""


def make_path(num_bins: int, rng: np.random.Generator) -> PathModel:
    """Return a path whose bins show different things, each in several phases."""
    config = PathConfig(bandwidth=2.5e-4, pace=1.2)
    dims = 144 * 160 // config.pool**2
    scenes = rng.normal(0, 0.25, (num_bins, 1, dims)) / dims**0.5
    phases = rng.normal(0, 0.02, (num_bins, FRAMES_A_BIN, dims)) / dims**0.5
    bank = torch.from_numpy((scenes + phases).reshape(-1, dims)).float()
    rows = torch.arange(len(bank))
    return PathModel(
        config,
        bank,
        rows // FRAMES_A_BIN,
        torch.ones(len(bank)),
        (rows % TEXT_EVERY == 0).float(),
        torch.ones(len(bank), dtype=torch.bool),
        *2 * [(torch.arange(num_bins) + 4).clamp(max=num_bins - 1)],
        rows,
        torch.where(rows + FRAMES_A_BIN < len(bank), rows + FRAMES_A_BIN, rows),
        num_bins - 1 - rows // FRAMES_A_BIN,
        Pictures(torch.zeros(0, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64)),
    )


def seconds_a_step(path: PathModel, args: Args, rng: np.random.Generator) -> float:
    """Follow trajectories from all over the path; every fourth shows nothing known."""
    follower, rows = Follower(path, args.num_envs), torch.arange(args.num_envs)
    begin = rng.integers(0, path.num_bins - args.steps - 1, args.num_envs)
    bins = torch.from_numpy(begin)[:, None] + torch.arange(args.steps + 1)
    x = path.bank[bins * FRAMES_A_BIN]  # (N, steps + 1, dims)
    x[::4] += 1.0
    follower.locate(x[:, 0], rows)
    began = time.perf_counter()
    for step in range(1, args.steps + 1):
        follower.follow(x[:, step].contiguous(), rows)
    return (time.perf_counter() - began) / args.steps


def main(args: Args) -> dict:
    """Print, as JSON, milliseconds a step (median of the rounds) and the ratio to the shortest."""
    if min(args.lengths) < args.steps + 2:
        raise ValueError(
            f"expected --lengths of {args.steps + 2} or more, 2 over the steps, got {args.lengths}"
        )
    rng = np.random.default_rng(0)
    paths = {length: make_path(length, rng) for length in args.lengths}
    times: dict[int, list[float]] = {length: [] for length in paths}
    for round_ in range(args.rounds + 1):
        for length, path in paths.items():
            taken = seconds_a_step(path, args, rng)
            if round_:  # the first warms up
                times[length].append(taken)
    shortest = np.array(times[min(times)])
    results = {}
    for length, taken in times.items():
        ratios = np.array(taken) / shortest
        results[str(length)] = {
            "ms_a_step": round(float(np.median(taken)) * 1000, 2),
            "ratio": round(float(np.median(ratios)), 2),
            "ratio_least_greatest": [round(float(r), 2) for r in (ratios.min(), ratios.max())],
        }
    print(json.dumps(results, indent=2))
    return results


if __name__ == "__main__":
    run_script(main, Args)
