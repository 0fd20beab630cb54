"""Find what prepare.py works on: videos, folders and lists of single frames; and what is left."""

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from data.frames import INDEX_SUFFIX, REPORT, made_here
from data.speedruns import single_frames

VIDEO_SUFFIXES = tuple(
    ".3g2 .3gp .asf .avi .divx .f4v .flv .gif .m1v .m2t .m2ts .m2v .m4v .mkv .mov .mp4 .mpe .mpeg "
    ".mpg .mts .mxf .nut .ogm .ogv .qt .rm .rmvb .ts .vob .webm .wmv .y4m".split()
)
#: FFmpeg would make a video of these: of one picture, or of text on a terminal.
NO_VIDEO_SUFFIXES = (".npy", ".npz", ".png", ".jpg", ".jpeg", ".bmp", ".webp", ".txt", ".nfo")
NAMED = 8  # of what is left out, in a line


def find_inputs(paths: Iterable[Path]) -> dict[str, Path]:
    """Map run names to video files, *_index.json files and folders of frames; folders opened.

    Raises ValueError when nothing is given, a folder alone holds nothing, or two inputs share a
    name, on whatever file system.
    """
    paths = tuple(paths)
    if not paths:
        raise ValueError("expected at least one VIDEO or FOLDER, got none: see --help")
    inputs: dict[str, Path] = {}
    names: dict[str, Path] = {}
    for path in paths:
        try:
            files = open_folder(path) if os.path.isdir(path) else [path]
        except (ValueError, OSError):
            if len(paths) == 1:
                raise
            files = [path]  # fails in its turn
        for file in files:
            name = run_name(file)
            if other := names.get(name.casefold()):
                raise ValueError(
                    f"{printable(other)} and {printable(file)} would both become the run {name!r}: "
                    "pass one, or rename one"
                )
            inputs[name] = names[name.casefold()] = file
    return inputs


def run_name(path: Path) -> str:
    """Return the name of the run that an input becomes: composed (NFC), and printable."""
    if os.path.isdir(path):
        name = os.path.basename(os.path.abspath(path))  # "." has none
    elif single_frames.is_index(path):
        name = path.name.removesuffix(INDEX_SUFFIX)
    else:
        name = path.stem
    return "".join(c if c.isprintable() else "_" for c in compose(name))


def check_name(name: str) -> None:
    """Raise ValueError for a run whose files would not be read as a run's, or replace a report."""
    file = f"{name}.json".casefold()
    if not name or name.startswith(".") or file == REPORT or file.endswith(INDEX_SUFFIX):
        raise ValueError(
            f"expected a name of its own, got {name!r} (hidden, or that of files made here): "
            "rename it"
        )


def open_folder(folder: Path) -> list[Path]:
    """Return what a folder holds: videos, indices, folders of frames; else itself, of frames.

    A folder with frames that an index lists is that index's. Raises ValueError when it holds none
    of these.
    """
    entries = visible(folder)
    found = [file for file in entries if is_named_as_input(file) and os.path.isfile(file)]
    listed = {place for file in found for place in places_listed(file)}
    found += [
        place
        for place in entries
        if os.path.isdir(place) and absolute(place) not in listed and may_hold_frames(place)
    ]
    if not any(map(is_named_as_input, found)) and single_frames.list_folder(folder):
        found.append(folder)
    if not found:
        raise ValueError(
            f"{printable(folder)}: expected videos, *{INDEX_SUFFIX} or .npy or .png frames in it, "
            "got neither (name a folder of videos in it by itself)"
        )
    return sorted(found)


def visible(folder: Path) -> list[Path]:
    """Return what lies in `folder`, sorted, without hidden files and what was made here."""
    names = set(os.listdir(folder)) - made_here(folder)
    return [folder / name for name in sorted(names) if not name.startswith(".")]


def is_named_as_input(file: Path) -> bool:
    return single_frames.is_index(file) or file.suffix.lower() in VIDEO_SUFFIXES


def places_listed(file: Path) -> set[Path]:
    """Return the folders of the frames of an *_index.json: by its name, and as listed."""
    if not single_frames.is_index(file):
        return set()
    try:
        frames = single_frames.list_index(file)
    except (ValueError, OSError):
        frames = []  # it fails in its turn
    return {absolute(file.parent / run_name(file)), *(absolute(f.parent) for f in frames)}


def may_hold_frames(folder: Path) -> bool:
    try:
        return bool(single_frames.list_folder(folder))
    except OSError:
        return True  # fails in its turn


def find_left_out(paths: Iterable[Path], inputs: Iterable[Path]) -> dict[Path, str]:
    """Say for each opened folder what in it is no input, no part of one and not made here."""
    opened = {absolute(path) for path in paths if os.path.isdir(path)}
    taken, folders = set(), set(opened)
    for path in inputs:
        taken.add(str(absolute(path)))
        try:
            files = single_frames.list_files(path) if not is_video(path) else []
        except (ValueError, OSError):
            continue  # fails in its turn
        frames = {os.path.abspath(file) for file in files}
        places = {Path(place) for place in map(os.path.dirname, frames)}
        taken |= frames
        folders |= {place for place in places if opened & {place, *place.parents}}
    left_out = {}
    for folder in sorted(folders):
        rest = [
            entry
            for entry in visible(folder)
            if str(entry) not in taken and entry not in folders and not is_idle_folder(entry)
        ]
        rest.sort(key=lambda entry: not os.path.isdir(entry))  # folders, with all they hold, first
        names = [f"{entry.name}/" if os.path.isdir(entry) else entry.name for entry in rest]
        if names:
            more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
            left_out[folder] = printable(", ".join(names[:NAMED])) + more
    return left_out


def is_idle_folder(path: Path) -> bool:
    """Tell whether a folder holds nothing but hidden files and what was made here."""
    try:
        return os.path.isdir(path) and not visible(path)
    except OSError:
        return False


def list_files(inputs: Iterable[Path]) -> list[Path]:
    """Return all files that inputs are made of."""
    files = ([path] if is_video(path) else single_frames.list_files(path) for path in inputs)
    return [file for some in files for file in some]


def is_video(path: Path) -> bool:
    return not (os.path.isdir(path) or single_frames.is_index(path))


def absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def compose(text: str) -> str:
    """Return `text` in Unicode's composed form: macOS writes é as two characters, others as one."""
    return unicodedata.normalize("NFC", text)


def printable(text: object) -> str:
    """Return a path or a message as one line that every terminal can show."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))
