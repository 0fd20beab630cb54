"""Runs of frames: how recorded play lies on disk, and how training reads it.

A run is `<name>.npy`, (T, 144, 160, 3) uint8, always memory-mapped, with `<name>.json` beside it:
name, source, fps, crop, palette, frames (T) and the sha256 of the pixels. The prepare.py scripts
write runs through `write_run`; everything else reads them from here. List what is there:

    uv run python -m data.frames
    uv run python -m data.frames data/demo/frames
"""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import tyro

from cli import run_script
from files import naming, write_json

ROOT = Path(__file__).resolve().parent.parent
#: Where `find_runs` looks when it is not told: the user's own footage first, then the bundled game.
DEFAULT_DIRECTORIES = (ROOT / "data" / "speedruns" / "frames", ROOT / "data" / "demo" / "frames")
FRAME_SHAPE = (144, 160, 3)  # height, width, RGB
FRAME_BYTES = 144 * 160 * 3
INDEX_SUFFIX = "_index.json"  # of a video kept as one file a frame; prepare.py turns it into a run
SHEET_SUFFIX, PREVIEW_SUFFIX = "_sheet.png", "_preview.png"  # pictures that prepare.py leaves
REPORT = "prepare_report.json"
ENOUGH_RUNS = 2  # one is held out
ENOUGH_RUNS_TO_SHARE = 4  # one is held out, and what fewer than three have in common may be chance
ENOUGH_FRAMES = 20  # of a run: what pretrain_visual.py's dynamics sees, and how far it looks ahead


@dataclass(frozen=True)
class Run:
    """One recording, start to end. `meta` is its JSON."""

    path: Path
    meta: dict

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def num_frames(self) -> int:
        return self.meta["frames"]

    @property
    def fps(self) -> float:
        """Frames per second of game time."""
        return self.meta["fps"]

    @cached_property
    def frames(self) -> np.ndarray:
        """(T, 144, 160, 3) uint8, read-only, paged in from the file as it is touched."""
        # A plain view of the mapping: indexing np.memmap itself costs as much as copying a frame.
        return np.asarray(np.load(self.path, mmap_mode="r"))


def write_run(
    directory: Path,
    name: str,
    frames: Iterable[np.ndarray],
    *,
    fps: float = 2.0,
    source: str = "",
    crop: Sequence[int] | None = None,
    palette: str = "rgb",
    **extra,
) -> Path:
    """Write `frames`, each (144, 160, 3) uint8, as a run and return the path of its .npy.

    One frame at a time is in memory. Either the whole run appears or nothing changes: when `frames`
    raises half-way, an older run of that name stays as it was. `extra` goes into the JSON.
    Raises ValueError for a frame of another shape or dtype, and when there is none.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    path, meta_path = directory / f"{name}.npy", directory / f"{name}.json"
    pixels_partial, meta_partial = directory / f".{name}.npy.tmp", directory / f".{name}.json.tmp"
    digest, count = hashlib.sha256(), 0
    disk = partial(naming, path, ", nothing was replaced")  # of a full one, say whose
    try:
        with pixels_partial.open("wb") as file:
            _write_header(file, count)
            for frame in frames:
                if frame.shape != FRAME_SHAPE or frame.dtype != np.uint8:
                    raise ValueError(
                        f"run {name}, frame {count}: expected {FRAME_SHAPE} uint8, "
                        f"got {frame.shape} {frame.dtype}"
                    )
                pixels = np.ascontiguousarray(frame)
                with disk():
                    file.write(pixels)
                digest.update(pixels)
                count += 1
            with disk():
                _write_header(file, count)
                file.flush()
        if count == 0:
            raise ValueError(f"run {name}: expected at least one frame, got none")
        meta = {
            "name": name,
            "source": source,
            "fps": fps,
            "crop": None if crop is None else list(crop),
            "palette": palette,
            "frames": count,
            "sha256": digest.hexdigest(),
            **extra,
        }
        write_json(meta_partial, meta)
        meta_path.unlink(missing_ok=True)  # never an old JSON beside new pixels
        pixels_partial.replace(path)
        meta_partial.replace(meta_path)
    finally:
        pixels_partial.unlink(missing_ok=True)
        meta_partial.unlink(missing_ok=True)
    return path


def _write_header(file, count: int) -> None:
    """Write the .npy header for `count` frames. NumPy pads it to one length for every count."""
    file.seek(0)
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *FRAME_SHAPE)}
    np.lib.format.write_array_header_1_0(file, header)


def read_run(path: Path) -> Run:
    """Open the run whose pixels are `path`. Raises ValueError when pixels and JSON disagree."""
    again = "delete it and prepare it again"
    try:
        meta = json.loads(path.with_suffix(".json").read_bytes())
        run = Run(path, {**meta, "fps": float(meta["fps"]), "frames": int(meta["frames"])})
        if not (0 < run.fps < math.inf and isinstance(meta["sha256"], str)):
            raise ValueError(f"fps {meta['fps']}, sha256 {meta['sha256']}")
        shape, dtype = run.frames.shape, run.frames.dtype
    except (
        *(ValueError, KeyError, TypeError, EOFError),
        *(OverflowError, AttributeError, RecursionError),
    ) as error:
        raise ValueError(f"{path}: not a readable run ({error}): {again}") from error
    expected = (run.num_frames, *FRAME_SHAPE)
    if shape != expected or dtype != np.uint8:
        raise ValueError(
            f"{path}: its JSON promises {expected} uint8, the file holds {shape} {dtype}: {again}"
        )
    return run


def made_here(directory: Path) -> set[str]:
    """Return the names of files in a folder that are runs, their pictures, and reports."""
    names = os.listdir(directory)
    made = {REPORT} & set(names)
    if made:  # of videos that failed
        made |= {name for name in names if name.endswith(PREVIEW_SUFFIX)}
    for name in names:
        if name.endswith(".json") and is_run_json(directory / name):
            run = name.removesuffix(".json")
            made |= {f"{run}{end}" for end in (".npy", ".json", SHEET_SUFFIX, PREVIEW_SUFFIX)}
    return made


def is_run_json(path: Path) -> bool:
    try:
        meta = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(meta, dict) and {"name", "fps", "frames", "sha256"} <= meta.keys()


def open_runs(directory: Path) -> list[Run]:
    """Open every run of `directory`, sorted by name; hidden files are none.

    Prints which pixels have no JSON, or the other way round. Raises ValueError for a damaged run.
    """
    files = [path for path in sorted(directory.glob("*")) if not path.name.startswith(".")]
    pixels = {path.stem for path in files if path.suffix == ".npy"}
    facts = {path.stem for path in files if path.suffix == ".json"}
    runs = [read_run(directory / f"{name}.npy") for name in sorted(pixels & facts)]
    halves = [f"{name}.npy" for name in sorted(pixels - facts)] if runs else []
    halves += [f"{n}.json" for n in sorted(facts - pixels) if is_run_json(directory / f"{n}.json")]
    if halves:
        print(f"warning: left out, without their pixels or JSON: {', '.join(halves)}")
    return runs


def too_little_data(
    runs: Sequence[Run], enough: int = ENOUGH_RUNS_TO_SHARE, frames: int = ENOUGH_FRAMES
) -> str | None:
    """Say what `runs` fall short of, and what to do; None for `enough` of `frames` frames each.

    Copies count as one run.
    """
    different = len({_content(run) for run in runs})
    short = [f"{run.name} of {run.num_frames}" for run in runs if run.num_frames < frames]
    if different >= enough and not short:
        return None
    got = f"{different}"
    if copies := len(runs) - different:
        got += f" and {copies} {'copy' if copies == 1 else 'copies'}"
    if short:
        got += f", too short {', '.join(short)}"
    return (
        f"expected {ENOUGH_RUNS} or more runs of at least {frames} frames (one is held out; "
        f"{ENOUGH_RUNS_TO_SHARE} or more for the path to measure what may be passed unseen), "
        f"got {got}: prepare more recordings of the game, each from its start to its end"
    )


def different_runs(runs: Sequence[Run], named: str | None = None) -> list[Run]:
    """Return one of each run that there are copies of: the first, or the one `named`."""
    kept = {_content(run): run for run in reversed(runs)}
    kept |= {_content(run): run for run in runs if run.name == named}
    return [run for run in runs if run is kept[_content(run)]]


def data_warnings(runs: Sequence[Run]) -> list[str]:
    """Return what a training on `runs` would suffer from, a sentence each."""
    copies: dict[str, list[str]] = {}
    for run in runs:
        copies.setdefault(_content(run), []).append(run.name)
    warnings = [
        f"{' and '.join(names)} hold the same pixels: keep one of them"
        for names in copies.values()
        if len(names) > 1
    ]
    lack = too_little_data(runs)
    return warnings if lack is None else [*warnings, lack]


def find_runs(directory: Path | None = None) -> list[Run]:
    """Open every run of `directory`, sorted by name, and print how many there are.

    None looks in data/speedruns/frames, then in data/demo/frames. Raises FileNotFoundError that
    names the commands which make runs when there is none, ValueError for a damaged run.
    """
    places = DEFAULT_DIRECTORIES if directory is None else (Path(directory),)
    for place in places:
        runs = open_runs(place)
        if runs:
            total = sum(run.num_frames for run in runs)
            print(f"frames: {len(runs)} runs, {total:,} frames in {place}")
            return runs
        if any(_holds_single_frames(folder) for folder in (place, *place.glob("*/"))):
            raise FileNotFoundError(
                f"{place} holds videos as one file a frame: make runs of them once with "
                f"`uv run python data/speedruns/prepare.py {place} --out {place}`"
            )
    raise FileNotFoundError(
        f"no runs of frames in {' or '.join(str(place) for place in places)}: make some with "
        "`uv run python data/demo/prepare.py` (bundled game) or "
        "`uv run python data/speedruns/prepare.py VIDEO` (your own videos)"
    )


def _holds_single_frames(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    names = set(os.listdir(folder)) - made_here(folder)
    return any(name.lower().endswith((INDEX_SUFFIX, ".npy", ".png")) for name in names)


def split_runs(
    runs: Sequence[Run], holdout: int | None = None, seed: int = 0
) -> tuple[list[Run], list[Run]]:
    """Split whole runs into (train, val), the same way every time for the same names and seed.

    `holdout` runs go to val; None means one in five, at least one. A single run all goes to train.
    Copies count as one run and stay together. Raises ValueError when `holdout` would leave nothing
    to train on.
    """
    # Ranked by a hash of the name, so that a new run moves at most one other across the split.
    ranked = sorted(runs, key=lambda run: hashlib.sha256(f"{seed}/{run.name}".encode()).digest())
    contents = list(dict.fromkeys(map(_content, ranked)))
    if holdout is None:
        holdout = 0 if len(contents) < 2 else max(1, len(contents) // 5)
    if not 0 <= holdout < len(contents):
        most = len(contents) - 1
        raise ValueError(f"expected to hold out 0 to {most} of the runs, got {holdout}")
    held_out = set(contents[:holdout])
    train = [run for run in runs if _content(run) not in held_out]
    return train, [run for run in runs if _content(run) in held_out]


def _content(run: Run) -> str:
    """Return what copies of a run share."""
    return run.meta.get("sha256", run.name)


def sample_frames(runs: Sequence[Run], batch: int, rng: np.random.Generator) -> np.ndarray:
    """Draw frames uniformly over all frames of `runs`: (batch, 144, 160, 3) uint8."""
    return sample_sequences(runs, batch, 1, rng)[:, 0]


def sample_sequences(
    runs: Sequence[Run], batch: int, length: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw stretches of `length` consecutive frames: (batch, length, 144, 160, 3) uint8.

    Every stretch within a run is equally likely. Raises ValueError when no run is that long.
    """
    which, start = _place_spans(runs, np.full(batch, length), rng)
    return _gather(runs, which[:, None], start[:, None] + np.arange(length))


def sample_pairs(
    runs: Sequence[Run],
    batch: int,
    rng: np.random.Generator,
    min_gap: int = 1,
    max_gap: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw (earlier, later, gap): two frames of one run and their distance.

    The gap, in frames, is log-uniform over min_gap … max_gap (None, or more than fits: the longest
    run less one); given the gap, every place where it fits is equally likely.
    Returns two (batch, 144, 160, 3) uint8 arrays and (batch,) int64. Raises ValueError when no run
    is longer than `min_gap`.
    """
    longest = max((run.num_frames for run in runs), default=0) - 1
    max_gap = longest if max_gap is None else min(max_gap, longest)
    if not 1 <= min_gap <= max_gap:
        raise ValueError(f"expected gaps from 1 to {max_gap} frames, got a min_gap of {min_gap}")
    # An integer g owns [log g, log (g + 1)).
    gap = np.exp(rng.uniform(np.log(min_gap), np.log(max_gap + 1), batch)).astype(np.int64)
    gap = gap.clip(min_gap, max_gap)
    which, start = _place_spans(runs, gap + 1, rng)
    earlier, later = _gather(runs, which, np.stack([start, start + gap]))
    return earlier, later, gap


def _place_spans(
    runs: Sequence[Run], spans: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Place each span, (B,) in frames, uniformly within a run: (run index, first frame), (B,)."""
    lengths = np.array([run.num_frames for run in runs], dtype=np.int64)
    if not len(lengths) or spans.max(initial=1) > lengths.max():
        raise ValueError(
            f"expected a run of at least {spans.max(initial=1)} frames, "
            f"got {len(runs)} runs, the longest of {lengths.max(initial=0)}"
        )
    places = np.maximum(lengths - spans[:, None] + 1, 0)  # (B, runs)
    ends = places.cumsum(axis=1)
    pick = rng.integers(ends[:, -1])  # (B,)
    which = (pick[:, None] >= ends).sum(axis=1)
    rows = np.arange(len(spans))
    return which, pick - (ends - places)[rows, which]


def _gather(runs: Sequence[Run], which: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Copy frame `index` of run `which`, broadcast to one shape S: (*S, 144, 160, 3) uint8."""
    # The limit is memcpy out of the page cache; benchmarks/data.py prints the share of it reached.
    # One array for all: two would outgrow what malloc keeps, and be paged in afresh every time.
    which, index = np.broadcast_arrays(which, index)
    out = np.empty((*index.shape, *FRAME_SHAPE), dtype=np.uint8)
    places = zip(which.ravel().tolist(), index.ravel().tolist(), strict=True)
    for frame, (run, t) in zip(out.reshape(-1, *FRAME_SHAPE), places, strict=True):
        frame[...] = runs[run].frames[t]
    return out


@dataclass
class Args:
    directory: tyro.conf.Positional[Path | None] = None
    """folder of runs; without it data/speedruns/frames, or else data/demo/frames"""


def count_repeats(run: Run, chunk: int = 256) -> int:
    """Count the frames that equal the one before them, pixel for pixel."""
    count = 0
    for start in range(0, run.num_frames - 1, chunk):
        stretch = run.frames[start : start + chunk + 1].reshape(-1, FRAME_BYTES // 8, 8)
        stretch = stretch.view(np.uint64)[..., 0]
        count += int((stretch[1:] == stretch[:-1]).all(axis=1).sum())
    return count


def main(args: Args) -> dict:
    """Print a table of the runs and the default split; return the same as a dict."""
    runs = find_runs(args.directory)
    held_out = {run.name for run in split_runs(runs)[1]}
    width = max(len(run.name) for run in runs)
    print(f"{'run':{width}} {'frames':>8} {'time':>8} {'fps':>5} {'repeats':>8}  split")
    table = {}
    for run in runs:
        seconds, repeats = run.num_frames / run.fps, count_repeats(run)
        split = "val" if run.name in held_out else "train"
        time = f"{seconds // 3600:.0f}:{seconds // 60 % 60:02.0f}:{seconds // 1 % 60:02.0f}"
        print(
            f"{run.name:{width}} {run.num_frames:8,} {time:>8} {run.fps:5g} "
            f"{repeats / run.num_frames:8.1%}  {split}"
        )
        table[run.name] = {
            "frames": run.num_frames,
            "seconds": seconds,
            "repeats": repeats,
            "split": split,
        }
    print("repeats: share of frames that equal the one before")
    for warning in data_warnings(runs):
        print(f"warning: {warning}")
    return table


if __name__ == "__main__":
    run_script(main, Args)
