"""The automatic crop and the four shades, on videos as streamers make them."""

import json

import numpy as np
import pytest
from PIL import Image

from data.demo.layouts import LAYOUTS
from data.speedruns.crop import find_crop
from tests.layouts import try_layout

STEPS = 20  # of the game; `python -m tests.layouts` tries more layouts and seeds
RATE = 2  # pictures a second: each shows another step, as samples of a whole run do
FOUND = [
    "four times, splits left",
    "4.4 times, bilinear",
    "green, webcam touches",
    "Super Game Boy, 3.5 times",
    "full height, dim",
]
REFUSED = ["no game", "footage of 10:9", "half covered"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("layouts")


@pytest.fixture(scope="module")
def found(folder):
    return {name: try_layout(name, 0, folder, STEPS, RATE) for name in FOUND}


def test_the_game_is_found_within_two_pixels_or_not_taken(found):
    off = [result.off_pixels for result in found.values() if result.off_pixels is not None]
    assert len(off) == 5 and max(off) <= 2, found


def test_every_palette_becomes_the_four_shades(found):
    for name, result in found.items():
        if LAYOUTS[name].crf <= 24:
            assert result.agreement_numbers > 0.99, name
            assert result.agreement_auto is None or result.agreement_auto > 0.99, name
    assert sum(result.agreement_numbers > 0.99 for result in found.values()) == 5, found


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_a_whole_game_is_refused_with_a_picture_of_the_guess(folder, capsys, name):
    result = try_layout(name, 0, folder, STEPS, RATE)
    assert result.off_pixels is None and result.confidence < 0.5
    (report,) = [line for line in capsys.readouterr().err.splitlines() if "failed: " in line]
    assert "confidence 0." in report and "pass the right numbers as --crop" in report
    preview = report.split("; ")[1].split(" shows")[0]
    with Image.open(preview) as image:
        assert image.size == (1280, 720)
        assert (255, 0, 0) in {color for _, color in image.getcolors(1 << 24)}
    report = json.loads((folder / "auto" / "prepare_report.json").read_text())
    assert len(report["failed"]) == 1 and not report["runs"]


def test_a_still_picture_is_no_evidence():
    rng = np.random.default_rng(0)
    frames = np.repeat(rng.integers(0, 256, (1, 360, 640), dtype=np.uint8), 5, axis=0)
    assert find_crop(frames)[1].confidence == 0
