"""Which game is played: its ROM, and the milestones that its RAM shows.

Milestones are ground truth for evaluation. They are never part of a reward.
"""

import hashlib
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from games.rom import find_rom, read_rom

ROOT = Path(__file__).resolve().parent.parent
BUNDLED_ROM = ROOT / "games" / "waystone" / "waystone.gb"

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
    is_place: bool = False
    """reached by going there: who is put back before it comes there again, with nothing undone"""

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
    notes: tuple[str, ...] = ()
    """what a user should know: what is odd about the ROM, or that no milestones are known"""

    def milestones_held(self, read_memory: ReadMemory) -> np.ndarray:
        """Return which milestones hold right now, (N, len(milestones)) bool."""
        if not self.milestones:
            return np.zeros((len(read_memory(0, 1)), 0), dtype=bool)
        return np.stack([milestone.holds(read_memory) for milestone in self.milestones], axis=1)


def read_milestones(path: Path) -> dict:
    """Parse a milestones.toml into `{"name", "rom_sha1", "position", "milestones"}`.

    Raises ValueError that names the file and the place in it that is not as expected.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # TOML's syntax, or no UTF-8
        raise ValueError(f"{path}: {error}") from error
    _expect_keys(str(path), table, ("name", "rom_sha1", "milestone"), ("position",))
    sha1, entries = table["rom_sha1"], table["milestone"]
    _expect_text(f"{path}: name", table["name"])
    is_sha1 = isinstance(sha1, str) and re.fullmatch("[0-9a-fA-F]{40}", sha1)
    _expect(is_sha1, f"{path}: rom_sha1", "40 hexadecimal digits", sha1)
    _expect_list(f"{path}: milestone", entries)
    milestones: list[Milestone] = []
    for number, entry in enumerate(entries, 1):
        where = f"{path}: milestone {number}"
        _expect_keys(where, entry, ("name", "when"), ("is_place",))
        _expect_text(f"{where}: name", entry["name"])
        where = f"{where} ({entry['name']})"
        is_new = entry["name"] not in [milestone.name for milestone in milestones]
        _expect(is_new, where, "a name of its own", entry["name"])
        _expect_list(f"{where}: when", entry["when"])
        is_place = entry.get("is_place", False)
        _expect(isinstance(is_place, bool), f"{where}: is_place", "true or false", is_place)
        conditions = tuple(
            _condition(f"{where}: condition {i}", condition)
            for i, condition in enumerate(entry["when"], 1)
        )
        milestones.append(Milestone(entry["name"], conditions, is_place))
    position = table.get("position", {})
    _expect(isinstance(position, dict), f"{path}: position", "a table", position)
    for name, address in position.items():
        _expect_int(f"{path}: position {name}", address, 0, 0xFFFF)
    return {
        "name": table["name"],
        "rom_sha1": sha1.lower(),
        "position": position,
        "milestones": tuple(milestones),
    }


def _condition(where: str, table: dict) -> Condition:
    """Return a condition, if there is a byte for which it holds and one for which it does not."""
    _expect_keys(where, table, ("address",), ("mask", "equals", "at_least"))
    mask = table.get("mask", 0xFF)
    _expect_int(f"{where}: address", table["address"], 0, 0xFFFF)
    _expect_int(f"{where}: mask", mask, 1, 0xFF)
    _expect(len({"equals", "at_least"} & set(table)) < 2, where, "equals or at_least", table)
    if "equals" in table:
        _expect_int(f"{where}: equals", table["equals"], 0, 0xFF)
        fits = table["equals"] & ~mask == 0
        _expect(fits, f"{where}: equals", f"bits of the mask 0x{mask:02X}", table["equals"])
    _expect_int(f"{where}: at_least", table.get("at_least", 1), 1, mask)
    return Condition(**table)


def _expect(holds: object, where: str, expected: str, got: object) -> None:
    if not holds:
        raise ValueError(f"{where}: expected {expected}, got {got!r}")


def _expect_text(where: str, value: object) -> None:
    _expect(isinstance(value, str) and value.strip(), where, "some text", value)


def _expect_list(where: str, value: object) -> None:
    _expect(isinstance(value, list) and value, where, "a list with one entry or more", value)


def _expect_int(where: str, value: object, low: int, high: int) -> None:
    fits = type(value) is int and low <= value <= high
    _expect(fits, where, f"a whole number from {low} to {high}", value)


def _expect_keys(
    where: str, table: object, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> None:
    _expect(isinstance(table, dict), where, "a table", table)
    if set(required) - set(table) or set(table) - {*required, *optional}:
        also = f", perhaps {', '.join(optional)}" if optional else ""
        raise ValueError(
            f"{where}: expected the keys {', '.join(required)}{also}, got {', '.join(table)}"
        )


def known_games(directory: Path = ROOT / "games") -> dict[str, dict]:
    """Return the content of every `*/milestones.toml` by its ROM's SHA-1.

    Raises ValueError as `read_milestones` does, and where two are of one ROM.
    """
    games: dict[str, dict] = {}
    for path in sorted(directory.glob("*/milestones.toml")):
        table = read_milestones(path)
        sha1 = table.pop("rom_sha1")
        if sha1 in games:
            raise ValueError(f"{path}: {games[sha1]['name']} has the same rom_sha1: keep one")
        games[sha1] = table
    return games


def find_game(rom: Path | None = None, directory: Path = ROOT) -> Game:
    """Load a ROM: `rom` if given, else the one in `roms/`, else the bundled game.

    Raises FileNotFoundError when `rom` does not exist, ValueError where `roms/` holds anything but
    one ROM, or where that is none.
    """
    notes = []
    if rom is None:
        rom = find_rom(directory)
    if rom is None:
        rom = BUNDLED_ROM
        if (directory / "roms").is_dir():
            notes.append(f"{directory / 'roms'} is empty: playing the bundled game")
    if not rom.is_file():
        raise FileNotFoundError(
            f"no ROM at {rom}: pass --rom PATH, or leave --rom out to play "
            "the one in roms/ or the bundled game"
        )
    data, odd = read_rom(rom)
    notes += odd
    sha1 = hashlib.sha1(data).hexdigest()
    known = known_games().get(sha1)
    if known is None:
        known = {"name": rom.stem, "position": {}, "milestones": ()}
        notes.append(
            f"no games/*/milestones.toml knows this ROM (SHA-1 {sha1}): no milestones are counted"
        )
    return Game(path=rom, rom=data, sha1=sha1, notes=tuple(notes), **known)
