"""Input movies: what was pressed, as text.

One line is the buttons of a step and how often they repeat: ``Up 3``, ``A``, ``Right+B 2``, ``-``
for nothing; ``#`` starts a comment. A step is 30 frames, from power-on, buttons held for 8 of them.
"""

from itertools import groupby
from pathlib import Path

import numpy as np

from games.actions import BUTTONS

FRAME_SKIP = 30  # frames of the game a step: 2 steps a second
HOLD_FRAMES = 8


def read_movie(path: Path | str) -> np.ndarray:
    """Read a movie as button masks, (T,) uint8.

    Raises FileNotFoundError, or ValueError that names the line it could not read.
    """
    masks: list[int] = []
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"expected an input movie, lines of text, in {path}: {error}") from error
    for number, line in enumerate(lines, start=1):
        words = line.split("#")[0].split()
        if not words:
            continue
        names, count = words[0], words[1] if len(words) > 1 else "1"
        pressed = [] if names == "-" else names.split("+")
        if len(words) > 2 or not count.isdigit() or any(name not in BUTTONS for name in pressed):
            raise ValueError(
                f"{path}:{number}: expected buttons of {'/'.join(BUTTONS)} joined by + "
                f"(- for none) and an optional count, got {line.strip()!r}"
            )
        mask = sum(1 << BUTTONS.index(name) for name in set(pressed))
        masks += [mask] * int(count)
    return np.array(masks, dtype=np.uint8)


def write_movie(path: Path | str, masks: np.ndarray, comment: str = "") -> None:
    """Write button masks, (T,) uint8, as a movie that `read_movie` gives back unchanged."""
    lines = [f"# {line}" for line in comment.splitlines()]
    for mask, run in groupby(int(mask) for mask in masks):
        names = "+".join(name for bit, name in enumerate(BUTTONS) if mask >> bit & 1) or "-"
        count = len(list(run))
        lines.append(names if count == 1 else f"{names} {count}")
    Path(path).write_text("\n".join(lines) + "\n")
