"""Which game is played: its ROM, and the milestones that its RAM shows.

Milestones are ground truth for evaluation. They are never part of a reward.
"""

import hashlib
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
BUNDLED_ROM = ROOT / "games" / "waystone" / "waystone.gb"
ROM_SUFFIXES = (".gb", ".gbc")

#: Reads RAM: (address, length) -> (N, length) uint8, one row an environment.
ReadMemory = Callable[[int, int], np.ndarray]


@dataclass(frozen=True)
class Condition:
    """One test on a byte of RAM: `byte & mask`, by default for non-zero."""

    address: int
    mask: int = 0xFF
    equals: int | None = None
    at_least: int = 1

    def holds(self, read_memory: ReadMemory) -> np.ndarray:
        """Return (N,) bool."""
        value = read_memory(self.address, 1)[:, 0] & self.mask
        return value == self.equals if self.equals is not None else value >= self.at_least


@dataclass(frozen=True)
class Milestone:
    """A named event of the game; reached the first time that all its conditions hold."""

    name: str
    when: tuple[Condition, ...]

    def holds(self, read_memory: ReadMemory) -> np.ndarray:
        """Return (N,) bool."""
        return np.logical_and.reduce([condition.holds(read_memory) for condition in self.when])


@dataclass(frozen=True)
class Game:
    """A ROM and, where a `games/*/milestones.toml` names its SHA-1, its milestones in order."""

    name: str
    path: Path
    rom: bytes
    sha1: str
    milestones: tuple[Milestone, ...]
    position: dict[str, int]

    def milestones_held(self, read_memory: ReadMemory) -> np.ndarray:
        """Return which milestones hold right now, (N, len(milestones)) bool."""
        if not self.milestones:
            return np.zeros((len(read_memory(0, 1)), 0), dtype=bool)
        return np.stack([milestone.holds(read_memory) for milestone in self.milestones], axis=1)


def read_milestones(path: Path) -> dict:
    """Parse a milestones.toml into `{"name", "rom_sha1", "position", "milestones"}`.

    Raises ValueError that names the file and the milestone it could not read.
    """
    table = tomllib.loads(path.read_text())
    milestones = []
    for entry in table.get("milestone", []):
        try:
            conditions = tuple(Condition(**condition) for condition in entry["when"])
            milestones.append(Milestone(entry["name"], conditions))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path}: milestone {entry!r}: {error}") from error
    return {
        "name": table["name"],
        "rom_sha1": table["rom_sha1"],
        "position": table.get("position", {}),
        "milestones": tuple(milestones),
    }


def find_game(rom: Path | None = None, directory: Path = ROOT) -> Game:
    """Load a ROM: `rom` if given, else the one in `roms/`, else the bundled game.

    Raises FileNotFoundError when `rom` does not exist, ValueError when `roms/` holds several.
    """
    if rom is None:
        roms = directory / "roms"
        found = sorted(p for p in roms.glob("*") if p.suffix.lower() in ROM_SUFFIXES)
        if len(found) > 1:
            names = ", ".join(p.name for p in found)
            raise ValueError(f"expected one ROM in {roms}, got {len(found)} ({names}): pass --rom")
        rom = found[0] if found else BUNDLED_ROM
    if not rom.is_file():
        raise FileNotFoundError(
            f"no ROM at {rom}: pass --rom PATH, or leave --rom out to play "
            "the one in roms/ or the bundled game"
        )
    data = rom.read_bytes()
    sha1 = hashlib.sha1(data).hexdigest()
    known = {"name": rom.stem, "position": {}, "milestones": ()}
    for path in sorted((ROOT / "games").glob("*/milestones.toml")):
        table = read_milestones(path)
        if table.pop("rom_sha1") == sha1:
            known = table
    return Game(path=rom, rom=data, sha1=sha1, **known)
