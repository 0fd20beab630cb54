"""Action index → button mask, and input movies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.actions import BUTTONS, NUM_ACTIONS, action_masks
from games.movie import read_movie, write_movie


def test_every_action_is_its_own_button():
    masks = action_masks(np.arange(NUM_ACTIONS))
    assert masks.dtype == np.uint8
    assert masks.tolist() == [1, 2, 4, 8, 16, 32, 64, 128]
    assert dict(zip(BUTTONS, masks.tolist(), strict=True))["Start"] == 128


@pytest.mark.parametrize("index", [-1, 8, 128])
def test_an_index_out_of_range_is_refused(index):
    with pytest.raises(ValueError, match="expected action indices 0 to 7"):
        action_masks(np.array([0, index]))


@given(st.lists(st.integers(0, 255), max_size=50))
def test_movies_round_trip(tmp_path_factory, masks):
    path = tmp_path_factory.mktemp("movie") / "run.txt"
    write_movie(path, np.array(masks, dtype=np.uint8), comment="seed 0\ntwo lines")
    assert read_movie(path).tolist() == masks


@pytest.mark.parametrize("line", ["Jump", "A x", "A 2 3", "A+"])
def test_a_bad_movie_line_is_named(tmp_path, line):
    path = tmp_path / "bad.txt"
    path.write_text(f"Start\n{line}\n")
    with pytest.raises(ValueError, match=r"bad.txt:2: expected buttons"):
        read_movie(path)
