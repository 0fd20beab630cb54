"""The ROM that is played is the one that was meant, or it is said which file is in the way."""

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest
from emurust import VecGameBoy

from games.game import BUNDLED_ROM, find_game, known_games, read_milestones
from games.rom import find_battery_save

ROM = BUNDLED_ROM.read_bytes()


def changed(length=None, checksum=True, **_bytes) -> bytes:
    """The bundled ROM, cut or filled up to a length, with bytes changed: `x147=0x13`."""
    rom = bytearray(ROM.ljust(length or len(ROM), b"\0")[:length])
    for name, value in _bytes.items():
        rom[int(name[1:], 16)] = value
    if checksum:
        rom[0x14D] = -sum(rom[0x134:0x14D], 25) % 256
    return bytes(rom)


def zipped(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def roms(tmp_path):
    folder = tmp_path / "roms"
    folder.mkdir()
    return folder


# ---- which file ----


@pytest.mark.parametrize("name", ["mine.gb", "MINE.GB", "a.b.gbc"])
def test_one_ROM_in_roms_is_played_whatever_lies_beside_it(roms, name):
    (roms / name).write_bytes(ROM)
    (roms / "._mine.gb").write_bytes(b"macOS")
    (roms / "mine.sav").write_bytes(b"x" * 8192)
    (roms / "notes.txt").write_text("x")
    (roms / "old").mkdir()
    (roms / "old" / "other.gb").write_bytes(ROM)
    game = find_game(None, roms.parent)
    assert game.path == roms / name and game.name == "waystone" and not game.notes


@pytest.mark.parametrize(
    "file",
    ["red.7z", "sub/red.gb", "red.rom", "red.sav", "readme.txt", "red"],
)
def test_what_is_no_ROM_in_roms_is_named(roms, file):
    (roms / file).parent.mkdir(exist_ok=True)
    (roms / file).write_bytes(ROM)
    (roms / "._red.gb").write_bytes(b"macOS")
    shown = {"sub/red.gb": "roms/sub/"}.get(file, f"roms/{file}")
    with pytest.raises(ValueError, match=rf"expected one ROM .* got none \({shown}\).*--rom"):
        find_game(None, roms.parent)


@pytest.mark.parametrize("name", ["ROMs", "Roms"])
def test_a_folder_spelt_another_way_is_named(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "red.gb").write_bytes(ROM)
    with pytest.raises(ValueError, match=rf"in .*/roms, got none \({name}/red.gb\)"):
        find_game(None, tmp_path)


def test_a_file_and_a_broken_link_in_the_place_of_roms_are_named(tmp_path):
    (tmp_path / "roms").write_bytes(ROM)
    with pytest.raises(ValueError, match=r"got none \(roms\)"):
        find_game(None, tmp_path)
    (tmp_path / "roms").unlink()
    (tmp_path / "roms").mkdir()
    (tmp_path / "roms" / "red.gb").symlink_to(tmp_path / "unplugged" / "red.gb")
    with pytest.raises(ValueError, match=r"got none \(roms/red.gb\)"):
        find_game(None, tmp_path)


def test_an_empty_roms_is_the_bundled_game_and_said(roms):
    (roms / ".DS_Store").write_bytes(b"x")
    game = find_game(None, roms.parent)
    assert game.path == BUNDLED_ROM
    (note,) = game.notes
    assert "roms is empty: playing the bundled game" in note


# ---- archives ----


def test_a_ROM_in_an_archive_is_the_ROM(roms):
    """Its SHA-1, and so its milestones, are those of the ROM, not of the archive."""
    path = zipped(
        roms / "game.zip",
        **{"game/way.gb": ROM, "__MACOSX/game/._way.gb": b"x", "._way.gb": b"x", "readme.txt": b""},
    )
    assert find_game(None, roms.parent).rom == ROM
    path.unlink()
    path = roms / "way.gb.gz"
    path.write_bytes(gzip.compress(ROM))
    game = find_game(None, roms.parent)
    assert (game.rom, game.name, game.notes) == (ROM, "waystone", ())
    assert len(game.milestones) > 0
    renamed = path.rename(roms / "way.gb")  # it is what it begins with
    assert find_game(renamed).rom == ROM


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.gb": ROM, "b.GBC": ROM}, r"expected one ROM .* got 2 \(a.gb, b.GBC\)"),
        ({"a.txt": b"", "b.7z": b""}, r"expected one ROM .* got none \(a.txt, b.7z\)"),
        ({"__MACOSX/._a.gb": ROM}, r"expected one ROM .* got none"),
        ({}, r"expected one ROM .* got none \(nothing\)"),
        ({"a.gb": b"\0" * (9 << 20)}, "expected a ROM of up to 8388608 bytes, got more"),
        ({"a.gb": b""}, "expected a ROM of 32768 to 8388608 bytes, got 0 bytes"),
    ],
)
def test_an_archive_without_one_ROM_is_named(tmp_path, files, message):
    with pytest.raises(ValueError, match=rf"game.zip: {message}"):
        find_game(zipped(tmp_path / "game.zip", **files))


def test_damaged_and_other_archives_are_named(tmp_path):
    path = zipped(tmp_path / "game.zip", **{"way.gb": ROM})
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[200:300] = bytes(100)
    encrypted = bytearray(whole)
    for flags in (whole.index(b"PK\x03\x04") + 6, whole.index(b"PK\x01\x02") + 8):
        encrypted[flags] |= 1
    packed = gzip.compress(ROM)
    for content in (whole[:-30], damaged, encrypted, packed[:-500], packed[:200] + bytes(300)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"game.zip cannot be unpacked: \S") as caught:
            find_game(path)
        assert "\n" not in str(caught.value)
    for content, kind in ((b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07", "RAR")):
        path.write_bytes(content + ROM)
        with pytest.raises(
            ValueError, match=rf"game.zip is a {kind} archive, or holds one: unpack it"
        ):
            find_game(path)


# ---- what is in it ----


@pytest.mark.parametrize(
    ("rom", "message"),
    [
        (changed(x143=0xC0), "Game Boy Color alone"),
        (bytes(0x8000), "every byte is 0x00"),
        (b"\xff" * 0x10000, "every byte is 0xFF"),
        (changed(x104=0), "the logo in the header"),
        (changed(x14D=0, checksum=False), "the header's checksum"),
        (changed(x148=1), "promises 65536 bytes, the ROM has 32768"),
        (changed(0x20000, x147=1, x148=1), "promises 65536 bytes, the ROM has 131072"),
        (changed(0x10000), "of 65536 bytes a game reaches the first 32768"),
        (changed(x149=9), "unknown RAM size 0x09"),
        (changed(x104=0, x147=0xC3, checksum=False), "logo and checksum are wrong"),
    ],
)
def test_an_odd_ROM_is_one_note_and_runs(tmp_path, rom, message):
    path = tmp_path / "odd.gb"
    path.write_bytes(rom)
    game = find_game(path)
    odd = [note for note in game.notes if "milestones.toml" not in note]
    if rom[0x147] == 0xC3:  # homebrew without a header: code may stand where the mapper should
        assert "unknown mapper 0xC3" in odd.pop()
    (note,) = odd
    assert note.startswith(f"{path}: ") and message in note and "\n" not in note
    emulator = VecGameBoy(game.rom, 1, frame_skip=2)
    obs = np.zeros(emulator.obs_shape(), dtype=np.uint8)
    emulator.reset(obs)
    emulator.step(np.zeros(1, np.uint8), obs)


def test_a_copiers_header_is_left_out_and_said(tmp_path):
    path = tmp_path / "copied.gb"
    path.write_bytes(bytes(512) + ROM)
    game = find_game(path)
    assert game.rom == ROM and game.name == "waystone"
    (note,) = game.notes
    assert "the 512 bytes before the ROM, a copier's, are left out" in note


def test_a_ROM_that_cannot_run_is_named(tmp_path):
    path = tmp_path / "camera.gb"
    for rom, message in (
        (changed(0x10000, x147=0xFC), "unknown mapper 0xFC"),
        (ROM[:-1], "got 32767 bytes"),
        (b"", "got 0 bytes"),
        (bytes(20 << 20), "got more"),
    ):
        path.write_bytes(rom)
        with pytest.raises(ValueError, match=rf"camera.gb: .*{message}"):
            find_game(path)


def test_a_ROM_that_no_milestones_know_is_noted(tmp_path):
    path = tmp_path / "hack.gb"
    path.write_bytes(changed(x7FFF=1))
    game = find_game(path)
    (note,) = game.notes
    assert game.name == "hack" and game.sha1 in note and "no games/*/milestones.toml" in note
    assert not find_game(BUNDLED_ROM).notes


# ---- milestones.toml ----

SHA1 = "0123456789abcdef0123456789abcdef01234567"
GOOD = f"""name = "mine"
rom_sha1 = "{SHA1}"
[[milestone]]
name = "begun"
when = [{{ address = 0xC000, mask = 0x0F, equals = 3 }}]
"""


def test_a_SHA1_in_capitals_is_the_same(tmp_path):
    for text in (GOOD, GOOD.replace(SHA1, SHA1.upper()), "\ufeff" + GOOD):
        (tmp_path / "mine").mkdir(exist_ok=True)
        (tmp_path / "mine" / "milestones.toml").write_text(text, encoding="utf-8")
        games = known_games(tmp_path)
        assert [milestone.name for milestone in games[SHA1]["milestones"]] == ["begun"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[milestone]]", "[[milestones]]", "expected the keys name, rom_sha1, milestone, perh"),
        ("[[milestone]]", "[milestone]", "milestone: expected a list"),
        (GOOD[GOOD.index("[[") :], "milestone = []", "milestone: expected a list with one entry"),
        (GOOD[GOOD.index("[[") :], "", "got name, rom_sha1$"),
        (SHA1, SHA1[1:], "rom_sha1: expected 40 hexadecimal digits"),
        (f'"{SHA1}"', "12", "rom_sha1: expected 40 hexadecimal digits, got 12"),
        ('name = "mine"', "", "expected the keys name"),
        ('name = "mine"', 'name = ""', "name: expected some text"),
        ('name = "begun"', "", "1: expected the keys name, when, perhaps is_place, got when"),
        ('name = "begun"', "name = 1", "milestone 1: name: expected some text, got 1"),
        (
            'name = "begun"',
            'name = "begun"\nis_place = 1',
            "is_place: expected true or false, got 1",
        ),
        (
            "when = [{",
            "whem = [{",
            "1: expected the keys name, when, perhaps is_place, got name, whem",
        ),
        (GOOD[GOOD.index("when") :], "when = []", r"milestone 1 \(begun\): when: expected a list"),
        (GOOD[GOOD.index("when") :], "when = [1]", "condition 1: expected a table, got 1"),
        (
            "address",
            "adress",
            "condition 1: expected the keys address, perhaps mask, equals, at_least",
        ),
        ("equals", "equal", "got address, mask, equal$"),
        ("0xC000", "0x1C000", "address: expected a whole number from 0 to 65535, got 114688"),
        ("0xC000", '"C000"', "address: expected a whole number"),
        ("0xC000", "true", "address: expected a whole number"),
        ("mask = 0x0F", "mask = 0", "mask: expected a whole number from 1 to 255, got 0"),
        ("equals = 3", "equals = 256", "equals: expected a whole number from 0 to 255"),
        ("equals = 3", "equals = 0x13", "equals: expected bits of the mask 0x0F, got 19"),
        ("equals = 3", "at_least = 16", "at_least: expected a whole number from 1 to 15"),
        ("equals = 3", "equals = 3, at_least = 2", "expected equals or at_least"),
        ("[[milestone]]", "[position]\nx = -1\n[[milestone]]", "position x: expected a whole"),
        ("[[milestone]]", "position = 3\n[[milestone]]", "position: expected a table, got 3"),
        (GOOD, GOOD + GOOD[GOOD.index("[[") :], r"milestone 2 \(begun\): expected a name of its"),
        ("rom_sha1 =", "rom_sha1", r"line 2"),
    ],
)
def test_a_mistake_in_milestones_toml_names_file_and_place(tmp_path, old, new, message):
    path = tmp_path / "milestones.toml"
    assert GOOD.count(old) >= 1
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ValueError, match=rf"^{path}: .*{message}") as caught:
        read_milestones(path)
    assert "\n" not in str(caught.value)


def test_milestones_in_no_text_are_named(tmp_path):
    path = tmp_path / "milestones.toml"
    path.write_bytes(b"\xff\xfe" + GOOD.encode("utf-16-le"))
    with pytest.raises(ValueError, match=rf"^{path}: "):
        read_milestones(path)


def test_two_tables_of_one_ROM_are_named(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "milestones.toml").write_text(GOOD)
    with pytest.raises(ValueError, match=r"b/milestones.toml: mine has the same rom_sha1"):
        known_games(tmp_path)


@pytest.mark.parametrize("name", ["./red.gb", "roms//red.gb"])
def test_a_zip_may_spell_its_paths_in_any_way(name, tmp_path):
    path = zipped(tmp_path / "game.zip", **{name: ROM})
    assert find_game(path).rom == ROM


def test_what_is_packed_twice_is_told(tmp_path):
    inner = zipped(tmp_path / "inner.zip", **{"red.gb": ROM}).read_bytes()
    tar = b"\0" * 257 + b"ustar" + b"\0" * 40_000
    for content, kind in (
        (gzip.compress(inner), "zip"),
        (gzip.compress(gzip.compress(ROM)), "gzip"),
        (gzip.compress(tar), "tar"),
        (tar, "tar"),
    ):
        path = tmp_path / "game.gz"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"game.gz is a {kind} archive, or holds one: unpack"):
            find_game(path)


def test_a_save_is_found_whatever_the_case_of_its_name(tmp_path):
    (tmp_path / "red.gb").write_bytes(ROM)
    (tmp_path / "RED.SAV").write_bytes(b"save")
    assert find_battery_save(tmp_path / "red.gb") == tmp_path / "RED.SAV"
