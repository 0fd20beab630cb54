"""Draw the pictures of waystone's README from the running game.

uv run python -m games.waystone.pictures
uv run python -m games.waystone.pictures --out /tmp/pictures
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cli import run_script
from games.player import MENU, SOLID, TEXT, TITLE, WORLD
from games.waystone.player import (
    BAKER,
    BEDROOM,
    CAVE,
    DEPTHS,
    DETOURS,
    ELDER,
    ENDING,
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

GREYS = np.array([255, 170, 85, 0], dtype=np.uint8)
CELL = 16  # pixels
VALLEY_SIGN = (38, 3)
VRAM, VRAM_BYTES, BACKGROUND = 0x8000, 0x2000, 0x1800
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


class Tourist(Player):
    """Visits everything, and keeps the maps and the screens that it sees."""

    def __init__(self, rom: bytes):
        self.maps: dict[int, np.ndarray] = {}
        self.metatiles: dict[tuple[int, int], np.ndarray] = {}  # of a map, (CELL, CELL) shades
        self.screens: dict[str, np.ndarray] = {}
        super().__init__(rom, seed=0)
        self.sights = {area: list(cells) for area, cells in SIGHTS.items()}
        self.sights[VALLEY] = [VALLEY_SIGN]
        self.detours = {area: list(cells) for area, cells in DETOURS.items()}

    def press(self, button: str) -> None:
        super().press(button)
        for name, wanted in SCREENS.items():
            if name not in self.screens and wanted(self.state):
                self.screens[name] = self.obs[0].copy()
        if self.state.mode == WORLD:
            self.look()

    def look(self) -> None:
        """Learn, from the background in VRAM, what the metatiles around the player look like."""
        state = self.state
        self.maps.setdefault(state.map, state.cells)
        vram = np.asarray(self.game.read_memory(0, VRAM, VRAM_BYTES))
        for y in range(max(state.y - 4, 0), min(state.y + 5, state.cells.shape[0])):
            for x in range(max(state.x - 4, 0), min(state.x + 6, state.cells.shape[1])):
                key = (state.map, state.cell(x, y) & ~SOLID)
                if key not in self.metatiles:
                    self.metatiles[key] = background_cell(vram, x, y)


def background_cell(vram: np.ndarray, x: int, y: int) -> np.ndarray:
    """Return the shades (CELL, CELL) of a cell of the 16 x 16 background."""
    shades = np.zeros((CELL, CELL), dtype=np.uint8)
    for row in (0, 1):
        for column in (0, 1):
            at = BACKGROUND + (2 * (y & 15) + row) * 32 + 2 * (x & 15) + column
            tile = int(vram[at])
            start = 16 * tile + (0x1000 if tile < 128 else 0)
            low, high = np.unpackbits(vram[start : start + 16].reshape(8, 2, 1), axis=2).swapaxes(
                0, 1
            )
            shades[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = low + 2 * high
    return shades


def draw_world(tourist: Tourist) -> Image.Image:
    """Return all maps, as they lay when first entered, at half size."""
    width = max(x + tourist.maps[area].shape[1] for area, (x, _) in LAYOUT.items())
    height = max(y + tourist.maps[area].shape[0] for area, (_, y) in LAYOUT.items())
    canvas = np.full((height * CELL, width * CELL), 255, dtype=np.uint8)
    for area, (left, top) in LAYOUT.items():
        for (y, x), cell in np.ndenumerate(tourist.maps[area]):
            shades = tourist.metatiles[area, int(cell) & ~SOLID]
            rows = slice((top + y) * CELL, (top + y + 1) * CELL)
            canvas[rows, (left + x) * CELL : (left + x + 1) * CELL] = GREYS[shades]
    image = Image.fromarray(canvas)
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)


def main(args: Args) -> dict:
    """Tour the game and write the pictures. Returns their names."""
    tourist = Tourist(ROM.read_bytes())
    tourist.win()
    assert tourist.state.reached(ENDING)
    args.out.mkdir(parents=True, exist_ok=True)
    pictures = {name: Image.fromarray(screen) for name, screen in tourist.screens.items()}
    pictures["world"] = draw_world(tourist)
    for name, picture in pictures.items():
        picture.convert("L").save(args.out / f"{name}.png", optimize=True)
    print(f"wrote {', '.join(pictures)} to {args.out}")
    return {"pictures": sorted(pictures)}


if __name__ == "__main__":
    run_script(main, Args)
