"""Small inputs for prepare.py, made in code: videos, folders and lists of single frames."""

import json
from pathlib import Path

import av
import numpy as np
from PIL import Image

from data.frames import find_runs
from data.speedruns import prepare as speedruns_prepare


def pictures(count: int, seed: int = 0) -> np.ndarray:
    """(count, 144, 160, 3) uint8, grey tiles, all different."""
    tiles = np.random.default_rng(seed).integers(0, 256, (count, 9, 10, 1), dtype=np.uint8)
    return tiles.repeat(16, axis=1).repeat(16, axis=2).repeat(3, axis=3)


def write_video(path: Path, count: int = 3, seed: int = 0, codec: str = "mpeg4") -> Path:
    """Write two pictures a second in the container that the suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path.absolute()), "w") as container:
        stream = container.add_stream(codec, rate=2)
        stream.width, stream.height = 160, 144
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        for frame in pictures(count, seed):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(picture.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode())
    return path


def write_frames(folder: Path, names: list[str], seed: int = 0) -> np.ndarray:
    """Write a .npy or .png for each name; return what was written, (T, 144, 160, 3) uint8."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = pictures(len(names), seed)
    for name, frame in zip(names, frames, strict=True):
        with (folder / name).open("wb") as file:
            if name.lower().endswith(".npy"):
                np.save(file, frame)
            else:
                Image.fromarray(frame).save(file, format="PNG")
    return frames


def write_index(path: Path, names: list[str]) -> Path:
    path.write_text(json.dumps({"frames": [{"path": name} for name in names]}))
    return path


def prepare(out: Path, *inputs: Path, **settings) -> dict:
    settings = {"crop": "none", "workers": 1, **settings}
    return speedruns_prepare.main(speedruns_prepare.Args(inputs, out=out, **settings))


def lengths(out: Path) -> dict[str, int]:
    return {run.name: run.num_frames for run in find_runs(out)}
