"""Turn videos of play into runs of frames: sampled, cropped to the game's picture, 160×144.

    uv run python data/speedruns/prepare.py run1.mp4 run2.mkv --fps 2 --crop 320,0,800,720
    uv run python data/speedruns/prepare.py videos/ --crop 320,0,800,720 --shades 4

A folder may also hold videos as one .npy or .png a frame, listed in order in `<video>_index.json`
as {"frames": [{"path": …}, …]}; those are imported as they are:

    uv run python data/speedruns/prepare.py my_frames/
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
import numpy as np
import tyro
from PIL import Image
from tqdm import tqdm

if not __package__:  # run as a file: Python then looks for modules beside it, not at the top level
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cli import run_script
from data.frames import FRAME_SHAPE, INDEX_SUFFIX, ROOT, read_run, write_run

HEIGHT, WIDTH = FRAME_SHAPE[:2]
VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".flv", ".ts", ".m4v")

Crop = tuple[int, int, int, int]  # x, y, width, height in pixels of the video


@dataclass
class Args:
    videos: tyro.conf.Positional[tuple[Path, ...]]
    """video files in any format FFmpeg reads, folders of them, or folders with *_index.json"""
    fps: float = 2.0
    """frames to keep per second (2: one a step of the emulator); of an import: those it has"""
    crop: str = "none"
    """where the game's picture lies in the video: x,y,width,height in pixels, or none for all"""
    shades: Literal[4] | None = None
    """4 snaps every pixel to the nearest of the emulator's four greys (for grey footage)"""
    out: Path = ROOT / "data" / "speedruns" / "frames"
    """folder for the runs, one a video, named after it"""
    overwrite: bool = False
    """make runs again that are already there"""


def parse_crop(text: str) -> Crop | None:
    """Read "x,y,width,height" or "none". Raises ValueError for anything else."""
    if text == "none":
        return None
    numbers = text.split(",")
    if len(numbers) != 4 or not all(n.strip().isdecimal() for n in numbers):
        raise ValueError(f"expected --crop x,y,width,height in pixels or none, got {text!r}")
    x, y, width, height = map(int, numbers)
    if width == 0 or height == 0:
        raise ValueError(f"expected --crop with a width and height above 0, got {text!r}")
    return x, y, width, height


def find_inputs(paths: tuple[Path, ...]) -> dict[str, Path]:
    """Map run names to video files and *_index.json files, folders opened.

    Raises ValueError when nothing is given, a folder holds nothing, or two inputs share a name.
    """
    if not paths:
        raise ValueError("expected at least one VIDEO or FOLDER, got none: see --help")
    inputs: dict[str, Path] = {}
    for path in paths:
        found = [path]
        if path.is_dir():
            found = sorted(
                p for p in path.iterdir() if is_index(p) or p.suffix.lower() in VIDEO_SUFFIXES
            )
            if not found:
                raise ValueError(f"{path}: expected videos or *{INDEX_SUFFIX} in it, got neither")
        for file in found:
            name = file.name.removesuffix(INDEX_SUFFIX) if is_index(file) else file.stem
            if name in inputs:
                raise ValueError(
                    f"{inputs[name]} and {file} would both become the run {name!r}: pass one"
                )
            inputs[name] = file
    return inputs


def is_index(path: Path) -> bool:
    return path.name.endswith(INDEX_SUFFIX)


def decode_video(path: Path, fps: float, crop: Crop | None) -> Iterator[np.ndarray]:
    """Yield `fps` frames per second of the video's first picture stream, (144, 160, 3) uint8.

    Frame k is the picture halfway through the k-th interval. Shows a progress bar. Raises
    av.FFmpegError for a broken file, ValueError when there is no picture or `crop` leaves it.
    """
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError("expected a video, got a file without pictures")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        x, y, width, height = crop or (0, 0, stream.width, stream.height)
        if x + width > stream.width or y + height > stream.height:
            raise ValueError(
                f"--crop {x},{y},{width},{height} leaves the picture, "
                f"which is {stream.width}x{stream.height}"
            )
        if abs(width * HEIGHT / (height * WIDTH) - 1) > 0.05:
            tqdm.write(
                f"warning: {path.name}: {width}x{height} is not the 10:9 of a Game Boy's picture "
                "and will be squeezed: pass --crop x,y,width,height",
                file=sys.stderr,
            )
        graph = av.filter.Graph()
        graph.link_nodes(
            graph.add_buffer(template=stream),
            graph.add("fps", str(fps)),
            graph.add("format", "gbrp"),  # before the crop: an odd x would split YUV's colour pixel
            graph.add("crop", f"{width}:{height}:{x}:{y}"),
            graph.add("scale", f"{WIDTH}:{HEIGHT}:flags=area+accurate_rnd+full_chroma_int"),
            graph.add("format", "rgb24"),
            graph.add("buffersink"),
        ).configure()
        seconds = container.duration / av.time_base if container.duration else None
        total = seconds and round(seconds * fps)
        with tqdm(total=total, desc=path.name, unit="frame") as progress:
            for decoded in container.decode(stream):
                graph.vpush(decoded)
                yield from pull_frames(graph, progress)
            graph.vpush(None)
            yield from pull_frames(graph, progress)


def pull_frames(graph: av.filter.Graph, progress: tqdm) -> Iterator[np.ndarray]:
    """Yield what has come out of the filter graph so far."""
    while True:
        try:
            frame = graph.vpull()
        except (av.BlockingIOError, av.EOFError):  # it wants more input; it has given everything
            return
        progress.update()
        yield frame.to_ndarray()


def read_index(path: Path) -> Iterator[np.ndarray]:
    """Yield the frames that an *_index.json lists, (144, 160, 3) uint8; grey ones become RGB.

    Raises ValueError for an index in another form, FileNotFoundError for a frame that is missing.
    """
    try:
        names = [Path(entry["path"]) for entry in json.loads(path.read_text())["frames"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError('expected {"frames": [{"path": …}, …]}, got another form') from error
    for name in tqdm(names, desc=path.name, unit="frame"):
        # As written, or the last parts of it beside the index: such folders have often been moved.
        ends = (path.parent.joinpath(*name.parts[i:]) for i in range(1, len(name.parts)))
        places = (path.parent / name, name, *ends)
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            raise FileNotFoundError(f"it lists {name}, which is neither there nor beside it")
        if file.suffix == ".npy":
            frame = np.load(file)
        else:
            frame = np.asarray(Image.open(file).convert("RGB"))
        if frame.shape == FRAME_SHAPE[:2]:
            frame = np.repeat(frame[..., None], 3, axis=2)
        if frame.shape != FRAME_SHAPE or frame.dtype != np.uint8:
            raise ValueError(
                f"{file}: expected {FRAME_SHAPE} uint8, got {frame.shape} {frame.dtype}"
            )
        yield frame


def snap_to_greys(frame: np.ndarray) -> np.ndarray:
    """Map (144, 160, 3) uint8 to the nearest of the greys 0, 85, 170, 255 by its luminance."""
    luminance = frame @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    greys = (luminance / 85).round().astype(np.uint8) * np.uint8(85)
    return np.repeat(greys[..., None], 3, axis=2)


def prepare_input(path: Path, name: str, args: Args, crop: Crop | None) -> dict:
    """Make the run `name` of a video or an index, unless it is there; return its JSON.

    Raises ValueError when a run of that name was made of another file or with other settings.
    """
    meta = {
        "source": path.name,
        "source_bytes": path.stat().st_size,
        "fps": args.fps,
        "crop": None if crop is None or is_index(path) else list(crop),
        "palette": "grey4" if args.shades else "rgb",
    }
    run_path = args.out / f"{name}.npy"
    if not args.overwrite and run_path.exists() and run_path.with_suffix(".json").exists():
        have = read_run(run_path).meta
        other = [f"{key} {have.get(key)}" for key in meta if have.get(key) != meta[key]]
        if other:
            raise ValueError(f"{run_path} was made with {', '.join(other)}: pass --overwrite")
        tqdm.write(f"{name}: {have['frames']:,} frames, already there")
        return have
    frames = read_index(path) if is_index(path) else decode_video(path, args.fps, crop)
    if args.shades:
        frames = map(snap_to_greys, frames)
    return read_run(write_run(args.out, name, frames, **meta)).meta


def main(args: Args) -> dict:
    """Prepare every input; return, and write to OUT/prepare_report.json, what came of each.

    Raises ValueError at the end when any failed; the others are kept.
    """
    if args.fps <= 0:
        raise ValueError(f"expected --fps above 0, got {args.fps:g}")
    crop = parse_crop(args.crop)
    inputs = find_inputs(args.videos)
    runs, failed = [], {}
    for name, path in inputs.items():
        try:
            runs.append(prepare_input(path, name, args, crop))
        except (av.FFmpegError, ValueError, OSError) as error:
            reason = error.strerror if isinstance(error, av.FFmpegError) else str(error)
            failed[str(path)] = reason
            tqdm.write(f"failed: {path}: {reason}", file=sys.stderr)
    report = {"runs": runs, "frames": sum(run["frames"] for run in runs), "failed": failed}
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "prepare_report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"{len(runs)} runs, {report['frames']:,} frames in {args.out}")
    if failed:
        raise ValueError(f"{len(failed)} of {len(inputs)} inputs failed: {', '.join(failed)}")
    return report


if __name__ == "__main__":
    run_script(main, Args)
