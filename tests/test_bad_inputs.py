"""One bad input: it is named with its reason, and the others go on."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.frames import ROOT
from data.speedruns import prepare as speedruns_prepare
from data.speedruns import single_frames
from tests.made_inputs import lengths, pictures, prepare, write_frames, write_index, write_video


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def png(*size: int) -> bytes:
    """The beginning of a picture of `size`, said and not delivered."""
    header = b"IHDR" + struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + crc


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("frame.npy", npy(pictures(1)[0]))
    return buffer.getvalue()


def huge() -> bytes:
    """A header that promises a petabyte."""
    buffer = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 10**6, 10**3)}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


BAD_FRAMES = {
    "empty.npy": b"",
    "cut.npy": npy(pictures(1)[0])[:5000],
    "huge.npy": huge(),
    "zip.npy": zipped(),
    "broken_zip.npy": zipped()[:500],
    "pickle.npy": pickle.dumps([1, 2]),
    "objects.npy": npy(np.array([{}, None], dtype=object)),
    "whole_run.npy": npy(pictures(3)),
    "float.npy": npy(pictures(1)[0] / 255),
    "empty.png": b"",
    "cut.png": png(160, 144),
    "bomb.png": png(100_000, 100_000),
    "no_size.png": png(0, 0),
    "text.png": b"not a picture",
}


@pytest.mark.parametrize("name", BAD_FRAMES)
@pytest.mark.parametrize("last", [False, True])
def test_whatever_a_frame_is_the_other_inputs_go_on(tmp_path, capfd, monkeypatch, name, last):
    """Also one that is no sample, and read only after some were written."""
    monkeypatch.setattr(speedruns_prepare, "SAMPLES", 2)
    write_video(tmp_path / "a.mp4")
    files = [f"{t}{Path(name).suffix}" for t in range(4)]
    write_frames(tmp_path / "bad", files)
    write_frames(tmp_path / "good", ["0.png"])
    bad = files[-1 if last else 0]
    (tmp_path / "bad" / bad).write_bytes(BAD_FRAMES[name])
    with pytest.raises(ValueError, match=r"1 of 3 inputs failed: .*/bad$"):
        prepare(tmp_path / "out", tmp_path)
    assert lengths(tmp_path / "out") == {"a": 3, "good": 1}
    lines = capfd.readouterr().err.replace("\r", "\n").splitlines()
    (line,) = (line for line in lines if "failed: " in line)  # a bar may precede it
    assert f"/{bad}: " in line
    assert not any("Warning" in line for line in lines)
    report = json.loads((tmp_path / "out" / "prepare_report.json").read_text())
    assert list(report["failed"]) == [str(tmp_path / "bad")]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 100_000,
        b"\xff\xfe\xff",
        b"null",
        b'{"frames": 3}',
        b'{"frames": [3]}',
        b'{"frames": []}',
        b'{"frames": [{"path": null}]}',
        b'{"frames": [{"path": ""}]}',
        b'{"frames": [{"path": "a\\u0000b"}]}',
        b'{"frames": [{"path": "\\ud800.png"}]}',
        b'{"frames": [{"path": "0.png"}, {"path": "lost.png"}]}',
        b'{"frames": [{"path": "a/0.png"}, {"path": "b/0.png"}]}',
        json.dumps({"frames": [{"path": "x" * 5000}]}).encode(),
    ],
)
def test_whatever_an_index_is_the_other_inputs_go_on(tmp_path, capsys, content):
    write_frames(tmp_path / "in", ["0.png"])
    (tmp_path / "in" / "bad_index.json").write_bytes(content)
    write_index(tmp_path / "in" / "good_index.json", ["0.png"])
    with pytest.raises(ValueError, match=r"1 of 2 inputs failed: .*bad_index\.json$"):
        prepare(tmp_path / "out", tmp_path / "in")
    assert lengths(tmp_path / "out") == {"good": 1}
    error = capsys.readouterr().err.replace("\r", "\n")
    assert f"failed: {tmp_path / 'in' / 'bad_index.json'}: " in error


@pytest.mark.parametrize("error", [EOFError(), AttributeError("x"), MemoryError(), RuntimeError()])
def test_whatever_is_raised_is_that_input_s_failure(tmp_path, capsys, monkeypatch, error):
    def open_bad(path, *args):
        if path.name == "bad.mp4":
            raise error
        return open_video(path, *args)

    open_video = speedruns_prepare.open_video
    monkeypatch.setattr(speedruns_prepare, "open_video", open_bad)
    videos = [write_video(tmp_path / f"{name}.mp4") for name in ("bad", "good")]
    with pytest.raises(ValueError, match="1 of 2 inputs failed"):
        prepare(tmp_path / "out", *videos)
    assert f"failed: {videos[0]}: {type(error).__name__}" in capsys.readouterr().err
    assert lengths(tmp_path / "out") == {"good": 3}


def test_where_it_came_from_is_shown_on_request(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("EMURL_TRACEBACK", "1")
    write_frames(tmp_path / "in", ["0.png"])
    (tmp_path / "in" / "0.png").write_bytes(b"")
    with pytest.raises(ValueError, match="inputs failed"):
        prepare(tmp_path / "out", tmp_path / "in")
    assert "in read_png" in capfd.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="other kinds of files")
def test_what_is_no_video_at_all(tmp_path):
    """In a process of its own: a pipe that is opened waits for ever."""
    missing, dangling, loop, pipe, empty, folder = (tmp_path / f"{n}.mp4" for n in "abcdef")
    dangling.symlink_to(tmp_path / "gone.mp4")
    loop.symlink_to(loop)
    os.mkfifo(pipe)
    empty.touch()
    folder.mkdir()
    bad, good = [missing, dangling, loop, pipe, empty, folder], write_video(tmp_path / "good.mp4")
    command = [sys.executable, "data/speedruns/prepare.py", *bad, good, "--crop", "none"]
    done = subprocess.run(
        [*command, "--out", tmp_path / "out"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    for path in bad:
        assert f"failed: {path}: " in done.stderr
    assert f"error: 6 of 7 inputs failed: {missing}, " in done.stderr
    assert lengths(tmp_path / "out") == {"good": 3}


def test_a_damaged_run_of_another_command_is_a_warning(tmp_path, capsys):
    write_video(tmp_path / "in" / "good.mp4")
    prepare(tmp_path / "out", tmp_path / "in")
    (tmp_path / "out" / "good.npy").rename(tmp_path / "out" / "other.npy")
    (tmp_path / "out" / "other.json").write_text("{}")
    assert len(prepare(tmp_path / "out", tmp_path / "in")["runs"]) == 1
    assert f"warning: {tmp_path / 'out' / 'other.npy'}: not a readable" in capsys.readouterr().out


def test_an_empty_folder_among_others_ends_nothing(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    good = write_video(tmp_path / "good.mp4")
    with pytest.raises(ValueError, match="1 of 2 inputs failed"):
        prepare(tmp_path / "out", tmp_path / "empty", good)
    assert f"failed: {tmp_path / 'empty'}: expected at least one frame" in capsys.readouterr().err
    assert lengths(tmp_path / "out") == {"good": 3}


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="may read everything")
def test_a_folder_that_may_not_be_read_among_others_ends_nothing(tmp_path, capsys):
    write_frames(tmp_path / "in" / "closed", ["0.png"])
    write_video(tmp_path / "in" / "good.mp4")
    (tmp_path / "in" / "closed").chmod(0)
    with pytest.raises(ValueError, match="1 of 2 inputs failed"):
        prepare(tmp_path / "out", tmp_path / "in")
    (tmp_path / "in" / "closed").chmod(0o700)
    assert "Permission denied" in capsys.readouterr().err
    assert lengths(tmp_path / "out") == {"good": 3}


def test_a_frame_too_large_is_refused_unread(tmp_path):
    """10,000 frames in one .npy would be 691 MB."""
    path = tmp_path / "0.npy"
    np.lib.format.open_memmap(path, "w+", np.uint8, shape=(10_000, 144, 160, 3))
    with pytest.raises(ValueError, match=r"0\.npy: expected \(144, 160, 3\) uint8, got \(10000, "):
        single_frames.read_frame(path)


def test_a_picture_too_large_is_refused_undecoded(tmp_path, monkeypatch):
    path = tmp_path / "0.png"
    Image.new("RGB", (320, 288)).save(path)
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ValueError, match=r"expected \(144, 160, 3\) uint8, got \(288, 320, 3\)"):
        single_frames.read_frame(path)
