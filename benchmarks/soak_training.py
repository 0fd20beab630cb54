"""Train for hours, stopped and gone on with once: memory, files, speed must stay as they are.

With the artefacts of a demo in runs/demo (`uv run python demo.py` leaves them there):

    uv run python -m benchmarks.soak_training                      # two hours
    uv run python -m benchmarks.soak_training --minutes 10

PPO in the demo's settings, in a process of its own that is watched: its memory (without pages of
files), its open files, its steps a second, the size of its training state. In the middle it gets
Ctrl-C, and the same command goes on. Prints JSON: medians of the last third against the third
before it, in each of the two sittings; their first third warms up, as caches and the archive fill.
Exit code 1 if memory grew by more than `--max-growth`, or files were left open.
"""

import quiet_threads  # noqa: F401

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from multiprocessing import Process, get_context
from pathlib import Path
from typing import Literal

import numpy as np

import demo
import train_with_cnn_reward
from cli import Positive, Share, run_script

#: Seconds between two looks.
EVERY = 2.0


@dataclass
class Args:
    game: Literal["waystone", "emberwick"] = "waystone"
    """the bundled game"""
    artefacts: Path = Path("runs/demo")
    """folder of a demo of it: encoder, path"""
    minutes: Positive = 120.0
    """of training, in all"""
    max_growth: Share = 0.02
    """how much more memory is still called the same"""


def train(args: Args, out: Path) -> None:
    """Train until Ctrl-C."""
    flags = demo.stage_args("train", args.artefacts, args.game)
    endless = {"iterations": 10**6, "snapshots": 1, "time_limit_minutes": None, "out": out}
    try:
        train_with_cnn_reward.main(replace(flags, **endless))
    except KeyboardInterrupt:
        sys.exit(0)


def look(process: Process, out: Path) -> dict[str, float]:
    """Return what a process holds now."""
    status = Path(f"/proc/{process.pid}/status").read_text().split()
    held = (int(status[status.index(name) + 1]) for name in ("RssAnon:", "RssShmem:"))
    state = out / "training_state.pkl"
    return {
        "memory_mib": sum(held) / 1024,
        "open_files": len(os.listdir(f"/proc/{process.pid}/fd")),
        "state_mb": state.stat().st_size / 1e6 if state.exists() else 0.0,
    }


def sitting(args: Args, out: Path) -> dict:
    """Train for half of the time, watched, then stop by Ctrl-C; returns figures."""
    metrics = out / "metrics.jsonl"

    def rows() -> list[dict]:
        lines = metrics.read_text().splitlines() if metrics.exists() else []
        return [json.loads(line) for line in lines]

    before = len(rows())
    process = get_context("spawn").Process(target=train, args=(args, out))
    process.start()
    while len(rows()) == before and process.is_alive():
        time.sleep(EVERY)
    seen, until = [], time.monotonic() + 30 * args.minutes
    while time.monotonic() < until and process.is_alive():
        time.sleep(EVERY)
        with contextlib.suppress(ValueError, OSError):  # it has ended meanwhile
            seen.append(look(process, out))
    if process.is_alive():
        os.kill(process.pid, signal.SIGINT)
    process.join()
    if process.exitcode:
        raise ValueError(f"expected a training that can be stopped, got exit {process.exitcode}")
    own = rows()[before:]
    if min(len(own), len(seen)) < 3:
        raise ValueError(f"expected time for three rollouts, got {len(own)}: raise --minutes")
    figures: dict = {"iterations": len(own), "archive_entries": own[-1]["archive/entries"]}
    series = {name: [held[name] for held in seen] for name in seen[0]}
    series["steps_per_second"] = [row["env_steps_per_second"] for row in own]
    for name, values in series.items():
        third = len(values) // 3
        figures[name] = [
            round(float(np.median(values[-2 * third : -third])), 1),
            round(float(np.median(values[-third:])), 1),
        ]
    return figures


def main(args: Args) -> dict:
    """Train in two sittings; print and return figures of both, and what grew."""
    with tempfile.TemporaryDirectory() as out:
        sittings = [sitting(args, Path(out)) for _ in range(2)]
    grew = max(after / before - 1 for s in sittings for before, after in [s["memory_mib"]])
    left = sittings[1]["open_files"][1] - sittings[0]["open_files"][0]
    report = {"sittings": sittings, "memory_growth": round(grew, 4), "files_left_open": left}
    print(json.dumps(report, indent=2))
    if grew > args.max_growth or left > 0:
        sys.exit(1)
    return report


if __name__ == "__main__":
    run_script(main, Args)
