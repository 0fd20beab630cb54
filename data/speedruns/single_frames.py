"""Read videos that lie as one .npy or .png a frame: listed in an *_index.json, or in a folder."""

import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from data.frames import FRAME_SHAPE, INDEX_SUFFIX, made_here

SUFFIXES = (".npy", ".png")
Image.MAX_IMAGE_PIXELS = None  # no limit needed: `read_frame` looks at the size before it decodes


def is_index(path: Path) -> bool:
    return path.name.endswith(INDEX_SUFFIX) and not os.path.isdir(path)


def list_folder(folder: Path) -> list[Path]:
    """Return the frames that lie in `folder`, in the order of the numbers in their names.

    Hidden files are none, nor is what prepare.py made: a run's own .npy and the pictures of it.
    """
    with os.scandir(folder) as entries:
        names = {
            entry.name
            for entry in entries
            if os.path.splitext(entry.name)[1].lower() in SUFFIXES
            and not entry.name.startswith(".")
            and entry.is_file()
        }
    files = (folder / name for name in names - made_here(folder))
    return sorted(files, key=lambda file: (numbers(file), file.name))


def numbers(file: Path) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", file.stem)]


def check_sequence(files: Sequence[Path]) -> str | None:
    """Return what is odd about the numbers of a folder's sorted frames, None when nothing is.

    Raises ValueError when the names do not tell their order: they differ in more than numbers, or
    two have the same.
    """
    first_of = {}
    for file in files:
        first_of.setdefault(re.sub(r"\d+", "#", file.stem.casefold()), file.name)
    if len(first_of) > 1:
        starts = " and ".join([*first_of.values()][:3])
        raise ValueError(
            f"expected the numbered frames of one video, got {len(first_of)} kinds of names, from "
            f"{starts} on: put each video's into a folder of its own"
        )
    steps = []
    for before, after in pairwise(files):
        step = tuple(b - a for a, b in zip(numbers(before), numbers(after), strict=True))
        if not any(step):
            raise ValueError(f"{before.name} and {after.name} have the same number: keep one")
        steps.append(step)
    usual = Counter(steps).most_common(1)[0][0] if steps else ()
    odd = [i for i, step in enumerate(steps) if step != usual]
    if not odd:
        return None
    before, after = files[odd[0]].name, files[odd[0] + 1].name
    return (
        f"the frames' numbers are uneven at {len(odd):,} of {len(steps):,} places, first from "
        f"{before} to {after}: are some missing, or is it more than one video?"
    )


def list_index(path: Path) -> list[Path]:
    """Return the frames that an *_index.json lists: {"frames": [{"path": …}, …]}.

    Raises ValueError for another form and for two entries that lead to one file,
    FileNotFoundError for a lost frame.
    """
    try:
        names = [str(Path(entry["path"])) for entry in json.loads(path.read_bytes())["frames"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError('expected {"frames": [{"path": …}, …]}, got another form') from error
    files: dict[Path, str] = {}
    for name in dict.fromkeys(names):
        file = find_listed(name, path.parent)
        if file is None:
            raise FileNotFoundError(f"it lists {name}, which is neither there nor beside it")
        if file in files:
            raise ValueError(f"it lists {files[file]} and {name}, found is only {file}")
        files[file] = name
    found = {name: file for file, name in files.items()}
    return [found[name] for name in names]


def find_listed(name: str, folder: Path) -> Path | None:
    """Return a listed frame's file: as written, or the last parts of its path beside the index.

    Such folders have often been moved, also from Windows (\\) or macOS (decomposed characters).
    """
    slashes = name.replace("\\", "/")
    spellings = (name, slashes, *(unicodedata.normalize(form, slashes) for form in ("NFC", "NFD")))
    for spelling in dict.fromkeys(spellings):
        path = Path(spelling)
        ends = (folder.joinpath(*path.parts[i:]) for i in range(1, len(path.parts)))
        for place in (folder / path, path, *ends):
            if os.path.isfile(place):
                return place
    return None


def list_files(path: Path) -> list[Path]:
    """Return the frames of an *_index.json or a folder."""
    return list_index(path) if is_index(path) else list_folder(path)


def list_frames(path: Path) -> tuple[list[Path], str | None]:
    """Return the frames of an *_index.json or a folder, and what is odd about their numbers.

    Raises ValueError when there is none, or a folder's order is not to be told.
    """
    files = list_files(path)
    if not files:
        raise ValueError("expected at least one frame, got none")
    return files, None if is_index(path) else check_sequence(files)


def read_frames(files: Sequence[Path], name: str) -> Iterator[np.ndarray]:
    """Yield frames one at a time, (144, 160, 3) uint8; grey ones become RGB. Shows a progress bar.

    Raises ValueError for a frame of another shape.
    """
    for file in tqdm(files, desc=name, unit="frame"):
        yield read_frame(file)


def read_frame(file: Path) -> np.ndarray:
    """Read a frame, (144, 160, 3) uint8. Raises ValueError when it is none, naming the file."""
    try:
        if file.suffix.lower() == ".npy":
            frame = np.lib.format.open_memmap(file, mode="r")  # what is too large stays unread
        else:
            frame = read_png(file)
        if frame.shape == FRAME_SHAPE[:2]:
            frame = np.repeat(frame[..., None], 3, axis=2)
        if frame.shape != FRAME_SHAPE or frame.dtype != np.uint8:
            raise ValueError(f"expected {FRAME_SHAPE} uint8, got {frame.shape} {frame.dtype}")
    except Exception as error:  # the formats' readers raise whatever a broken file leads them to
        raise ValueError(f"{file}: {error or type(error).__name__}") from error
    return frame


def read_png(file: Path) -> np.ndarray:
    """Decode a .png as (144, 160, 3) uint8; 16 bits of grey become 8, white stays white."""
    with Image.open(file, formats=("PNG",)) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise ValueError(f"expected one picture, got {image.n_frames}")
        shape = (image.height, image.width, 3)
        if shape != FRAME_SHAPE:
            raise ValueError(f"expected {FRAME_SHAPE} uint8, got {shape}")
        if "A" in image.getbands() or "transparency" in image.info:
            if image.convert("RGBA").getextrema()[3][0] < 255:
                raise ValueError("expected a picture, got one with transparent pixels: flatten it")
        if image.mode.startswith("I"):
            grey = (np.asarray(image).astype(np.uint32) + 128) // 257
            return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
        return np.asarray(image.convert("RGB"))


def sample_folder(files: Sequence[Path], count: int) -> np.ndarray:
    """Read up to `count` frames from all over: (N, 144, 160, 3) uint8."""
    return np.stack(
        [read_frame(file) for file in islice(files, 0, None, max(1, len(files) // count))]
    )
