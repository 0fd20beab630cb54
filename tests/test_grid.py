"""Recorded screens are moved to the walking grid, and those that are on it, or have none, stay."""

import numpy as np
from emurust import VecGameBoy
from hypothesis import given
from hypothesis import strategies as st

from data.demo.prepare import find_movies, replay
from games.game import BUNDLED_ROM
from games.movie import read_movie
from games.player import MASK
from models.grid import on_grid

#: What is neither the edge nor near the player.
MAP = np.zeros((144, 160), dtype=bool)
MAP[16:-16, 16:-16] = True
MAP[48:88, 56:88] = False


def screen(seed, x, y):
    """A map of five kinds of tiles, seen from pixel (x, y), with a player in the middle."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 4, (5, 16, 16)) * 85
    tiles = kinds[rng.integers(0, 5, (13, 14))]
    whole = tiles.swapaxes(1, 2).reshape(13 * 16, 14 * 16)
    seen = whole[32 + y : 176 + y, 32 + x : 192 + x].copy()
    seen[62:78, 66:78] = 7
    return np.repeat(seen[..., None], 3, axis=2).astype(np.uint8)


@given(st.integers(0, 999), st.integers(-7, 7), st.booleans())
def test_a_map_is_moved_to_the_nearest_cell(seed, by, across):
    x, y = (by, 0) if across else (0, by)
    (moved,) = on_grid(screen(seed, x, y)[None])
    np.testing.assert_array_equal(moved[MAP], screen(seed, 0, 0)[MAP])
    assert (moved[62:78, 66:78] == 7).all(), "the player stays in the middle"


def test_what_is_seen_in_a_step_of_the_game_is_what_is_seen_after_it():
    """In waystone's bedroom, from half a step on."""
    intro = read_movie(BUNDLED_ROM.parent / "intro.txt")
    for direction in ("Right", "Up"):
        game = VecGameBoy(BUNDLED_ROM.read_bytes(), 1, 1)
        obs, frames = np.zeros(game.obs_shape(), dtype=np.uint8), []
        game.reset(obs)
        pressed = [*intro.frames().tolist(), *(12 * [MASK[direction]]), *(28 * [0])]
        for mask in pressed:
            game.step(np.array([mask], dtype=np.uint8), obs)
            frames.append(obs[0].copy())
        resting = frames[-1]
        moving = [f for f in frames[-40:] if (f[MAP] != resting[MAP]).mean() > 0.1]
        assert len(moving) > 14, "the player waits, and then walks a cell"
        for frame in on_grid(np.stack(moving[-7:])):
            assert (frame[MAP] == resting[MAP]).all()


def test_screens_on_the_grid_texts_and_battles_stay():
    """Runs of one button a step, from power-on to the end."""
    for movie in find_movies(BUNDLED_ROM.parent / "movies")[:2]:
        played = replay(BUNDLED_ROM.read_bytes(), read_movie(movie).frames())
        frames = np.stack([frame.copy() for frame in played])
        np.testing.assert_array_equal(on_grid(frames), frames)
