"""Which ROM is played, and milestones read from RAM."""

import hashlib

import numpy as np
import pytest

from games.game import Condition, Game, Milestone, find_game, read_milestones


def memory(rows):
    """Return a `read_memory` over N dicts of address to byte."""
    return lambda address, length: np.array(
        [[row.get(address + i, 0) for i in range(length)] for row in rows], dtype=np.uint8
    )


def test_conditions():
    ram = memory([{0xC000: 0x05}, {0xC000: 0x06}, {}])
    assert Condition(0xC000, mask=0x04).holds(ram).tolist() == [True, True, False]
    assert Condition(0xC000, equals=5).holds(ram).tolist() == [True, False, False]
    assert Condition(0xC000, equals=0).holds(ram).tolist() == [False, False, True]
    assert Condition(0xC000, at_least=6).holds(ram).tolist() == [False, True, False]


def test_a_milestone_needs_all_its_conditions():
    milestone = Milestone("both", (Condition(0xC000, equals=1), Condition(0xC001, mask=0x80)))
    ram = memory([{0xC000: 1, 0xC001: 0xFF}, {0xC000: 1, 0xC001: 0x7F}])
    assert milestone.holds(ram).tolist() == [True, False]


def test_the_ROM_in_roms_comes_before_the_bundled_game(tmp_path):
    assert find_game(None, tmp_path).name == "waystone"
    (tmp_path / "roms").mkdir()
    (tmp_path / "roms" / "mine.gb").write_bytes(b"x" * 32768)
    game = find_game(None, tmp_path)
    assert (game.name, game.milestones) == ("mine", ())
    assert game.sha1 == hashlib.sha1(b"x" * 32768).hexdigest()
    (tmp_path / "roms" / "other.gbc").write_bytes(b"y")
    with pytest.raises(ValueError, match=r"expected one ROM .* got 2 .*--rom"):
        find_game(None, tmp_path)


def test_a_missing_ROM_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="pass --rom"):
        find_game(tmp_path / "none.gb")


def test_both_games_have_milestones_of_one_form():
    from games.game import ROOT

    paths = sorted((ROOT / "games").glob("*/milestones.toml"))
    tables = {path.parent.name: read_milestones(path) for path in paths}
    assert set(tables) == {"emberwick", "pokemon_red", "waystone"}
    assert len(tables["pokemon_red"]["milestones"]) == 16
    assert len(tables["waystone"]["milestones"]) >= 8
    for table in tables.values():
        names = [milestone.name for milestone in table["milestones"]]
        assert len(set(names)) == len(names)
        assert set(table["position"]) >= {"map", "x", "y"}


def test_no_milestones_give_an_empty_table(tmp_path):
    game = Game("x", tmp_path, b"", "", (), {})
    assert game.milestones_held(memory([{}, {}])).shape == (2, 0)
