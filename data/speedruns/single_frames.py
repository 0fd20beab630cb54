"""Read videos that lie as one .npy or .png a frame: listed in an *_index.json, or in a folder."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from data.frames import FRAME_SHAPE, INDEX_SUFFIX, PREVIEW_SUFFIX, SHEET_SUFFIX

SUFFIXES = (".npy", ".png")


def is_index(path: Path) -> bool:
    return path.name.endswith(INDEX_SUFFIX)


def list_folder(folder: Path) -> list[Path]:
    """Return the frames that lie in `folder`, in the order of the numbers in their names.

    A run's own files are no frames: its .npy, with a .json beside it, and the pictures of it.
    """
    files = [
        file
        for file in folder.iterdir()
        if file.suffix in SUFFIXES
        and not file.name.endswith((SHEET_SUFFIX, PREVIEW_SUFFIX))
        and not (file.suffix == ".npy" and file.with_suffix(".json").exists())
    ]
    return sorted(
        files, key=lambda file: ([int(n) for n in re.findall(r"\d+", file.stem)], file.name)
    )


def list_index(path: Path) -> list[Path]:
    """Return the frames that an *_index.json lists: {"frames": [{"path": …}, …]}.

    Each is looked for as written, then by the last parts of its path beside the index: such folders
    have often been moved. Raises ValueError for another form, FileNotFoundError for a lost frame.
    """
    try:
        names = [Path(entry["path"]) for entry in json.loads(path.read_text())["frames"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError('expected {"frames": [{"path": …}, …]}, got another form') from error
    files = []
    for name in names:
        ends = (path.parent.joinpath(*name.parts[i:]) for i in range(1, len(name.parts)))
        places = (path.parent / name, name, *ends)
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            raise FileNotFoundError(f"it lists {name}, which is neither there nor beside it")
        files.append(file)
    return files


def list_frames(path: Path) -> list[Path]:
    """Return the frames of an *_index.json or a folder. Raises ValueError when there is none."""
    files = list_index(path) if is_index(path) else list_folder(path)
    if not files:
        raise ValueError("expected at least one frame, got none")
    return files


def read_frames(files: Sequence[Path], name: str) -> Iterator[np.ndarray]:
    """Yield frames one at a time, (144, 160, 3) uint8; grey ones become RGB. Shows a progress bar.

    Raises ValueError for a frame of another shape.
    """
    for file in tqdm(files, desc=name, unit="frame"):
        yield read_frame(file)


def read_frame(file: Path) -> np.ndarray:
    if file.suffix == ".npy":
        frame = np.load(file)
    else:
        with Image.open(file) as image:
            frame = np.asarray(image.convert("RGB"))
    if frame.shape == FRAME_SHAPE[:2]:
        frame = np.repeat(frame[..., None], 3, axis=2)
    if frame.shape != FRAME_SHAPE or frame.dtype != np.uint8:
        raise ValueError(f"{file}: expected {FRAME_SHAPE} uint8, got {frame.shape} {frame.dtype}")
    return frame


def sample_folder(files: Sequence[Path], count: int) -> np.ndarray:
    """Read up to `count` frames from all over: (N, 144, 160, 3) uint8."""
    return np.stack(
        [read_frame(file) for file in islice(files, 0, None, max(1, len(files) // count))]
    )
