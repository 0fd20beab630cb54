"""Levels of luma out of noisy pictures, and the shades they stand for."""

import numpy as np
import pytest

from data.demo.layouts import COLOUR, DIM, GREEN, GREY, SUPER
from data.speedruns.shades import GREYS, find_levels, is_blank, is_fade, luma, shade_table

PALETTES = {"grey": GREY, "green": GREEN, "super": SUPER, "colour": COLOUR, "dim": DIM}


def tiles(shades: int, frames: int = 12, seed: int = 0) -> np.ndarray:
    """Pictures of flat tiles, as indices into the four shades, dark to light: (N, 144, 160)."""
    rng = np.random.default_rng(seed)
    choice = rng.choice(
        shades,
        (frames, 18, 20),
        p=[0.08, 0.12, 0.3, 0.5][4 - shades :] / np.sum([0.08, 0.12, 0.3, 0.5][4 - shades :]),
    )
    return (choice + 4 - shades).repeat(8, axis=1).repeat(8, axis=2)


def film(truth: np.ndarray, palette, noise: float = 4, seed: int = 1) -> np.ndarray:
    """Show shades (N, 144, 160) through a palette with a codec's noise, as luma."""
    colours = np.array(palette[::-1], dtype=float)[truth]
    noisy = colours + np.random.default_rng(seed).normal(0, noise, colours.shape[:-1])[..., None]
    return luma(noisy.round().clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
def test_every_palette_gives_the_four_shades_in_order(palette):
    truth = tiles(4)
    lumas = film(truth, palette)
    levels = find_levels(lumas)
    np.testing.assert_allclose(levels, luma(np.array(palette[::-1], np.uint8)), atol=3)
    assert (shade_table(levels)[lumas] == GREYS[truth]).mean() > 0.999


@pytest.mark.parametrize("shades", [1, 2, 3])
def test_a_clip_without_its_darkest_shades_is_not_stretched(shades):
    truth = tiles(shades)
    lumas = film(truth, GREY)
    levels = find_levels(lumas)
    assert len(levels) == shades
    assert (shade_table(levels)[lumas] == GREYS[truth]).mean() > 0.999


def test_fades_do_not_move_the_levels():
    truth = tiles(4, frames=30)
    lumas = film(truth, GREEN)
    fading = lumas.copy()
    for k, light in enumerate((0.8, 0.6, 0.4, 0.2)):
        fading[3 + k] = lumas[3 + k] * light
    levels = find_levels(fading)
    np.testing.assert_allclose(levels, find_levels(lumas), atol=5)  # they are 65 and more apart
    assert (shade_table(levels)[lumas] == GREYS[truth]).mean() > 0.999
    assert [is_fade(frame, levels) for frame in fading[:8]] == [False] * 3 + [True] * 4 + [False]


def test_two_palettes_at_once_share_the_shades():
    truth = tiles(4)
    other = ((255, 255, 255), (150, 190, 150), (70, 110, 70), (0, 0, 0))  # of the people, say
    lumas = film(truth, GREY)
    lumas[:, 40:80] = film(truth, other)[:, 40:80]
    assert (shade_table(find_levels(lumas))[lumas] == GREYS[truth]).mean() > 0.999


def test_only_one_shade_is_blank():
    rng = np.random.default_rng(0)
    blank = rng.normal(240, 3, (144, 160)).clip(0, 255).astype(np.uint8)
    assert is_blank(blank)
    blank[60:76, 60:76] = 0
    assert not is_blank(blank)
