"""Names that are right somewhere else: on macOS, on Windows, in another encoding, or our own."""

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from data.frames import ROOT, find_runs
from data.speedruns.inputs import find_inputs, printable, run_name
from tests.made_inputs import lengths, prepare, write_frames, write_index, write_video

COMPOSED = "pok\N{LATIN SMALL LETTER E WITH ACUTE}mon"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


@pytest.mark.parametrize(
    "name", ["any%: run 1.mp4", "pipe:0.mp4", "a%03d?#&.mp4", "two\nlines.mp4"]
)
def test_a_name_is_no_address(tmp_path, monkeypatch, name):
    """Relative, so that FFmpeg could take what stands before the colon for a protocol."""
    monkeypatch.chdir(tmp_path)
    write_video(Path(name))
    prepare(Path("out"), Path(name))
    (run,) = find_runs(Path("out"))
    assert run.num_frames == 3 and run.name == name.removesuffix(".mp4").replace("\n", "_")


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_no_utf8(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    write_video(path)
    path.with_name(path.name.replace(".mp4", "2.mp4")).touch()
    path.with_name(path.name.replace(".mp4", ".txt")).touch()
    command = [sys.executable, "data/speedruns/prepare.py", tmp_path, "--crop", "none"]
    out = tmp_path / "out"
    done = subprocess.run([*command, "--out", out], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert r": caf\udce9.txt: not videos" in done.stdout
    assert f"error: 1 of 2 inputs failed: {tmp_path}/caf\\udce92.mp4\n" in done.stderr
    assert lengths(out) == {"caf_": 3}
    report = json.loads((out / "prepare_report.json").read_text())
    json.dumps(report, ensure_ascii=False).encode()  # all of it is text
    assert report["runs"][0]["source"] == r"caf\udce9.mp4"


@pytest.mark.parametrize(("there", "listed"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_composed_and_decomposed_characters_are_one_name(tmp_path, there, listed):
    write_video(tmp_path / f"{there}.mp4")
    write_frames(tmp_path / "frames", [f"{there}.png"])
    write_index(tmp_path / "frames_index.json", [f"frames/{listed}.png"])
    table = tmp_path / "crops.toml"
    table.write_text(f'"{listed}.mp4" = [0, 0, 80, 72]\ndefault = "none"', encoding="utf-8")
    report = prepare(tmp_path / "out", tmp_path, crop=str(table))
    crops = {run["name"]: run["crop"] for run in report["runs"]}
    assert crops == {COMPOSED: [0, 0, 80, 72], "frames": None}


@pytest.mark.parametrize(
    ("one", "other"), [(COMPOSED, DECOMPOSED), ("Run", "run"), ("a\nb", "a\tb"), ("run", "run")]
)
def test_two_names_of_one_run_are_refused(tmp_path, one, other):
    """Also those that are two names here, and one where the runs may be taken."""
    paths = write_video(tmp_path / "a" / f"{one}.mp4"), write_video(tmp_path / "b" / f"{other}.mkv")
    with pytest.raises(ValueError, match="would both become the run") as error:
        find_inputs(paths)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("root", ["", "frames\\", "C:\\Users\\me\\frames\\"])
def test_an_index_from_windows(tmp_path, root, encoding):
    frames = write_frames(tmp_path / "frames", [f"{COMPOSED}0.png", f"{COMPOSED}1.png"])
    names = [f"{root}{COMPOSED}{t}.png" for t in range(2)]
    index = write_index(tmp_path / ("frames/" if root == "" else "") / "run_index.json", names)
    text = json.dumps(json.loads(index.read_text()), ensure_ascii=False)
    index.write_text(text, encoding=encoding)
    prepare(tmp_path / "out", index)
    np.testing.assert_array_equal(find_runs(tmp_path / "out")[0].frames, frames)


@pytest.mark.skipif(os.name == "nt", reason="a backslash parts folders there")
def test_a_backslash_that_is_part_of_a_name(tmp_path):
    write_frames(tmp_path / "in", ["a\\0.png", "a\\1.png"])
    write_index(tmp_path / "in" / "run_index.json", ["a\\1.png", "a\\0.png"])
    prepare(tmp_path / "out", tmp_path / "in")
    assert lengths(tmp_path / "out") == {"run": 2}


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_a_table_of_crops_with_a_byte_order_mark(tmp_path, suffix):
    video = write_video(tmp_path / "run.mp4")
    table = tmp_path / f"crops.{suffix}"
    line = '"run.mp4" = "none"' if suffix == "toml" else '{"run.mp4": "none"}'
    table.write_text(line, encoding="utf-8-sig")
    prepare(tmp_path / "out", video, crop=str(table))
    assert lengths(tmp_path / "out") == {"run": 3}


def test_a_crop_for_an_input_that_is_not_given_is_named(tmp_path, capsys):
    video = write_video(tmp_path / "run1.mp4")
    table = tmp_path / "crops.toml"
    table.write_text('"rnu1.mp4" = [0, 0, 80, 72]\ndefault = "none"')
    prepare(tmp_path / "out", video, crop=str(table))
    assert "crops.toml has a crop for rnu1.mp4, and no such input is given" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    "content", ['["run.mp4"]', "3", '{"run.mp4": [[]]}', "[" * 100_000, '{"run.mp4": {"x": 1}}']
)
def test_a_table_of_another_form_is_refused_at_once(tmp_path, content):
    video = write_video(tmp_path / "run.mp4")
    (tmp_path / "crops.json").write_text(content)
    with pytest.raises(ValueError, match=r"crops\.json.* expected "):
        prepare(tmp_path / "out", video, crop=str(tmp_path / "crops.json"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["prepare_report.mp4", "PREPARE_REPORT.mp4", "run_index.mp4", "_index.json", ".run.mp4"]
)
def test_a_video_called_like_our_own_files_is_refused(tmp_path, capsys, name):
    write_video(tmp_path / "run.mp4")
    write_video(tmp_path / "in.mp4").rename(tmp_path / name)
    with pytest.raises(ValueError, match="1 of 2 inputs failed"):
        prepare(tmp_path / "out", tmp_path / "run.mp4", tmp_path / name)
    assert f"{name}: expected a name of its own" in capsys.readouterr().err
    assert lengths(tmp_path / "out") == {"run": 3}
    assert json.loads((tmp_path / "out" / "prepare_report.json").read_text())["failed"]


@pytest.mark.parametrize("name", ["crops.json", "crops.npy"])
def test_a_run_does_not_replace_another_kind_of_file(tmp_path, capsys, name):
    """A video called crops.mp4 becomes crops.json."""
    write_video(tmp_path / "crops.mp4")
    theirs = tmp_path / name
    if theirs.suffix == ".npy":
        np.save(theirs, np.zeros(3))
    else:
        theirs.write_text('{"default": "none"}')
    before = theirs.read_bytes()
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="1 of 1 inputs failed"):
            prepare(tmp_path, tmp_path / "crops.mp4", overwrite=overwrite)
        assert f"{theirs} is there and is no run's" in capsys.readouterr().err
        assert theirs.read_bytes() == before


def test_pixels_that_a_crash_left_without_their_json_are_made_anew(tmp_path):
    video = write_video(tmp_path / "run.mp4")
    prepare(tmp_path / "out", video)
    (tmp_path / "out" / "run.json").unlink()
    prepare(tmp_path / "out", video)
    assert lengths(tmp_path / "out") == {"run": 3}


def test_a_folder_is_called_like_itself_however_it_is_passed(tmp_path, monkeypatch):
    write_frames(tmp_path / "run", ["0.png"])
    write_frames(tmp_path / "run" / "below", ["0.png"])
    monkeypatch.chdir(tmp_path / "run" / "below")
    assert run_name(Path(".")) == "below" and run_name(Path("..")) == "run"
    prepare(tmp_path / "out", Path("."))
    assert lengths(tmp_path / "out") == {"below": 1}


def test_a_message_is_one_line():
    assert printable("a\nb\x1b[31m\udcff é") == r"a\nb\x1b[31m\udcff é"
