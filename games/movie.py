"""Input movies: what was pressed, as text.

One line is the buttons of a step and how often they repeat: ``Up 3``, ``A``, ``Right+B 2``, ``-``
for nothing; ``#`` starts a comment. A step is 30 frames, from power-on, buttons held for 8 of them,
unless a line before the first buttons says otherwise: ``timing 1 1`` for steps of one frame, as
people play.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from emurust import VecGameBoy

from games.actions import BUTTONS

FRAME_SKIP = 30  # frames of the game a step: 2 steps a second
HOLD_FRAMES = 8
FRAMES_PER_SECOND = 60
MOST_FRAMES = 1 << 20  # a step's
MOST_STEPS = 10_000_000  # a movie's


@dataclass(frozen=True)
class Movie:
    """Buttons from power-on: masks (T,) uint8, one a step of `frame_skip` frames."""

    masks: np.ndarray
    frame_skip: int = FRAME_SKIP
    hold_frames: int = HOLD_FRAMES

    def frames(self) -> np.ndarray:
        """Return the buttons held in every frame, (T · frame_skip,) uint8."""
        held = np.arange(self.frame_skip) < self.hold_frames
        return np.outer(self.masks, held).astype(np.uint8).ravel()

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.masks) * self.frame_skip / FRAMES_PER_SECOND


def play(
    game: VecGameBoy, frames: np.ndarray, obs: np.ndarray, every: int = FRAME_SKIP
) -> Iterator[bool]:
    """Play the buttons of every frame, (N,) uint8, on one machine; pause after `every` of them.

    Yields whether the game has locked up; `obs`, (1, 144, 160, 3) uint8, then shows the screen. The
    last part is as long as the others: nothing is pressed at its end.
    """
    frames = np.pad(frames, (0, -len(frames) % every))
    for start in range(0, len(frames), every):
        for mask, run in groupby(frames[start : start + every].tolist()):
            game.frame_skip = game.hold_frames = len(list(run))
            _, dones = game.step(np.array([mask], dtype=np.uint8), obs)
        yield bool(dones[0])


def read_movie(path: Path | str) -> Movie:
    """Read a movie.

    Raises FileNotFoundError, or ValueError that names the line it could not read.
    """
    masks: list[int] = []
    timing: list[int] | None = None
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"expected an input movie, lines of text, in {path}: {error}") from error
    for number, line in enumerate(lines, start=1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] == "timing":
            if timing is not None or masks:
                raise ValueError(f"{path}:{number}: expected one timing, before all buttons")
            timing = _timing(words[1:], f"{path}:{number}", line)
            continue
        names, count = words[0], words[1] if len(words) > 1 else "1"
        pressed = [] if names == "-" else names.split("+")
        if len(words) > 2 or not count.isdecimal() or any(name not in BUTTONS for name in pressed):
            raise ValueError(
                f"{path}:{number}: expected buttons of {'/'.join(BUTTONS)} joined by + "
                f"(- for none) and an optional count, got {line.strip()!r}"
            )
        if len(masks) + int(count) > MOST_STEPS:
            raise ValueError(
                f"{path}:{number}: expected up to {MOST_STEPS:,} steps, got {line.strip()!r}"
            )
        mask = sum(1 << BUTTONS.index(name) for name in set(pressed))
        masks += [mask] * int(count)
    return Movie(np.array(masks, dtype=np.uint8), *(timing or ()))


def _timing(words: list[str], where: str, line: str) -> list[int]:
    """Return frame_skip and hold_frames of the words of a timing line."""
    numbers = [int(word) for word in words if word.isdecimal()]
    if len(words) != 2 or len(numbers) != 2 or not numbers[1] <= numbers[0] <= MOST_FRAMES:
        raise ValueError(
            f"{where}: expected timing with the frames of a step, up to {MOST_FRAMES}, and for how "
            f"many of them buttons are held, such as timing {FRAME_SKIP} {HOLD_FRAMES}, got "
            f"{line.strip()!r}"
        )
    if not numbers[0]:
        raise ValueError(f"{where}: expected steps of one frame or more, got {line.strip()!r}")
    return numbers


def write_movie(path: Path | str, movie: Movie, comment: str = "") -> None:
    """Write a movie that `read_movie` gives back unchanged."""
    lines = [f"# {line}" for line in comment.splitlines()]
    if (movie.frame_skip, movie.hold_frames) != (FRAME_SKIP, HOLD_FRAMES):
        lines.append(f"timing {movie.frame_skip} {movie.hold_frames}")
    for mask, run in groupby(int(mask) for mask in movie.masks):
        names = "+".join(name for bit, name in enumerate(BUTTONS) if mask >> bit & 1) or "-"
        count = len(list(run))
        lines.append(names if count == 1 else f"{names} {count}")
    Path(path).write_text("\n".join(lines) + "\n")
