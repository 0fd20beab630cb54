"""Draw the pictures of emberwick's README from the running game.

    uv run python -m games.emberwick.pictures
    uv run python -m games.emberwick.pictures --out /tmp/pictures

The same ROM gives the same pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import games.pictures
from cli import run_script
from games.emberwick.player import (
    ACTIONS_MENU,
    CHANDLERS,
    CLIFF,
    FARHOLM,
    GLOOM,
    HERE,
    HIGH_ROAD,
    HOME,
    INNKEEPER,
    KEEPERS,
    LAMP_ROOM,
    LOFT,
    LOW_ROAD,
    MOVES_MENU,
    REST_A,
    ROM,
    SALTMERE,
    SHOP_A,
    SIGHTS,
    STAIR,
    TOWER,
    TOWN,
    WOOD,
    Player,
    State,
)
from games.player import MENU, TEXT, TITLE, WORLD

CLOSED_DOOR = (17, 11)
#: Where each map's corner stands in the picture of the world, in cells. The other rest houses and
#: shops look like the first.
LAYOUT = {
    WOOD: (0, 0),
    CLIFF: (32, 0),
    TOWER: (53, 0),
    STAIR: (70, 0),
    LAMP_ROOM: (87, 0),
    FARHOLM: (32, 16),
    HIGH_ROAD: (57, 16),
    SALTMERE: (71, 16),
    TOWN: (0, 33),
    LOFT: (27, 33),
    HOME: (27, 42),
    KEEPERS: (40, 33),
    CHANDLERS: (40, 43),
    REST_A: (71, 33),
    SHOP_A: (71, 42),
    LOW_ROAD: (0, 52),
}

#: Screens to keep: the first that these hold for.
SCREENS: dict[str, Callable[[State], bool]] = {
    "title": lambda s: s.mode == TITLE and not s.fading,
    "town": lambda s: s.map == TOWN and s.mode == TEXT and s.waiting and s.y == 10,
    "spirits": lambda s: s.map == KEEPERS and s.mode == TEXT and s.waiting and s.x >= 7,
    "battle": lambda s: s.mode == MENU and s.menu == ACTIONS_MENU,
    "moves": lambda s: s.mode == MENU and s.menu == MOVES_MENU and s.level >= 7,
    "wood": lambda s: s.map == WOOD and s.mode == WORLD and not s.fading and s.y < 20,
    "rest": lambda s: s.map == REST_A and s.mode == TEXT and s.waiting,
    "gloom": lambda s: s.foe == GLOOM and s.mode == TEXT and s.waiting,
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
        self.sights[FARHOLM].append(CLOSED_DOOR)
        self.sights[REST_A] = [INNKEEPER]

    def needs_rest(self) -> bool:
        return super().needs_rest() or (self.state.map == TOWN and REST_A not in self.maps)


def main(args: Args) -> dict:
    """Tour the game and write the pictures. Returns their names."""
    return Tourist(ROM.read_bytes()).save_pictures(args.out)


if __name__ == "__main__":
    run_script(main, Args)
