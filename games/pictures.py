"""Pictures of a bundled game, drawn from the running game: its maps in one, and screens of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from emurust import VecGameBoy
from PIL import Image

GREYS = np.array([255, 170, 85, 0], dtype=np.uint8)
CELL = 16  # pixels
SOLID = 0x80
VRAM, VRAM_BYTES, BACKGROUND = 0x8000, 0x2000, 0x1800


class Album:
    """Keeps the maps, and the first screens that `wanted` holds for, of a game that is toured."""

    def __init__(self, wanted: dict[str, Callable[[Any], bool]]):
        self.wanted = wanted
        self.screens: dict[str, np.ndarray] = {}
        self.maps: dict[int, np.ndarray] = {}
        self.metatiles: dict[tuple[int, int], np.ndarray] = {}  # of a map, (CELL, CELL) shades
        self.elsewhere: dict[int, np.ndarray] = {}  # the same of whatever map

    def keep_screens(self, state: Any, screen: np.ndarray) -> None:
        for name, holds in self.wanted.items():
            if name not in self.screens and holds(state):
                self.screens[name] = screen.copy()

    def keep_map(self, state: Any, game: VecGameBoy) -> None:
        """Learn, from the background in VRAM, what the metatiles around the player look like."""
        self.maps.setdefault(state.map, state.cells)
        vram = np.asarray(game.read_memory(0, VRAM, VRAM_BYTES))
        for y in range(max(state.y - 4, 0), min(state.y + 5, state.cells.shape[0])):
            for x in range(max(state.x - 4, 0), min(state.x + 6, state.cells.shape[1])):
                key = (state.map, state.cell(x, y) & ~SOLID)
                if key not in self.metatiles:
                    self.metatiles[key] = background_cell(vram, x, y)
                    self.elsewhere.setdefault(key[1], self.metatiles[key])

    def draw_world(self, layout: dict[int, tuple[int, int]]) -> Image.Image:
        """Return the maps, as they lay when first entered, at half size.

        `layout` says where each map's corner stands in the picture, in cells.
        """
        width = max(x + self.maps[area].shape[1] for area, (x, _) in layout.items())
        height = max(y + self.maps[area].shape[0] for area, (_, y) in layout.items())
        canvas = np.full((height * CELL, width * CELL), 255, dtype=np.uint8)
        for area, (left, top) in layout.items():
            for (y, x), cell in np.ndenumerate(self.maps[area]):
                metatile = int(cell) & ~SOLID
                shades = self.metatiles.get((area, metatile), self.elsewhere[metatile])
                rows = slice((top + y) * CELL, (top + y + 1) * CELL)
                canvas[rows, (left + x) * CELL : (left + x + 1) * CELL] = GREYS[shades]
        image = Image.fromarray(canvas)
        return image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)


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


def save_pictures(folder: Path, screens: dict[str, np.ndarray], world: Image.Image) -> list[str]:
    """Write the screens and `world.png`. Returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {name: Image.fromarray(screen[..., 0]) for name, screen in screens.items()}
    pictures["world"] = world
    for name, picture in pictures.items():
        picture.convert("L").save(folder / f"{name}.png", optimize=True)
    print(f"wrote {', '.join(pictures)} to {folder}")
    return sorted(pictures)
