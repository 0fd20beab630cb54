"""Pictures of a bundled game, drawn from the running game: its maps in one, and screens of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from games.player import SOLID, WORLD

GREYS = np.array([255, 170, 85, 0], dtype=np.uint8)
CELL = 16  # pixels
VRAM, VRAM_BYTES, BACKGROUND = 0x8000, 0x2000, 0x1800


class Tourist:
    """A sightseer's camera on a game's player, which says where to go.

        class Tourist(games.pictures.Tourist, Player): ...

    It keeps the maps that it sees, and the first screens that `wanted` holds for.
    """

    wanted: dict[str, Callable[[Any], bool]]
    """of a state, by the picture's name"""
    layout: dict[int, tuple[int, int]]
    """where each map's corner stands in the picture of the world, in cells"""

    def __init__(self, rom: bytes):
        self.screens: dict[str, np.ndarray] = {}
        self.maps: dict[int, np.ndarray] = {}
        self.metatiles: dict[tuple[int, int], np.ndarray] = {}  # of a map, (CELL, CELL) shades
        self.elsewhere: dict[int, np.ndarray] = {}  # the same of whatever map
        super().__init__(rom, seed=0)

    def press(self, button: str) -> None:
        super().press(button)
        for name, holds in self.wanted.items():
            if name not in self.screens and holds(self.state):
                self.screens[name] = self.obs[0].copy()
        if self.state.mode == WORLD and not self.state.busy:
            self.keep_map()

    def keep_map(self) -> None:
        """Learn, from the background in VRAM, what the metatiles around the player look like."""
        state = self.state
        self.maps.setdefault(state.map, state.cells)
        vram = np.asarray(self.game.read_memory(0, VRAM, VRAM_BYTES))
        for y in range(max(state.y - 4, 0), min(state.y + 5, state.cells.shape[0])):
            for x in range(max(state.x - 4, 0), min(state.x + 6, state.cells.shape[1])):
                key = (state.map, state.cell(x, y) & ~SOLID)
                if key not in self.metatiles:
                    self.metatiles[key] = background_cell(vram, x, y)
                    self.elsewhere.setdefault(key[1], self.metatiles[key])

    def draw_world(self) -> Image.Image:
        """Return the maps, as they lay when first entered, at half size."""
        width = max(x + self.maps[area].shape[1] for area, (x, _) in self.layout.items())
        height = max(y + self.maps[area].shape[0] for area, (_, y) in self.layout.items())
        canvas = np.full((height * CELL, width * CELL), 255, dtype=np.uint8)
        for area, (left, top) in self.layout.items():
            for (y, x), cell in np.ndenumerate(self.maps[area]):
                metatile = int(cell) & ~SOLID
                shades = self.metatiles.get((area, metatile), self.elsewhere[metatile])
                rows = slice((top + y) * CELL, (top + y + 1) * CELL)
                canvas[rows, (left + x) * CELL : (left + x + 1) * CELL] = GREYS[shades]
        image = Image.fromarray(canvas)
        return image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)

    def save_pictures(self, folder: Path) -> dict:
        """Play to the end, write the screens and `world.png`. Returns their names."""
        self.win()
        assert self.state.reached(self.ending)
        pictures = {name: Image.fromarray(screen[..., 0]) for name, screen in self.screens.items()}
        pictures["world"] = self.draw_world()
        folder.mkdir(parents=True, exist_ok=True)
        for name, picture in pictures.items():
            picture.convert("L").save(folder / f"{name}.png", optimize=True)
        print(f"wrote {', '.join(pictures)} to {folder}")
        return {"pictures": sorted(pictures)}


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
