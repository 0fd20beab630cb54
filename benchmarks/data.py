"""Measure the data path: import single frames as a run, then draw random pairs from it.

    uv run python benchmarks/data.py                       # 64,000 frames: 9 GB of disk for a while
    uv run python benchmarks/data.py --frames 4000

Prints JSON. `memcpy_share` compares the loader with its limit, copying as many bytes out of the
warm pages into memory that is already there.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli import Count, NotNegative, run_script
from data.frames import FRAME_BYTES, FRAME_SHAPE, ROOT, find_runs, sample_frames, sample_pairs
from data.speedruns.prepare import Args as PrepareArgs


@dataclass
class Args:
    frames: Count = 64_000
    """single frames to make, import and draw from"""
    videos: Count = 5
    """runs that they belong to"""
    suffix: str = ".npy"
    """how the single frames are stored: .npy or .png"""
    seconds: NotNegative = 3.0
    """how long to draw, each way, after one pass that warms the pages"""
    batch_size: Count = 64
    """pairs a batch"""
    scratch: Path = Path(tempfile.gettempdir())
    """where to put the frames; they are deleted in the end"""


def write_single_frames(folder: Path, args: Args) -> None:
    """Write tiled noise of four shades, one file a frame, and an *_index.json a video."""
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 4, (256, 8, 8), dtype=np.uint8) * 85
    for video in range(args.videos):
        (folder / f"video{video}").mkdir(parents=True)
        entries = []
        for t in range(args.frames // args.videos):
            names = rng.integers(0, 256, (18, 20))
            frame = tiles[names].transpose(0, 2, 1, 3).reshape(144, 160)
            frame = np.repeat(frame[..., None], 3, axis=2)
            file = folder / f"video{video}" / f"{t:06}{args.suffix}"
            if args.suffix == ".npy":
                np.save(file, frame)
            else:
                Image.fromarray(frame).save(file)
            entries.append({"path": f"video{video}/{file.name}"})
        (folder / f"video{video}_index.json").write_text(json.dumps({"frames": entries}))


def measure_import(folder: Path, out: Path) -> dict:
    """Run prepare.py on single frames in a process of its own."""
    began = time.perf_counter()
    command = [sys.executable, "data/speedruns/prepare.py", str(folder), "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "seconds": round(seconds, 1),
        "peak_rss_mb": round(peak),
        "workers": PrepareArgs.workers,
    }


def frames_per_second(draw, seconds: float) -> float:
    """Call `draw`, which returns how many frames it drew, until the time is over."""
    began, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds:
        count += draw()
    return count / spent


def measure_loader(out: Path, args: Args) -> dict:
    """Draw pairs and frames at random from all runs, and copy as many bytes straight."""
    runs, rng = find_runs(out), np.random.default_rng(0)
    for run in runs:
        for start in range(0, run.num_frames, 512):
            run.frames[start : start + 512].max()
    buffer = np.empty((args.batch_size, *FRAME_SHAPE), dtype=np.uint8)

    def pairs() -> int:
        earlier, later, _ = sample_pairs(runs, args.batch_size, rng)
        return len(earlier) + len(later)

    def frames() -> int:
        return len(sample_frames(runs, args.batch_size, rng))

    def memcpy() -> int:
        frames = runs[rng.integers(len(runs))].frames
        start = rng.integers(len(frames) - args.batch_size)
        np.copyto(buffer, frames[start : start + args.batch_size])
        return args.batch_size

    rates = {draw.__name__: 0.0 for draw in (pairs, frames, memcpy)}
    for _ in range(3):  # in turn, so that a busy machine slows all alike
        for draw in (pairs, frames, memcpy):
            rate = frames_per_second(draw, args.seconds / 3)
            rates[draw.__name__] = max(rates[draw.__name__], rate)
    return {
        "pair_frames_per_second": round(rates["pairs"]),
        "frames_per_second": round(rates["frames"]),
        "memcpy_gb_per_second": round(rates["memcpy"] * FRAME_BYTES / 1e9, 2),
        "memcpy_share": round(rates["pairs"] / rates["memcpy"], 2),
    }


def main(args: Args) -> None:
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        folder, out = Path(scratch) / "single", Path(scratch) / "frames"
        write_single_frames(folder, args)
        imported = measure_import(folder, out)
        print(file=sys.stderr)
        loader = measure_loader(out, args)
    print(json.dumps({"frames": args.frames, "import": imported, "loader": loader}, indent=2))


if __name__ == "__main__":
    run_script(main, Args)
