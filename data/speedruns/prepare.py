"""Turn videos of play into runs of frames: sampled, cropped to the game's picture, 160×144.

    uv run python data/speedruns/prepare.py run1.mp4 run2.mkv --fps 2 --crop 320,0,800,720
    uv run python data/speedruns/prepare.py videos/ --shades 4                # finds the crop
    uv run python data/speedruns/prepare.py videos/ --crop crops.toml --drop blanks repeats

A folder may also hold videos as one .npy or .png a frame: listed in order in `<video>_index.json`
as {"frames": [{"path": …}, …]}, or one folder a video. Those are imported as they are. What else
lies there is named:

    uv run python data/speedruns/prepare.py my_frames/

The same command again makes only what is not there yet. data/speedruns/README.md has more.
"""

import json
import os
import sys
import tomllib
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Literal

import av
import numpy as np
import tyro
from PIL import Image
from tqdm import tqdm

if not __package__:  # run as a file: Python then looks for modules beside it, not at the top level
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cli import Count, Positive, run_script
from data.frames import (
    FRAME_SHAPE,
    INDEX_SUFFIX,
    PREVIEW_SUFFIX,
    REPORT,
    ROOT,
    SHEET_SUFFIX,
    Run,
    data_warnings,
    is_run_json,
    made_here,
    open_runs,
    read_run,
    write_run,
)
from data.speedruns import single_frames, video
from data.speedruns.contact_sheet import describe_run, draw_sheet
from data.speedruns.crop import MIN_CONFIDENCE, Crop, draw_preview, find_crop
from data.speedruns.inputs import (
    NO_VIDEO_SUFFIXES,
    absolute,
    check_name,
    compose,
    find_inputs,
    find_left_out,
    is_video,
    printable,
)
from data.speedruns.shades import find_levels, is_blank, is_fade, luma, shade_table
from data.speedruns.survey import survey_video
from files import sole_writer, write_json, write_png

HEIGHT, WIDTH = FRAME_SHAPE[:2]
SAMPLES = 40  # frames that the crop and the levels of the shades are found on
DIFFERENT = 24  # of 255 in luma: more than compression makes of one picture
DIFFERENT_SHARE = 0.001  # of the pixels: a blinking cursor is more

HALF_OF_THE_CORES = max(1, (os.cpu_count() or 1) // 2)

Drop = Literal["blanks", "fades", "repeats"]


@dataclass
class Args:
    videos: tyro.conf.Positional[tuple[Path, ...]]
    """video files in any format FFmpeg reads, folders of them, or folders of single frames"""
    fps: Positive = 2.0
    """frames to keep per second (2: one a step of the emulator); of an import: those it has"""
    crop: str = "auto"
    """where the game's picture lies: x,y,width,height in pixels of the video as it is shown; auto;
    none for all of the picture; or a .toml or .json file with one of these for each video's name"""
    shades: Literal[4] | None = None
    """4 gives every pixel one of the emulator's four greys, whatever the video's palette"""
    drop: tuple[Drop, ...] = ()
    """leave out frames of one shade (blanks), half-lit ones (fades), and what stands still for
    longer than --still-seconds (repeats); without it time stays even"""
    still_seconds: Positive = 2.0
    """of a still picture, how much --drop repeats keeps"""
    keep_truncated: bool = False
    """take what can be read of a file that breaks off, instead of none of it"""
    out: Path = ROOT / "data" / "speedruns" / "frames"
    """folder for the runs, one a video, named after it, each with a contact sheet"""
    overwrite: bool = False
    """make runs again that are already there"""
    workers: Count = HALF_OF_THE_CORES
    """videos to work on at once"""


def parse_crop(text: str) -> Crop | Literal["auto"] | None:
    """Read "x,y,width,height", "auto" or "none". Raises ValueError for anything else."""
    if text in ("auto", "none"):
        return "auto" if text == "auto" else None
    numbers = text.split(",")
    if len(numbers) != 4 or not all(n.strip().isdecimal() for n in numbers):
        raise ValueError(
            "expected --crop x,y,width,height in pixels, auto, none, or a .toml or .json file, "
            f"got {text!r}"
        )
    x, y, width, height = map(int, numbers)
    if width == 0 or height == 0:
        raise ValueError(f"expected --crop with a width and height above 0, got {text!r}")
    return x, y, width, height


def read_crops(text: str, inputs: dict[str, Path]) -> dict[str, Crop | Literal["auto"] | None]:
    """Return the crop of every run in `inputs`, of --crop as typed: a value for all, or a table.

    A table maps file names or run names to "x,y,width,height", [x, y, width, height], "auto" or
    "none"; `default` is for those it does not name. Raises ValueError for one that is not covered.
    """
    path = Path(text)
    if path.suffix not in (".toml", ".json"):
        crop = parse_crop(text)
        return {name: crop for name in inputs}
    try:
        content = path.read_bytes()
        table = (
            tomllib.loads(content.decode("utf-8-sig"))
            if path.suffix == ".toml"
            else json.loads(content)
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected a table of crops, got {error}") from error
    if not isinstance(table, dict):
        raise ValueError(f"{path}: expected a table of crops, got {type(table).__name__}")
    table = {compose(key): value for key, value in table.items()}
    crops, idle = {}, set(table) - {"default"}
    for name, file in inputs.items():
        keys = (compose(printable(file.name)), name, "default")
        key = next((key for key in keys if table.get(key) is not None), None)
        if key is None:
            raise ValueError(f'{path}: expected a line for "{keys[0]}" or "default", got neither')
        idle.discard(key)
        value = table[key]
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        try:
            crops[name] = parse_crop(text)
        except ValueError as error:
            raise ValueError(f"{path}, {keys[0]}: {error}") from error
    if idle:
        names = printable(", ".join(sorted(idle)))
        print(f"warning: {path} has a crop for {names}, and no such input is given")
    return crops


@dataclass
class Source:
    """An input, opened: its frames, (144, 160, 3) uint8 each, and what is known of it."""

    frames: Iterator[np.ndarray]
    samples: np.ndarray
    """(N, 144, 160, 3) uint8 from all over"""
    facts: dict
    """for the run's JSON"""
    crop: Crop | None = None
    preview: Image.Image | None = None
    """a frame of the video with the crop outlined"""


def open_video(path: Path, name: str, args: Args, crop: Crop | Literal["auto"] | None) -> Source:
    """Open a video, its crop found if need be. Raises ValueError when none is found for sure."""
    survey = survey_video(path)
    samples = video.sample_video(path, survey, SAMPLES)
    size = samples[0].width, samples[0].height
    facts: dict = {"notes": {}}
    if crop == "auto":
        crop, facts["confidence"] = locate_crop(samples, name, args.out)
    x, y, width, height = box = crop or (0, 0, *size)
    if x + width > size[0] or y + height > size[1]:
        raise ValueError(
            f"--crop {x},{y},{width},{height} leaves the picture, which is {size[0]}x{size[1]}"
        )
    if abs(width * HEIGHT / (height * WIDTH) - 1) > 0.05:
        tqdm.write(
            f"warning: {path.name}: {width}x{height} is not the 10:9 of a Game Boy's picture "
            "and will be squeezed: pass --crop auto or x,y,width,height",
            file=sys.stderr,
        )
    centres = args.shades is not None
    return Source(
        video.decode_video(
            path, survey, args.fps, crop, size, centres, args.keep_truncated, facts["notes"]
        ),
        np.stack(list(video.resize(samples, crop, centres))),
        facts,
        crop,
        draw_preview(samples[len(samples) // 2], box),
    )


def open_single_frames(path: Path, name: str) -> Source:
    """Open a folder of frames or an *_index.json."""
    files, odd = single_frames.list_frames(path)
    if odd:
        tqdm.write(f"warning: {name}: {odd}", file=sys.stderr)
    samples = single_frames.sample_folder(files, SAMPLES)
    notes = {"uneven_numbers": odd} if odd else {}
    return Source(single_frames.read_frames(files, name), samples, {"notes": notes})


def locate_crop(samples: list[av.VideoFrame], name: str, out: Path) -> tuple[Crop, float]:
    """Find the game's picture in frames of a video: (crop, confidence).

    Raises ValueError when that is not sure enough, and shows the guess in OUT/NAME_preview.png.
    """
    if len(samples) < 3:
        raise ValueError(f"--crop auto needs 3 or more frames, got {len(samples)}: pass --crop")
    crop, evidence = find_crop(np.stack([frame.to_ndarray(format="gray") for frame in samples]))
    preview_path = out / f"{name}{PREVIEW_SUFFIX}"
    preview_path.unlink(missing_ok=True)
    if evidence.confidence < MIN_CONFIDENCE:
        write_png(preview_path, draw_preview(samples[len(samples) // 2], crop))
        raise ValueError(
            f"no Game Boy picture found for sure (confidence {evidence.confidence:.2f}, expected "
            f"{MIN_CONFIDENCE} or more); {preview_path} shows the best guess, "
            f"{','.join(map(str, crop))}: pass the right numbers as --crop x,y,width,height"
        )
    return crop, round(evidence.confidence, 3)


def drop_frames(
    frames: Iterator[np.ndarray], args: Args, levels: np.ndarray, dropped: dict
) -> Iterator[np.ndarray]:
    """Pass frames (144, 160, 3) uint8 on without those of `args.drop`; count them in `dropped`.

    Raises ValueError at the end when that was all of them.
    """
    dropped.update(dict.fromkeys(args.drop, 0))
    keep = max(1, round(args.still_seconds * args.fps))
    kept = 0
    first, still = None, 0  # the first picture of a stretch that stands still; its frames so far
    for frame in frames:
        picture = luma(frame)
        reason = None
        if "blanks" in args.drop and is_blank(picture):
            reason = "blanks"
        elif "fades" in args.drop and is_fade(picture, levels):
            reason = "fades"
        elif "repeats" in args.drop:
            if first is not None and is_same(first, picture):
                still += 1
            else:
                first, still = picture, 1
            reason = "repeats" if still > keep else None
        if reason:
            dropped[reason] += 1
        else:
            kept += 1
            yield frame
    if not kept and any(dropped.values()):
        counts = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
        raise ValueError(f"--drop leaves none of its frames ({counts}): pass less of it")


def is_same(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell whether two lumas (144, 160) uint8 show one picture, compression aside."""
    different = np.maximum(a, b) - np.minimum(a, b) > DIFFERENT
    return bool(different.mean() < DIFFERENT_SHARE)


def stop_at(event: Event, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Pass frames on; raise KeyboardInterrupt once the user has interrupted the main thread."""
    for frame in frames:
        if event.is_set():
            raise KeyboardInterrupt
        yield frame


def find_made(name: str, args: Args, request: dict) -> Run | None:
    """Return the run `name` if it is there; None when it is to be made.

    Raises ValueError when it was made of another file or with other settings than `request`.
    """
    run_path = args.out / f"{name}.npy"
    if args.overwrite or not (run_path.exists() and run_path.with_suffix(".json").exists()):
        return None
    run = read_run(run_path)
    had = run.meta.get("request", {})
    other = [f"{k} {had.get(k, 'unknown')}" for k, value in request.items() if had.get(k) != value]
    if other:
        raise ValueError(
            f"{run_path} was made with {', '.join(other)}: pass --overwrite to make it again, or "
            "another --out"
        )
    return run


def refuse_to_replace(run_path: Path) -> None:
    """Raise ValueError when something else than a run lies where one is to be written."""
    meta_path = run_path.with_suffix(".json")
    foreign = meta_path if meta_path.exists() and not is_run_json(meta_path) else None
    if run_path.exists() and not meta_path.exists():
        try:
            pixels = np.lib.format.open_memmap(run_path, mode="r")
        except (ValueError, OSError):
            foreign = run_path
        else:  # a run's pixels alone are what a crash left
            foreign = None if pixels.shape[1:] == FRAME_SHAPE else run_path
    if foreign:
        raise ValueError(
            f"{foreign} is there and is no run's: move it away, rename this input, or pass another "
            "--out"
        )


def check_input(path: Path, name: str) -> None:
    """Raise ValueError or OSError for what no run can be made of, before anything is read."""
    path.stat()
    check_name(name)
    if not (path.is_dir() or path.is_file()):
        raise ValueError("expected a file or a folder, got neither")
    if is_video(path) and path.suffix.lower() in NO_VIDEO_SUFFIXES:
        raise ValueError(
            f"expected a video, got {path.suffix}; of single frames pass their folder or "
            f"*{INDEX_SUFFIX}"
        )


def prepare_input(
    path: Path,
    name: str,
    args: Args,
    crop: Crop | Literal["auto"] | None,
    stop: Event,
    left_out: str | None = None,
) -> Run:
    """Make the run `name` of a video or of single frames, unless it is there.

    `left_out` is for its notes. Raises ValueError when it is there with other settings, and what
    reading the input raises.
    """
    check_input(path, name)
    source_name = compose(printable(absolute(path).name))
    if is_video(path):
        of_source = {"source_bytes": path.stat().st_size}
    else:
        stats = [file.stat() for file in [path, *single_frames.list_files(path)] if file.is_file()]
        newest = max((stat.st_mtime_ns for stat in stats), default=0)
        size = sum(stat.st_size for stat in stats)
        of_source = {"source_files": len(stats), "source_bytes": size, "source_changed": newest}
    request = {
        "source": source_name,
        **of_source,
        "fps": args.fps,
        "shades": args.shades,
        "drop": sorted(args.drop),
    }
    if "repeats" in args.drop:
        request["still_seconds"] = args.still_seconds
    if is_video(path):
        request["crop"] = list(crop) if isinstance(crop, tuple) else crop or "none"
        request["keep_truncated"] = args.keep_truncated
    if (made := find_made(name, args, request)) is not None:
        tqdm.write(f"{name}: {made.num_frames:,} frames, already there")
        return made

    refuse_to_replace(args.out / f"{name}.npy")
    if is_video(path):
        # Absolute, for FFmpeg takes what stands before a colon for a protocol.
        source = open_video(absolute(path), name, args, crop)
    else:
        source = open_single_frames(path, name)
    if left_out:
        source.facts["notes"]["left_out"] = left_out
    frames, facts = stop_at(stop, source.frames), source.facts
    levels = find_levels(luma(source.samples)) if args.shades or args.drop else np.zeros(0)
    if args.drop:
        facts["dropped"] = {}
        frames = drop_frames(frames, args, levels, facts["dropped"])
    if args.shades:
        facts["levels"] = levels.round().astype(int).tolist()
        frames = to_greys(frames, shade_table(levels))
    palette = "grey4" if args.shades else "rgb"
    run_path = write_run(
        args.out,
        name,
        frames,
        fps=args.fps,
        source=source_name,
        crop=source.crop,
        palette=palette,
        **facts,
        request=request,
    )
    run = read_run(run_path)
    write_png(args.out / f"{name}{SHEET_SUFFIX}", draw_sheet(run, source.preview))
    return run


def explain(error: Exception) -> str:
    """Return in one line what went wrong with an input; EMURL_TRACEBACK prints where as well."""
    if os.environ.get("EMURL_TRACEBACK"):
        traceback.print_exception(error)
    reason = error.strerror if isinstance(error, av.FFmpegError) else str(error)
    if not (reason and isinstance(error, (ValueError, OSError))):
        reason = f"{type(error).__name__} {reason}".rstrip()
    return printable(reason)


def to_greys(frames: Iterator[np.ndarray], table: np.ndarray) -> Iterator[np.ndarray]:
    """Give every pixel of (144, 160, 3) uint8 the grey that `table`, (256,), has for its luma."""
    for frame in frames:
        yield np.repeat(table[luma(frame)][..., None], 3, axis=2)


def state_paths(args: Args) -> list[Path]:
    """Return what lies in OUT already: runs that are not made again, their pictures, the report."""
    return [args.out / name for name in sorted(made_here(args.out))] if args.out.is_dir() else []


def products(args: Args) -> list[Path]:
    """Return the files that others read."""
    paths = [path for path in state_paths(args) if path.name != REPORT]
    return [path for path in paths if path.suffix in (".npy", ".json") and path.is_file()]


def main(args: Args) -> dict:
    """Prepare every input; return, and write to OUT/prepare_report.json, what came of each.

    Raises ValueError at the end when any failed; the others are kept.
    """
    inputs = find_inputs(args.videos)
    crops = read_crops(args.crop, inputs)
    left_out = find_left_out(args.videos, [*inputs.values(), Path(args.crop)])
    for folder, names in left_out.items():
        print(
            f"left out of {printable(folder)}: {names}: not videos, *{INDEX_SUFFIX} or folders of "
            ".npy or .png frames (name a folder of videos by itself)"
        )
    runs, failed, stop = [], {}, Event()
    # Threads will do: FFmpeg and NumPy work without the GIL.
    with sole_writer(args.out), ThreadPoolExecutor(args.workers) as pool:
        try:
            futures = {
                path: pool.submit(
                    prepare_input, path, name, args, crops[name], stop, left_out.get(absolute(path))
                )
                for name, path in inputs.items()
            }
            for path, future in futures.items():
                try:
                    runs.append(future.result())
                except Exception as error:  # whatever a file leads its reader to
                    reason = failed[printable(path)] = explain(error)
                    tqdm.write(f"failed: {printable(path)}: {reason}", file=sys.stderr)
        except BaseException:
            stop.set()  # only the videos in work are lost
            pool.shutdown(cancel_futures=True)
            raise
    frames = sum(run.num_frames for run in runs)
    report = {"runs": [run.meta for run in runs], "frames": frames, "failed": failed}
    if left_out:
        report["left_out"] = {printable(folder): names for folder, names in left_out.items()}
    write_json(args.out / REPORT, report)
    for run in runs:
        print("; ".join(describe_run(run)))
    print(f"{len(runs)} runs, {frames:,} frames in {args.out}")
    try:
        warnings = data_warnings(open_runs(args.out)) if runs else []
    except ValueError as error:  # a damaged run of another command
        warnings = [error]
    for warning in warnings:
        print(f"warning: {warning}")
    if failed:
        raise ValueError(f"{len(failed)} of {len(inputs)} inputs failed: {', '.join(failed)}")
    return report


if __name__ == "__main__":
    run_script(main, Args)
