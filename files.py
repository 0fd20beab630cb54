"""How files are written: whole or not at all, and in a folder that no other process writes to."""

import contextlib
import functools
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock
from PIL import Image

from cli import RANK


@contextlib.contextmanager
def naming(path: Path, what: str = "") -> Iterator[None]:
    """Let an OSError name the file: of a write that fails, Python does not say where."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}{what}", str(path)) from error


def write_whole(path: Path, content: bytes | bytearray | memoryview) -> None:
    """Write a file: the old one, or none, stays in place until the new one is complete.

    Raises OSError, which names the file, when the disk is full or may not be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    with naming(path, ", nothing was replaced"):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Append a line to a file. Raises OSError, which names the file."""
    with naming(path), path.open("a") as file:
        file.write(line + "\n")


def write_json(path: Path, content: dict) -> None:
    """Write `content` for people to read."""
    write_whole(path, (json.dumps(content, indent=2) + "\n").encode())


def read_json(path: Path) -> dict:
    """Read what `write_json` wrote. Raises ValueError, which names the file, for anything else."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(
            f"expected JSON in {path}, got what is cut or damaged ({error}): delete it"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(
            f"expected a JSON object in {path}, got a {type(content).__name__}: move it away"
        )
    return content


def write_png(path: Path, image: Image.Image) -> None:
    """Write a picture."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)  # half the time, nearly as small
    write_whole(path, buffer.getbuffer())


@contextlib.contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Keep other processes from writing to a folder. Raises ValueError at once where one does.

    The system frees the lock whichever way a process ends.
    """
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout as error:
        raise ValueError(
            f"another process writes to {folder}: wait until it has ended, or pass another --out"
        ) from error
    except OSError as error:
        what = f"{error.strerror} (pass another --out)"
        raise OSError(error.errno, what, str(folder)) from error
    try:
        yield
    finally:
        lock.release()


def writes_alone(folder: Callable[[Any], Path]) -> Callable:
    """Let a script's `main` be the sole writer of the folder that `folder` finds in its flags."""

    def decorate(main: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @functools.wraps(main)
        def alone(args: Any) -> Any:
            with sole_writer(folder(args)) if RANK == 0 else contextlib.nullcontext():
                return main(args)

        return alone

    return decorate
