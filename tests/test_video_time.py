"""When each picture of a video is shown, where the file's own clock is wrong, or there is none."""

import pytest

from tests.videos import encode, numbers, picture, take


def pictures(count: int, first: int = 0):
    return (picture(k) for k in range(first, first + count))


def later(seconds: float, after: int = 0):
    """Times of four pictures a second, late by `seconds` from picture `after` on."""
    return lambda k: k / 4 + (seconds if k >= after else 0)


@pytest.mark.parametrize(
    ("second_starts_at", "step"), [(0, -14.75), (10, -4.75), (14, -0.75), (600, 585.25)]
)
def test_joined_files_go_on_where_the_clock_breaks(tmp_path, capsys, second_starts_at, step):
    one = encode(tmp_path / "one.ts", pictures(60))
    two = encode(tmp_path / "two.ts", pictures(60, 60), later(second_starts_at))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() + two.read_bytes())
    run = take(joined, tmp_path / "out")
    assert numbers(run) == list(range(120))
    notes = run.meta["notes"]
    assert notes["clock_breaks"] == 1 and not notes["truncated"]
    (first,) = notes["first_breaks"]
    assert first["at_seconds"] == 15
    assert first["step_seconds"] == pytest.approx(step, abs=0.6)  # a first picture may be late
    told = f"1 breaks in the file's clock, the first of {first['step_seconds']:+.1f} s at 0:00:15"
    assert told in capsys.readouterr().out


def test_joined_files_give_all_frames_at_the_usual_rate(tmp_path):
    part = encode(tmp_path / "part.ts", pictures(120))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(2 * part.read_bytes())
    run = take(joined, tmp_path / "out", fps=2.0)
    assert numbers(run) == 2 * list(range(0, 120, 2)) and run.num_frames == 120


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "flv", "ts"])
def test_a_jump_ahead_is_noted_and_not_filled(tmp_path, suffix):
    video = encode(tmp_path / f"jump.{suffix}", pictures(80), later(600, after=40))
    run = take(video, tmp_path / "out")
    assert numbers(run) == list(range(80))
    assert run.meta["notes"]["first_breaks"] == [{"at_seconds": 10.0, "step_seconds": 600.25}]


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_still_picture_of_a_screen_recording_is_no_jump(tmp_path, suffix):
    video = encode(tmp_path / f"still.{suffix}", pictures(40), later(5, after=20))
    run = take(video, tmp_path / "out")
    assert numbers(run) == [*range(20), *[19] * 20, *range(20, 40)]
    assert "clock_breaks" not in run.meta["notes"]


def test_a_slide_show_is_no_row_of_jumps(tmp_path):
    run = take(
        encode(tmp_path / "slides.mkv", pictures(8), lambda k: 15 * k), tmp_path / "out", fps=0.2
    )
    assert numbers(run) == sorted(3 * list(range(8))) and "clock_breaks" not in run.meta["notes"]


def move_clock(ts: bytes, ticks: int) -> bytes:
    """Add to all times of an MPEG-TS, in 1/90000 s, modulo 2^33."""
    moved = bytearray(ts)

    def move(at: int) -> None:
        b = moved[at : at + 5]
        time = (b[0] >> 1 & 7) << 30 | b[1] << 22 | b[2] >> 1 << 15 | b[3] << 7 | b[4] >> 1
        time = (time + ticks) % (1 << 33)
        moved[at : at + 5] = bytes(
            (
                b[0] & 0xF0 | time >> 30 << 1 | 1,
                time >> 22 & 255,
                (time >> 15 & 127) << 1 | 1,
                time >> 7 & 255,
                (time & 127) << 1 | 1,
            )
        )

    for packet in range(0, len(ts), 188):
        start = packet + 4 + (1 + ts[packet + 4] if ts[packet + 3] & 0x20 else 0)
        if ts[packet + 1] & 0x40 and ts[start : start + 3] == b"\0\0\1":
            flags = ts[start + 7] >> 6  # 2: presentation time; 3: and decoding time
            for field in range(max(0, flags - 1)):
                move(start + 9 + 5 * field)
    return bytes(moved)


@pytest.mark.parametrize("seconds_before", [15, 70])
def test_a_clock_that_wraps_goes_on(tmp_path, seconds_before):
    video = encode(tmp_path / "run.ts", pictures(100), lambda k: k)
    video.write_bytes(move_clock(video.read_bytes(), (1 << 33) - seconds_before * 90000))
    assert numbers(take(video, tmp_path / "out", fps=1.0)) == list(range(100))


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("bf", ["0", "2"])
def test_avi_knows_only_the_order_of_decoding(tmp_path, codec, bf):
    video = encode(tmp_path / "run.avi", pictures(60), codec=codec, bf=bf)
    run = take(video, tmp_path / "out")
    assert numbers(run) == list(range(60)) and "clock_breaks" not in run.meta["notes"]


def test_a_raw_stream_has_no_times_and_gets_those_of_its_rate(tmp_path, capsys):
    video = encode(tmp_path / "run.h264", pictures(60))
    run = take(video, tmp_path / "out", fps=25.0)
    assert numbers(run) == list(range(60))
    assert run.meta["notes"]["assumed_rate"] == 25
    assert "taken as 25 pictures a second" in capsys.readouterr().out
