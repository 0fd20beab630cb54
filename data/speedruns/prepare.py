"""Turn videos of play into runs of frames: sampled, cropped to the game's picture, 160×144.

    uv run python data/speedruns/prepare.py run1.mp4 run2.mkv --fps 2 --crop 320,0,800,720
    uv run python data/speedruns/prepare.py videos/ --shades 4                # finds the crop
    uv run python data/speedruns/prepare.py videos/ --crop crops.toml --drop blanks repeats

A folder may also hold videos as one .npy or .png a frame: listed in order in `<video>_index.json`
as {"frames": [{"path": …}, …]}, or one folder a video. Those are imported as they are:

    uv run python data/speedruns/prepare.py my_frames/

The same command again makes only what is not there yet. data/speedruns/README.md has more.
"""

import json
import os
import sys
import tomllib
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

from cli import run_script
from data.frames import (
    FRAME_SHAPE,
    INDEX_SUFFIX,
    PREVIEW_SUFFIX,
    ROOT,
    SHEET_SUFFIX,
    Run,
    read_run,
    write_run,
)
from data.speedruns import single_frames, video
from data.speedruns.contact_sheet import describe_run, draw_sheet
from data.speedruns.crop import MIN_CONFIDENCE, Crop, draw_preview, find_crop
from data.speedruns.shades import find_levels, is_blank, is_fade, luma, shade_table
from data.speedruns.survey import survey_video

HEIGHT, WIDTH = FRAME_SHAPE[:2]
SAMPLES = 40  # frames that the crop and the levels of the shades are found on
DIFFERENT = 24  # of 255 in luma: more than compression makes of one picture
DIFFERENT_SHARE = 0.001  # of the pixels: a blinking cursor is more

Drop = Literal["blanks", "fades", "repeats"]


@dataclass
class Args:
    videos: tyro.conf.Positional[tuple[Path, ...]]
    """video files in any format FFmpeg reads, folders of them, or folders of single frames"""
    fps: float = 2.0
    """frames to keep per second (2: one a step of the emulator); of an import: those it has"""
    crop: str = "auto"
    """where the game's picture lies: x,y,width,height in pixels of the video as it is shown; auto;
    none for all of the picture; or a .toml or .json file with one of these for each video's name"""
    shades: Literal[4] | None = None
    """4 gives every pixel one of the emulator's four greys, whatever the video's palette"""
    drop: tuple[Drop, ...] = ()
    """leave out frames of one shade (blanks), half-lit ones (fades), and what stands still for
    longer than --still-seconds (repeats); without it time stays even"""
    still_seconds: float = 2.0
    """of a still picture, how much --drop repeats keeps"""
    keep_truncated: bool = False
    """take what can be read of a file that breaks off, instead of none of it"""
    out: Path = ROOT / "data" / "speedruns" / "frames"
    """folder for the runs, one a video, named after it, each with a contact sheet"""
    overwrite: bool = False
    """make runs again that are already there"""
    workers: int = max(1, (os.cpu_count() or 1) // 2)
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
        content = path.read_text()
        table = tomllib.loads(content) if path.suffix == ".toml" else json.loads(content)
    except ValueError as error:
        raise ValueError(f"{path}: expected a table of crops, got {error}") from error
    crops = {}
    for name, file in inputs.items():
        value = next((table[key] for key in (file.name, name, "default") if key in table), None)
        if value is None:
            raise ValueError(f'{path}: expected a line for "{file.name}" or "default", got neither')
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        try:
            crops[name] = parse_crop(text)
        except ValueError as error:
            raise ValueError(f"{path}, {file.name}: {error}") from error
    return crops


def find_inputs(paths: tuple[Path, ...]) -> dict[str, Path]:
    """Map run names to video files, *_index.json files and folders of frames; folders opened.

    Raises ValueError when nothing is given, a folder holds nothing, or two inputs share a name.
    """
    if not paths:
        raise ValueError("expected at least one VIDEO or FOLDER, got none: see --help")
    inputs: dict[str, Path] = {}
    for path in paths:
        for file in open_folder(path) if path.is_dir() else [path]:
            name = file.name.removesuffix(INDEX_SUFFIX)
            if name == file.name and not file.is_dir():
                name = file.stem
            if name in inputs:
                raise ValueError(
                    f"{inputs[name]} and {file} would both become the run {name!r}: pass one"
                )
            inputs[name] = file
    return inputs


def open_folder(folder: Path) -> list[Path]:
    """Return what a folder holds: videos and indices; else itself or its folders, of frames."""
    files = sorted(folder.iterdir())
    found = [
        file
        for file in files
        if single_frames.is_index(file) or file.suffix.lower() in video.SUFFIXES
    ]
    if not found:
        folders = (folder, *(file for file in files if file.is_dir()))
        found = [place for place in folders if single_frames.list_folder(place)]
    if not found:
        raise ValueError(
            f"{folder}: expected videos, *{INDEX_SUFFIX} or .npy or .png frames in it, got neither"
        )
    return found


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


def is_video(path: Path) -> bool:
    return not (path.is_dir() or single_frames.is_index(path))


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
    files = single_frames.list_frames(path)
    samples = single_frames.sample_folder(files, SAMPLES)
    return Source(single_frames.read_frames(files, name), samples, {})


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
        out.mkdir(parents=True, exist_ok=True)
        draw_preview(samples[len(samples) // 2], crop).save(preview_path)
        raise ValueError(
            f"no Game Boy picture found for sure (confidence {evidence.confidence:.2f}, expected "
            f"{MIN_CONFIDENCE} or more); {preview_path} shows the best guess, "
            f"{','.join(map(str, crop))}: pass the right numbers as --crop x,y,width,height"
        )
    return crop, round(evidence.confidence, 3)


def drop_frames(
    frames: Iterator[np.ndarray], args: Args, levels: np.ndarray, dropped: dict
) -> Iterator[np.ndarray]:
    """Pass frames (144, 160, 3) uint8 on without those of `args.drop`; count them in `dropped`."""
    dropped.update(dict.fromkeys(args.drop, 0))
    keep = max(1, round(args.still_seconds * args.fps))
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
            yield frame


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


def prepare_input(
    path: Path, name: str, args: Args, crop: Crop | Literal["auto"] | None, stop: Event
) -> Run:
    """Make the run `name` of a video or of single frames, unless it is there.

    Raises ValueError when it is there with other settings, and what reading the input raises.
    """
    size = sum(1 for _ in path.iterdir()) if path.is_dir() else path.stat().st_size
    request = {
        "source": path.name,
        "source_bytes" if path.is_file() else "source_files": size,
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

    if is_video(path):
        source = open_video(path, name, args, crop)
    else:
        source = open_single_frames(path, name)
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
        source=path.name,
        crop=source.crop,
        palette=palette,
        **facts,
        request=request,
    )
    run = read_run(run_path)
    draw_sheet(run, source.preview).save(args.out / f"{name}{SHEET_SUFFIX}")
    return run


def to_greys(frames: Iterator[np.ndarray], table: np.ndarray) -> Iterator[np.ndarray]:
    """Give every pixel of (144, 160, 3) uint8 the grey that `table`, (256,), has for its luma."""
    for frame in frames:
        yield np.repeat(table[luma(frame)][..., None], 3, axis=2)


def main(args: Args) -> dict:
    """Prepare every input; return, and write to OUT/prepare_report.json, what came of each.

    Raises ValueError at the end when any failed; the others are kept.
    """
    for flag, value in (
        ("--fps", args.fps),
        ("--still-seconds", args.still_seconds),
        ("--workers", args.workers),
    ):
        if value <= 0:
            raise ValueError(f"expected {flag} above 0, got {value:g}")
    inputs = find_inputs(args.videos)
    crops = read_crops(args.crop, inputs)
    runs, failed, stop = [], {}, Event()
    with ThreadPoolExecutor(args.workers) as pool:  # FFmpeg and NumPy work without the GIL
        try:
            futures = {
                path: pool.submit(prepare_input, path, name, args, crops[name], stop)
                for name, path in inputs.items()
            }
            for path, future in futures.items():
                try:
                    runs.append(future.result())
                except (av.FFmpegError, ValueError, OSError) as error:
                    reason = error.strerror if isinstance(error, av.FFmpegError) else str(error)
                    failed[str(path)] = reason
                    tqdm.write(f"failed: {path}: {reason}", file=sys.stderr)
        except BaseException:
            stop.set()  # only the videos in work are lost
            pool.shutdown(cancel_futures=True)
            raise
    frames = sum(run.num_frames for run in runs)
    report = {"runs": [run.meta for run in runs], "frames": frames, "failed": failed}
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "prepare_report.json").write_text(json.dumps(report, indent=2) + "\n")
    for run in runs:
        print("; ".join(describe_run(run)))
    print(f"{len(runs)} runs, {frames:,} frames in {args.out}")
    if failed:
        raise ValueError(f"{len(failed)} of {len(inputs)} inputs failed: {', '.join(failed)}")
    return report


if __name__ == "__main__":
    run_script(main, Args)
