"""Draw the pictures of waystone's README from the running game.

    uv run python -m games.waystone.pictures
    uv run python -m games.waystone.pictures --out /tmp/pictures

The same ROM gives the same pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import games.pictures
from cli import run_script
from games.player import MENU, TEXT, TITLE, WORLD
from games.waystone.player import (
    BAKER,
    BEDROOM,
    CAVE,
    DEPTHS,
    DETOURS,
    ELDER,
    HERE,
    HOUSE,
    PAINTER,
    ROM,
    ROUTE,
    SHRINE,
    SIGHTS,
    TOWN,
    VALLEY,
    Player,
    State,
)

VALLEY_SIGN = (38, 3)
#: Where each map's corner stands in the picture of the world, in cells.
LAYOUT = {
    BEDROOM: (0, 0),
    HOUSE: (0, 9),
    TOWN: (13, 0),
    ELDER: (0, 20),
    BAKER: (11, 20),
    PAINTER: (22, 20),
    VALLEY: (0, 30),
    ROUTE: (41, 0),
    CAVE: (58, 21),
    DEPTHS: (58, 4),
    SHRINE: (77, 4),
}

#: Screens to keep: the first that these hold for.
SCREENS: dict[str, Callable[[State], bool]] = {
    "title": lambda s: s.mode == TITLE,
    "town": lambda s: s.map == TOWN and s.mode == TEXT and s.waiting and s.x > 10,
    "painting": lambda s: s.map == PAINTER and s.mode == TEXT and s.waiting and s.y == 1,
    "battle": lambda s: s.foe > 0 and s.mode == MENU,
    "gate": lambda s: s.map == ROUTE and s.mode == WORLD and s.y < 3 and s.flags & 1,
    "depths": lambda s: s.map == DEPTHS and s.mode == WORLD and s.y < 8,
    "shrine": lambda s: s.map == SHRINE and s.mode == WORLD and s.y < 4,
}


@dataclass
class Args:
    out: Path = HERE / "pictures"
    """folder for the PNG files"""


class Tourist(games.pictures.Tourist, Player):
    """Visits everything."""

    wanted, layout = SCREENS, LAYOUT

    def __init__(self, rom: bytes):
        super().__init__(rom)
        self.sights = {area: list(cells) for area, cells in SIGHTS.items()}
        self.sights[VALLEY] = [VALLEY_SIGN]
        self.detours = {area: list(cells) for area, cells in DETOURS.items()}


def main(args: Args) -> dict:
    """Tour the game and write the pictures. Returns their names."""
    return Tourist(ROM.read_bytes()).save_pictures(args.out)


if __name__ == "__main__":
    run_script(main, Args)
