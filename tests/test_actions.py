"""Action index → button mask, and input movies."""

import numpy as np
import pytest
from emurust import VecGameBoy
from hypothesis import given
from hypothesis import strategies as st

from games.actions import BUTTONS, NUM_ACTIONS, action_masks
from games.game import BUNDLED_ROM
from games.movie import Movie, play, read_movie, write_movie


def test_every_action_is_its_own_button():
    masks = action_masks(np.arange(NUM_ACTIONS))
    assert masks.dtype == np.uint8
    assert masks.tolist() == [1, 2, 4, 8, 16, 32, 64, 128]
    assert dict(zip(BUTTONS, masks.tolist(), strict=True))["Start"] == 128


@pytest.mark.parametrize("index", [-1, 8, 128])
def test_an_index_out_of_range_is_refused(index):
    with pytest.raises(ValueError, match="expected action indices 0 to 7"):
        action_masks(np.array([0, index]))


@given(st.lists(st.integers(0, 255), max_size=50), st.sampled_from([(30, 8), (1, 1), (12, 0)]))
def test_movies_round_trip(tmp_path_factory, masks, timing):
    path = tmp_path_factory.mktemp("movie") / "run.txt"
    movie = Movie(np.array(masks, dtype=np.uint8), *timing)
    write_movie(path, movie, comment="seed 0\ntwo lines")
    again = read_movie(path)
    assert again.masks.tolist() == masks and (again.frame_skip, again.hold_frames) == timing
    assert ("timing" in path.read_text()) == (timing != (30, 8))
    assert len(again.frames()) == timing[0] * len(masks)
    assert again.seconds == pytest.approx(len(again.frames()) / 60)  # 60 * 8.2 is not 492


def test_a_step_holds_its_buttons_and_lets_go():
    assert Movie(np.array([1, 16], np.uint8), 4, 3).frames().tolist() == [1, 1, 1, 0, 16, 16, 16, 0]


def test_frame_by_frame_a_movie_plays_as_step_by_step():
    """And is sampled twice a second, the rest filled up."""
    rom = BUNDLED_ROM.read_bytes()
    movie = read_movie(BUNDLED_ROM.parent / "intro.txt")
    by_steps, by_frames = VecGameBoy(rom, 1, 30, hold_frames=8), VecGameBoy(rom, 1)
    expected, obs = (np.zeros(by_steps.obs_shape(), np.uint8) for _ in range(2))
    by_steps.reset(expected)
    by_frames.reset(obs)
    player = play(by_frames, movie.frames()[:-25], obs)
    for mask in movie.masks:
        by_steps.step(np.array([mask]), expected)
        assert next(player) is False  # not locked up
        assert np.array_equal(obs, expected)
        assert by_frames.export_state(0) == by_steps.export_state(0)
    assert next(player, "over") == "over"


@pytest.mark.parametrize(
    "line", ["timing", "timing 1", "timing 8 30", "timing 0 0", "timing 30 -8", "timing 1 1 1"]
)
def test_a_bad_timing_is_named(tmp_path, line):
    path = tmp_path / "bad.txt"
    path.write_text(f"# frames\n{line}\n")
    with pytest.raises(ValueError, match=r"bad.txt:2: expected (timing|steps)"):
        read_movie(path)


@pytest.mark.parametrize("lines", ["timing 1 1\ntiming 1 1", "A\ntiming 1 1"])
def test_a_timing_comes_once_and_first(tmp_path, lines):
    path = tmp_path / "bad.txt"
    path.write_text(f"{lines}\n")
    with pytest.raises(ValueError, match=r"bad.txt:2: expected one timing, before all buttons"):
        read_movie(path)


@pytest.mark.parametrize(
    "line", ["Jump", "A x", "A 2 3", "A+", "A ²", "Timing 1 1", "A 10000000", f"A {10**22}"]
)
def test_a_bad_movie_line_is_named(tmp_path, line):
    path = tmp_path / "bad.txt"
    path.write_text(f"Start\n{line}\n")
    with pytest.raises(ValueError, match=r"bad.txt:2: expected (buttons|up to 10,000,000 steps)"):
        read_movie(path)
