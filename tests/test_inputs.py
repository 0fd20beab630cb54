"""What prepare.py takes of the folders it is given, and that it names what it leaves out."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data import frames as data_frames
from data.frames import find_runs, write_run
from data.speedruns.inputs import find_inputs
from tests.made_inputs import lengths, pictures, prepare, write_frames, write_index, write_video


def left_out(capsys) -> list[str]:
    lines = capsys.readouterr().out.splitlines()
    return [line for line in lines if line.startswith("left out of ")]


def test_upper_case_is_no_other_kind(tmp_path):
    suffixes = ["png", "PNG", "npy", "NPY"] * 5
    frames = write_frames(tmp_path / "run", [f"{t}.{suffix}" for t, suffix in enumerate(suffixes)])
    write_video(tmp_path / "VIDEO.MP4")
    prepare(tmp_path / "out", tmp_path)
    video, run = find_runs(tmp_path / "out")
    assert video.name == "VIDEO" and run.name == "run"
    np.testing.assert_array_equal(run.frames, frames)


@pytest.mark.parametrize("suffix", "mpg mpeg m2ts mts wmv 3gp vob ogv MOV".split())
def test_a_folder_is_searched_for_many_kinds_of_video(tmp_path, suffix):
    (tmp_path / f"run.{suffix}").touch()
    assert find_inputs((tmp_path,)) == {"run": tmp_path / f"run.{suffix}"}


def test_a_gif_is_a_video(tmp_path):
    write_video(tmp_path / "in" / "run.gif", codec="gif")
    prepare(tmp_path / "out", tmp_path / "in")
    assert list(lengths(tmp_path / "out")) == ["run"]


def test_a_folder_may_hold_every_kind_at_once(tmp_path, capsys):
    write_video(tmp_path / "in" / "video.mp4")
    write_frames(tmp_path / "in" / "folder", ["0.png", "1.png"])
    write_frames(tmp_path / "in" / "listed", ["a.png", "b.png"])
    write_index(tmp_path / "in" / "run_index.json", ["listed/b.png", "listed/a.png"])
    prepare(tmp_path / "out", tmp_path / "in")
    assert not left_out(capsys)
    assert lengths(tmp_path / "out") == {"folder": 2, "run": 2, "video": 3}


def test_frames_that_an_index_does_not_list_are_named_and_make_no_run(tmp_path, capsys):
    write_frames(tmp_path / "in" / "run", ["0.png", "1.png", "2.png"])
    write_index(tmp_path / "in" / "run_index.json", ["run/0.png", "run/2.png"])
    report = prepare(tmp_path / "out", tmp_path / "in")
    (line,) = left_out(capsys)
    assert line.startswith(f"left out of {tmp_path / 'in' / 'run'}: 1.png: ")
    assert report["left_out"] == {str(tmp_path / "in" / "run"): "1.png"}
    assert lengths(tmp_path / "out") == {"run": 2}


def test_a_broken_index_does_not_turn_its_folder_into_a_run(tmp_path, capsys):
    write_frames(tmp_path / "run", ["0.png", "1.png"])
    (tmp_path / "run_index.json").write_text("{")
    with pytest.raises(ValueError, match="1 of 1 inputs failed"):
        prepare(tmp_path / "out", tmp_path)
    (line,) = left_out(capsys)
    assert ": run/: " in line


def test_what_is_left_out_is_named_in_one_line_a_folder(tmp_path, capsys):
    folder = tmp_path / "in"
    write_video(folder / "run.mp4")
    write_frames(folder, ["cover.png"])
    write_frames(folder / "frames", ["0.png", "1.png"])
    (folder / "frames" / "2.jpg").touch()
    write_video(folder / "more" / "other.mp4")
    for name in ("notes.txt", "run.srt", ".DS_Store"):
        (folder / name).touch()
    (folder / "empty").mkdir()
    report = prepare(tmp_path / "out", folder)
    first, second = left_out(capsys)
    assert first.startswith(f"left out of {folder}: more/, cover.png, notes.txt, run.srt: ")
    assert second.startswith(f"left out of {folder / 'frames'}: 2.jpg: ")
    assert report["left_out"][str(folder)] == "more/, cover.png, notes.txt, run.srt"
    video = next(run for run in find_runs(tmp_path / "out") if run.name == "frames")
    assert video.meta["notes"]["left_out"] == "2.jpg"


def test_a_long_list_is_counted_and_folders_come_first(tmp_path, capsys):
    write_video(tmp_path / "in" / "run.mp4")
    write_video(tmp_path / "in" / "z" / "other.mp4")
    for number in range(20):
        (tmp_path / "in" / f"{number:02}.txt").touch()
    prepare(tmp_path / "out", tmp_path / "in")
    (line,) = left_out(capsys)
    assert ": z/, 00.txt, " in line and "06.txt and 13 more: " in line


def test_nothing_is_named_where_all_is_taken(tmp_path, capsys):
    """Runs, sheets, previews, reports and the table of crops, all in the videos' own folder."""
    write_video(tmp_path / "run.mp4")
    write_frames(tmp_path / "frames", ["0.png", "1.png"])
    table = tmp_path / "crops.toml"
    table.write_text('default = "none"')
    for _ in range(2):
        prepare(tmp_path, tmp_path, crop=str(table))
        assert not left_out(capsys)
    (tmp_path / "run_preview.png").touch()
    prepare(tmp_path / "out", tmp_path, crop=str(table))
    assert not left_out(capsys)
    assert lengths(tmp_path / "out") == {"run": 3, "frames": 2}


def test_hidden_files_are_no_inputs(tmp_path, capsys):
    write_video(tmp_path / "in" / "run.mp4")
    write_frames(tmp_path / "in" / "frames", ["0.png", "1.png"])
    for name in ("._run.mp4", "frames/._0.png", ".hidden_index.json"):
        (tmp_path / "in" / name).write_bytes(b"\x00\x05\x16\x07")  # what macOS leaves on a stick
    prepare(tmp_path / "out", tmp_path / "in")
    assert not left_out(capsys)
    for suffix in ("npy", "json"):
        (tmp_path / "out" / f"._run.{suffix}").write_bytes(b"\x00\x05\x16\x07")
    assert lengths(tmp_path / "out") == {"frames": 2, "run": 3}


def test_frames_with_a_json_each_are_frames(tmp_path):
    """Only a run's own .npy is none."""
    frames = write_frames(tmp_path / "in", ["0.npy", "1.npy"])
    for number in range(2):
        (tmp_path / "in" / f"{number}.json").write_text('{"time": 0.5}')
    write_frames(tmp_path / "other", ["0_sheet.png", "1_sheet.png"])
    prepare(tmp_path / "out", tmp_path / "in", tmp_path / "other")
    assert lengths(tmp_path / "out") == {"in": 2, "other": 2}
    np.testing.assert_array_equal(find_runs(tmp_path / "out")[0].frames, frames)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a1.png", "b1.png", "a2.png", "b2.png"], "2 kinds of names, from a1.png and b1.png on"),
        (["1.png", "2.png", "2 copy.png"], "2 kinds of names"),
        (["first.png", "second.png"], "2 kinds of names"),
        (["1.png", "1.npy", "2.png", "2.npy"], "1.npy and 1.png have the same number"),
        (["1.png", "01.png"], "01.png and 1.png have the same number"),
    ],
)
def test_two_sequences_in_a_folder_are_not_mixed(tmp_path, capsys, names, message):
    write_frames(tmp_path / "in", names)
    with pytest.raises(ValueError, match="1 of 1 inputs failed"):
        prepare(tmp_path / "out", tmp_path / "in")
    assert message in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.npy"))


@pytest.mark.parametrize(
    ("names", "odd"),
    [
        (["1.png", "2.png", "4.png", "5.png"], "at 1 of 3 places, first from 2.png to 4.png"),
        (["run1_8.png", "run1_9.png", "run2_8.png"], "from run1_9.png to run2_8.png"),
        (["0.png", "30.png", "60.png"], None),
        (["1_of_3.png", "2_of_3.png", "3_of_3.png"], None),
    ],
)
def test_a_jump_in_the_numbers_is_noted(tmp_path, capsys, names, odd):
    write_frames(tmp_path / "in", names)
    report = prepare(tmp_path / "out", tmp_path / "in")
    error, notes = capsys.readouterr().err, report["runs"][0].get("notes", {})
    if odd:
        assert f"warning: in: {notes['uneven_numbers']}" in error and odd in error
    else:
        assert "uneven" not in error and not notes


def test_16_bits_of_grey_become_8(tmp_path):
    ramp = np.linspace(0, 65535, 144 * 160).reshape(144, 160)
    (tmp_path / "in").mkdir()
    Image.fromarray(ramp.astype(np.uint16)).save(tmp_path / "in" / "0.png")
    prepare(tmp_path / "out", tmp_path / "in")
    (run,) = find_runs(tmp_path / "out")
    np.testing.assert_allclose(run.frames[0], (ramp / 257)[..., None].repeat(3, axis=2), atol=0.51)


def test_a_png_of_several_pictures_is_no_frame(tmp_path, capsys):
    first, second = map(Image.fromarray, pictures(2))
    (tmp_path / "in").mkdir()
    first.save(tmp_path / "in" / "0.png", save_all=True, append_images=[second])
    with pytest.raises(ValueError, match="1 of 1 inputs failed"):
        prepare(tmp_path / "out", tmp_path / "in")
    assert "0.png: expected one picture, got 2" in capsys.readouterr().err


@pytest.mark.parametrize("alpha", [255, 254])
def test_what_is_under_transparent_pixels_is_not_taken(tmp_path, capsys, alpha):
    (frame,) = pictures(1)
    (tmp_path / "in").mkdir()
    layer = np.full((144, 160, 1), 255, np.uint8)
    layer[0, 0] = alpha
    Image.fromarray(np.concatenate([frame, layer], axis=2)).save(tmp_path / "in" / "0.png")
    if alpha == 255:
        prepare(tmp_path / "out", tmp_path / "in")
        np.testing.assert_array_equal(find_runs(tmp_path / "out")[0].frames[0], frame)
    else:
        with pytest.raises(ValueError, match="1 of 1 inputs failed"):
            prepare(tmp_path / "out", tmp_path / "in")
        assert "0.png: expected a picture, got one with transparent" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["0.png", "0.npy", "notes.txt"])
def test_a_single_frame_or_a_text_is_no_video(tmp_path, capsys, name):
    """FFmpeg reads a picture as a video of one frame, and a text as a terminal's."""
    write_frames(tmp_path, [name])
    with pytest.raises(ValueError, match="1 of 1 inputs failed"):
        prepare(tmp_path / "out", tmp_path / name)
    assert f"expected a video, got {Path(name).suffix}" in capsys.readouterr().err


def test_an_import_into_its_own_folder_can_be_repeated(tmp_path, capsys):
    write_frames(tmp_path, ["0.png", "1.png"])
    for _ in range(2):
        assert prepare(tmp_path, tmp_path)["frames"] == 2
    assert "already there" in capsys.readouterr().out
    (tmp_path / "0.png").unlink()
    with pytest.raises(ValueError, match="1 of 1 inputs failed"):
        prepare(tmp_path, tmp_path)
    assert "made with source_files 2, " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("count", "copies", "frames", "message"),
    [
        (1, 0, 20, "got 1: prepare more recordings"),
        (1, 1, 20, "got 1 and 1 copy: prepare"),
        (2, 2, 20, "got 2 and 2 copies: prepare"),
        (3, 0, 20, "4 or more for the path"),
        (4, 0, 19, "got 4, too short run0 of 19, run1 of 19, run2 of 19, run3 of 19"),
        (4, 1, 20, None),
    ],
)
def test_too_little_data_is_told_in_the_same_words(
    tmp_path, capsys, count, copies, frames, message
):
    out = tmp_path / "out"
    for number in range(count):
        write_run(out, f"run{number}", pictures(frames, seed=number))
    for number in range(copies):
        write_run(out, f"copy{number}", pictures(frames, seed=number))
    sentence = data_frames.too_little_data(find_runs(out))
    assert (sentence is None) == (message is None)
    data_frames.main(data_frames.Args(out))
    listed = capsys.readouterr().out
    if message is None:
        assert "expected 2 or more" not in listed
    else:
        assert message in sentence and f"warning: {sentence}\n" in listed


def test_prepare_tells_of_too_little_data(tmp_path, capsys):
    """All that is in OUT counts, whatever command it is from."""
    for number in range(4):
        write_frames(tmp_path / f"run{number}", [f"{t}.npy" for t in range(20)], seed=number)
        prepare(tmp_path / "out", tmp_path / f"run{number}")
        output = capsys.readouterr().out
        assert ("warning: expected 2 or more runs" in output) == (number < 3)
    write_frames(tmp_path / "again", [f"{t}.npy" for t in range(20)], seed=3)
    prepare(tmp_path / "out", tmp_path / "again")
    assert "warning: again and run3 hold the same pixels" in capsys.readouterr().out


def test_half_a_run_is_named(tmp_path, capsys):
    for name in ("a", "b", "c"):
        write_run(tmp_path, name, pictures(2))
    (tmp_path / "a.json").unlink()
    (tmp_path / "b.npy").unlink()
    (tmp_path / "prepare_report.json").write_text(json.dumps({}))
    assert list(lengths(tmp_path)) == ["c"]
    assert "left out, without their pixels or JSON: a.npy, b.json\n" in capsys.readouterr().out


@pytest.mark.parametrize("as_index", [False, True])
def test_frames_that_were_replaced_are_not_already_there(tmp_path, capsys, as_index):
    """The same names and sizes, other pictures."""
    folder = tmp_path / "film"
    folder.mkdir()
    frames = [np.full((144, 160, 3), 20 * k, dtype=np.uint8) for k in range(12)]
    for k, frame in enumerate(frames):
        np.save(folder / f"{k:03}.npy", frame)
    source = folder
    if as_index:
        source = tmp_path / "film_index.json"
        entries = [{"path": f"film/{k:03}.npy"} for k in range(12)]
        source.write_text(json.dumps({"frames": entries}))
    for _ in range(2):
        prepare(tmp_path / "out", source)
    assert "already there" in capsys.readouterr().out
    for k, frame in enumerate(frames):
        np.save(folder / f"{k:03}.npy", frame + 5)
    with pytest.raises(ValueError, match="1 of 1 inputs failed"):
        prepare(tmp_path / "out", source)
    assert "pass --overwrite" in capsys.readouterr().err
