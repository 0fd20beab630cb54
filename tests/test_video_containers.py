"""What a container says of its pictures, checked against them: length, stream, shape, fields."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from data.speedruns.survey import check_kinds
from tests.videos import encode, numbers, picture, take


def pictures(count: int, first: int = 0):
    return (picture(k) for k in range(first, first + count))


@pytest.mark.parametrize("suffix", ["mkv", "flv", "mp4", "ts"])
@pytest.mark.parametrize("starts", [0, 80], ids=["outlasts", "precedes"])
def test_sound_may_be_longer_than_the_picture(tmp_path, suffix, starts):
    video = encode(
        tmp_path / f"run.{suffix}", pictures(40), lambda k: starts + k / 4, sound=(0, 90)
    )
    run = take(video, tmp_path / "out")
    assert numbers(run) == list(range(40)) and not run.meta["notes"]["truncated"]


@pytest.mark.parametrize(
    ("suffix", "sound"), [("avi", None), ("mp4", None), ("mkv", (0, 30)), ("flv", (0, 30))]
)
def test_a_file_that_is_cut_is_told_and_kept_on_request(tmp_path, capsys, suffix, sound):
    options = {"container": {"movflags": "faststart"}} if suffix == "mp4" else {}
    video = encode(tmp_path / f"run.{suffix}", pictures(120), sound=sound, **options)
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 57 // 100])
    with pytest.raises(ValueError, match="inputs failed"):
        take(video, tmp_path / "out")
    assert "it can be read up to 0:00:1" in capsys.readouterr().err
    run = take(video, tmp_path / "out", keep_truncated=True)
    assert run.meta["notes"]["truncated"] and 55 < run.num_frames < 90


@pytest.mark.parametrize(
    ("suffix", "second"),
    [
        *[("mp4", "mp4"), ("flv", "flv"), ("wmv", "wmv"), ("mp4", "mkv"), ("mp4", "avi")],
        *[("mp4", "ts"), ("avi", "mp4"), ("mkv", "mp4"), ("mkv", "ts"), ("flv", "mkv")],
    ],
)
def test_a_file_appended_to_another_is_not_lost_without_a_word(tmp_path, capsys, suffix, second):
    codec = {"wmv": "wmv2"}.get(suffix, "libx264")
    video = encode(tmp_path / f"run.{suffix}", pictures(40), codec=codec)
    more = encode(tmp_path / f"more.{second}", pictures(12), codec=codec)
    video.write_bytes(video.read_bytes() + more.read_bytes())
    with pytest.raises(ValueError, match="inputs failed"):
        take(video, tmp_path / "out")
    assert "up to 0:00:10, where another file is appended" in capsys.readouterr().err
    assert numbers(take(video, tmp_path / "out", keep_truncated=True)) == list(range(40))


def test_a_file_with_zeros_for_its_end_is_truncated(tmp_path, capsys):
    options = {"movflags": "faststart"}
    video = encode(tmp_path / "run.mp4", pictures(120), container=options)
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 2].ljust(len(content), b"\0"))
    with pytest.raises(ValueError, match="inputs failed"):
        take(video, tmp_path / "out")
    error = capsys.readouterr().err
    assert "it can be read up to 0:00:1" in error and "of 0:00:30: get a whole file" in error


def test_what_an_edit_list_leaves_out_is_not_lacking(tmp_path):
    video = encode(tmp_path / "run.mp4", pictures(120))
    content = bytearray(video.read_bytes())
    lasts = content.index(b"elst") + 12  # in 1/1000 s
    assert int.from_bytes(content[lasts : lasts + 4], "big") == 30000
    content[lasts : lasts + 4] = (15000).to_bytes(4, "big")
    video.write_bytes(content)
    run = take(video, tmp_path / "out")
    assert numbers(run) == list(range(60)) and not run.meta["notes"]["truncated"]


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize("marked", [True, False])
def test_a_cover_is_not_taken_for_the_video(tmp_path, suffix, marked):
    cover = np.full((720, 800, 3), 128, np.uint8)
    video = encode(tmp_path / f"run.{suffix}", pictures(20), cover=cover, cover_marked=marked)
    with av.open(str(video)) as container:
        assert {stream.width for stream in container.streams.video} == {800, 160}
    run = take(video, tmp_path / "out")
    assert numbers(run) == list(range(20)) and "other_streams" not in run.meta["notes"]


def test_of_two_videos_the_larger_is_taken_and_the_other_told(tmp_path, capsys):
    small = [np.full((72, 80, 3), 10 * k, np.uint8) for k in range(20)]
    video = encode(tmp_path / "run.mkv", pictures(20), preview=small)
    run = take(video, tmp_path / "out")
    assert numbers(run) == list(range(20)) and run.meta["notes"]["other_streams"] == 1
    assert "1 more picture streams in the file, left out" in capsys.readouterr().out


def test_a_file_with_a_cover_alone_is_no_video(tmp_path, capsys):
    cover = np.full((144, 160, 3), 128, np.uint8)
    with pytest.raises(ValueError, match="inputs failed"):
        take(encode(tmp_path / "run.mp4", [], sound=(0, 5), cover=cover), tmp_path / "out")
    assert "expected a video, got a file without moving pictures" in capsys.readouterr().err


TURNS = {  # as a file says it, and what undoes it
    90: np.rot90,
    180: lambda frame: np.rot90(frame, 2),
    -90: lambda frame: np.rot90(frame, -1),
    "mirrored": lambda frame: frame[:, ::-1],
}


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_picture_is_set_upright(tmp_path, capsys, turn):
    def adjust(stream: av.VideoStream) -> None:
        degrees, mirror = (0, True) if turn == "mirrored" else (turn, False)
        stream.set_display_rotation(degrees, hflip=mirror)

    back = {90: -90, -90: 90}.get(turn, turn)
    stored = (TURNS[back](frame) for frame in pictures(12))
    run = take(encode(tmp_path / "run.mp4", stored, adjust=adjust), tmp_path / "out")
    assert numbers(run, 12) == list(range(12))
    assert "turned to 160x144" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_crops_are_in_square_pixels(tmp_path, capsys, suffix):
    x, y, width, height = crop = (40, 24, 480, 432)

    def adjust(stream: av.VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(8, 9)

    def stored(k: int) -> np.ndarray:
        canvas = np.zeros((480, 640, 3), np.uint8)
        canvas[y : y + height, x : x + width] = picture(k, 3)
        return np.asarray(Image.fromarray(canvas).resize((720, 480), Image.Resampling.BILINEAR))

    video = encode(tmp_path / f"run.{suffix}", map(stored, range(6)), adjust=adjust)
    run = take(video, tmp_path / "out", crop=",".join(map(str, crop)), shades=4)
    said = capsys.readouterr()
    assert "warning" not in said.err and "picture of 720x480 to 640x480" in said.out
    assert (run.frames == np.stack(list(pictures(6)))).mean() > 0.97
    take(video, tmp_path / "wrong", crop=f"{x},{y},{width * 9 // 8},{height}", shades=4)
    assert "540x432 is not the 10:9" in capsys.readouterr().err
    with pytest.raises(ValueError, match="inputs failed"):
        take(video, tmp_path / "none", crop="200,0,480,432")
    assert "leaves the picture, which is 640x480" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_interlaced_fields_are_parted(tmp_path, capsys, suffix):
    def woven(k: int) -> np.ndarray:
        frame = picture(2 * k + 1, 3)
        frame[1::2] = picture(2 * k, 3)[1::2]  # the bottom field is the first
        return frame

    options = {"x264-params": "bff=1"}
    video = encode(tmp_path / f"run.{suffix}", map(woven, range(12)), **options)
    run = take(video, tmp_path / "out")
    assert run.meta["notes"]["deinterlaced"]
    assert "interlaced: fields parted" in capsys.readouterr().out
    off = np.abs(run.frames[..., None].astype(int) - [0, 85, 170, 255]).min(axis=-1)
    assert (off > 20).mean() < 0.1
    assert numbers(run, 24) == list(range(0, 24, 2))


def test_a_picture_that_changes_size_is_brought_to_the_commonest(tmp_path, capsys):
    small = encode(tmp_path / "small.ts", pictures(20))
    large = encode(tmp_path / "large.ts", (picture(k, 2) for k in range(20, 80)))
    video = tmp_path / "run.ts"
    video.write_bytes(small.read_bytes() + large.read_bytes())
    run = take(video, tmp_path / "out", crop="0,0,320,288", shades=4)
    assert numbers(run) == list(range(80))
    assert "picture of 160x144 to 320x288" in capsys.readouterr().out


@pytest.mark.parametrize("sound_first", [True, False])
def test_a_stream_that_turns_from_sound_to_video_is_told(tmp_path, capsys, sound_first):
    parts = [
        encode(tmp_path / "silent.ts", pictures(50)).read_bytes(),
        encode(tmp_path / "loud.ts", pictures(50), sound=(0, 12)).read_bytes(),
    ]
    video = tmp_path / "run.ts"
    video.write_bytes(b"".join(reversed(parts) if sound_first else parts))
    with pytest.raises(ValueError, match="inputs failed"):
        take(video, tmp_path / "out")
    change = "audio first and video later" if sound_first else "video first and audio later"
    assert f"{change}: split the file" in capsys.readouterr().err


def test_a_video_stream_that_appears_late_is_told():
    check_kinds({0: "video"}, {0: "video", 1: "audio", 2: "data"})
    with pytest.raises(ValueError, match="nothing first and video later"):
        check_kinds({0: "video"}, {0: "video", 1: "video"})


def test_a_codec_that_is_not_known_is_told(tmp_path, capsys):
    video = encode(tmp_path / "run.mkv", pictures(12))
    video.write_bytes(video.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG9/ISO/XYZ"))
    with pytest.raises(ValueError, match="inputs failed"):
        take(video, tmp_path / "out")
    assert "a codec that FFmpeg knows, got another: convert it" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["mkv", "avi"])
def test_files_that_ffmpeg_reads_joined_are_taken_joined(tmp_path, suffix):
    video = encode(tmp_path / f"run.{suffix}", pictures(20))
    more = encode(tmp_path / f"more.{suffix}", pictures(20, first=20))
    video.write_bytes(video.read_bytes() + more.read_bytes())
    run = take(video, tmp_path / "out")
    assert numbers(run) == list(range(40)) and not run.meta["notes"]["truncated"]


@pytest.mark.parametrize("end", [b"\0" * 5000, b"TAG".ljust(128, b"x")], ids=["zeros", "tag"])
@pytest.mark.parametrize("suffix", ["mkv", "avi", "mp4", "wmv"])
def test_what_holds_no_video_may_follow(tmp_path, suffix, end):
    codec = {"wmv": "wmv2"}.get(suffix, "libx264")
    video = encode(tmp_path / f"run.{suffix}", pictures(20), codec=codec)
    video.write_bytes(video.read_bytes() + end)
    run = take(video, tmp_path / "out")
    assert numbers(run) == list(range(20)) and not run.meta["notes"]["truncated"]


def test_metadata_that_reads_like_a_header_is_no_file(tmp_path):
    video = encode(tmp_path / "run.mp4", pictures(20))
    content, text = video.read_bytes(), b"an ftyp is in FLV\x01".ljust(2000)
    video.write_bytes(content + (8 + len(text)).to_bytes(4, "big") + b"free" + text)
    assert numbers(take(video, tmp_path / "out")) == list(range(20))


def write(path: Path) -> Path:
    """Write 40 pictures, as `encode` does, for containers that it does not know as well."""
    if path.suffix == ".gif":
        first, *rest = [Image.fromarray(frame) for frame in pictures(40)]
        first.save(path, save_all=True, append_images=rest, duration=250)
    elif path.suffix == ".y4m":
        planes = [b"FRAME\n" + frame[..., 0].tobytes() for frame in pictures(40)]
        path.write_bytes(b"YUV4MPEG2 W160 H144 F4:1 Cmono\n" + b"".join(planes))
    elif path.suffix == ".wmv":
        encode(path, pictures(40), codec="wmv2")
    else:
        encode(path, pictures(40), container={"movflags": "frag_keyframe+empty_moov"}, g="12")
    return path


@pytest.mark.parametrize("suffix", ["wmv", "gif", "y4m", "mp4"])
def test_a_cut_that_no_packet_shows_is_told(tmp_path, capsys, suffix):
    video = write(tmp_path / f"run.{suffix}")
    whole = take(video, tmp_path / "whole")
    assert numbers(whole) == list(range(40)) and not whole.meta["notes"]["truncated"]
    content = video.read_bytes()[: video.stat().st_size * 57 // 100].rstrip(b"\0;")
    video.write_bytes(content)
    with pytest.raises(ValueError, match="inputs failed"):
        take(video, tmp_path / "out")
    assert "get a whole file, or pass --keep-truncated" in capsys.readouterr().err


@pytest.mark.parametrize("share", [0.0, 0.01, 0.6])
def test_a_file_that_is_cut_before_its_index_is_told(tmp_path, capsys, share):
    video = encode(tmp_path / "run.mp4", pictures(20))
    video.write_bytes(video.read_bytes()[: int(video.stat().st_size * share)])
    with pytest.raises(ValueError, match="inputs failed"):
        take(video, tmp_path / "out")
    assert "or one that was cut: get a whole file" in capsys.readouterr().err
