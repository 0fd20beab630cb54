"""Frames out of videos, out of folders of single frames, and out of the bundled game's movies."""

import json
import shutil
import subprocess
import sys
import wave

import av
import numpy as np
import pytest
from PIL import Image

from data.demo import prepare as demo_prepare
from data.frames import ROOT, find_runs
from data.speedruns import prepare as speedruns_prepare
from games.actions import BUTTONS
from games.game import BUNDLED_ROM
from games.movie import Movie, write_movie

CROP = (37, 24, 480, 432)  # x, y, width, height: three times the screen, at an odd x
START, A = 1 << BUTTONS.index("Start"), 1 << BUTTONS.index("A")
MASKS = np.array([0] * 6 + [START, 0, A, 0] * 5, dtype=np.uint8)  # one per step of half a second


@pytest.fixture(scope="module")
def replay() -> np.ndarray:
    """The first seconds of the bundled game, (T, 144, 160, 3) uint8."""
    frames = demo_prepare.replay(BUNDLED_ROM.read_bytes(), Movie(MASKS).frames())
    frames = np.stack([frame.copy() for frame in frames])
    assert len({frame.tobytes() for frame in frames}) > 3  # a picture that changes
    return frames


@pytest.fixture(scope="module")
def video(replay, tmp_path_factory):
    """H.264 at 10 fps: the replay three times as large, in a streamer's border of many colours."""
    path = tmp_path_factory.mktemp("video") / "run.mp4"
    x, y, width, height = CROP
    canvas = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for frame in replay:
            canvas[y : y + height, x : x + width] = frame.repeat(3, axis=0).repeat(3, axis=1)
            for _ in range(5):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(canvas, format="rgb24")))
        container.mux(stream.encode())
    return path


def prepare(out, *videos, **settings) -> dict:
    settings = {"crop": ",".join(map(str, CROP)), **settings}
    return speedruns_prepare.main(speedruns_prepare.Args(videos, out=out, **settings))


def test_a_video_becomes_the_frames_it_was_made_of(replay, video, tmp_path):
    report = prepare(tmp_path, video)
    (run,) = find_runs(tmp_path)
    assert report["frames"] == run.num_frames == len(replay)
    error = run.frames.astype(float) - replay
    assert (np.abs(error) <= 16).mean() > 0.97
    assert 20 * np.log10(255 / np.sqrt((error**2).mean())) > 30  # PSNR in dB
    assert run.meta["crop"] == list(CROP) and run.fps == 2 and run.meta["source"] == "run.mp4"
    assert json.loads((tmp_path / "prepare_report.json").read_text()) == report


def test_four_shades_undo_the_compression(replay, video, tmp_path):
    prepare(tmp_path, video, shades=4)
    (run,) = find_runs(tmp_path)
    assert set(np.unique(run.frames)) <= {0, 85, 170, 255}
    assert (run.frames == replay).mean() > 0.99
    assert run.meta["palette"] == "grey4"


def test_fps_is_frames_per_second_of_video(replay, video, tmp_path):
    prepare(tmp_path, video, fps=1)
    (run,) = find_runs(tmp_path)
    assert run.num_frames == len(replay) // 2 and run.fps == 1


def test_a_run_that_is_there_is_kept(video, tmp_path, capsys):
    prepare(tmp_path, video)
    before = (tmp_path / "run.npy").stat().st_mtime_ns
    assert prepare(tmp_path, video)["runs"] == [find_runs(tmp_path)[0].meta]
    assert "already there" in capsys.readouterr().out
    with pytest.raises(ValueError, match="1 of 1 inputs failed"):
        prepare(tmp_path, video, fps=1)
    assert "made with fps 2.0: pass --overwrite" in capsys.readouterr().err
    assert (tmp_path / "run.npy").stat().st_mtime_ns == before
    prepare(tmp_path, video, fps=1, overwrite=True)
    assert find_runs(tmp_path)[0].fps == 1


def test_another_video_of_the_same_name_is_not_taken_for_it(video, tmp_path, capsys):
    prepare(tmp_path / "out", video)
    other = tmp_path / video.name
    other.write_bytes(video.read_bytes() + bytes(1))
    with pytest.raises(ValueError, match="1 of 1 inputs failed"):
        prepare(tmp_path / "out", other)
    size = video.stat().st_size
    assert f"made with source_bytes {size}: pass --overwrite" in capsys.readouterr().err


def run_script(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)


def test_a_broken_video_is_reported_and_the_rest_is_kept(video, tmp_path):
    broken, sound, out = tmp_path / "broken.mp4", tmp_path / "sound.wav", tmp_path / "out"
    broken.write_bytes(video.read_bytes()[:5000])
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(8000))
    crop = ",".join(map(str, CROP))
    command = ["data/speedruns/prepare.py", broken, sound, video, "--crop", crop, "--out", out]
    done = run_script(*command)
    assert done.returncode == 2
    assert f"failed: {broken}: expected a video, got none" in done.stderr
    assert f"failed: {sound}: expected a video" in done.stderr
    assert "error: 2 of 3 inputs failed" in done.stderr and "Traceback" not in done.stderr
    assert [run.name for run in find_runs(out)] == ["run"]
    assert list(json.loads((out / "prepare_report.json").read_text())["failed"]) == [
        str(broken),
        str(sound),
    ]


@pytest.mark.parametrize("package", ["speedruns", "demo"])
@pytest.mark.parametrize("how", ["file", "module"])
def test_the_scripts_start_as_a_file_and_as_a_module(package, how):
    path, module = f"data/{package}/prepare.py", ["-m", f"data.{package}.prepare"]
    done = run_script(*([path] if how == "file" else module), "--help")
    assert done.returncode == 0 and f"uv run python {path}" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop": "1,2,3"}, "expected --crop x,y,width,height .*'1,2,3'"),
        ({"crop": "0,0,0,144"}, "width and height above 0"),
    ],
)
def test_bad_settings_are_refused_at_once(video, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path / "out", video, **settings)
    assert not (tmp_path / "out").exists()


def test_a_crop_outside_the_picture_tells_its_size(video, tmp_path, capsys):
    with pytest.raises(ValueError, match="inputs failed"):
        prepare(tmp_path, video, crop="200,0,480,432")
    assert "leaves the picture, which is 640x480" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.npy"))


def test_a_picture_of_another_shape_is_warned_about(video, tmp_path, capsys):
    prepare(tmp_path, video, crop="none")
    assert "640x480 is not the 10:9" in capsys.readouterr().err


def test_folders_are_opened_and_two_inputs_of_one_name_refused(video, tmp_path):
    (tmp_path / "run.mkv").touch()
    assert speedruns_prepare.find_inputs((video.parent,)) == {"run": video}
    with pytest.raises(ValueError, match="would both become the run 'run'"):
        prepare(tmp_path, video, tmp_path)
    with pytest.raises(ValueError, match="got neither"):
        prepare(tmp_path, ROOT / "data")


def write_single_frames(folder, frames, as_listed) -> None:
    """One file a frame and an index: .png and .npy by turns, every third one grey, (144, 160)."""
    folder.mkdir(parents=True)
    entries = []
    for t, frame in enumerate(frames):
        pixels = frame[..., 0] if t % 3 == 0 else frame
        file = folder / f"run_{t:05}.{'png' if t % 2 else 'npy'}"
        if file.suffix == ".png":
            Image.fromarray(pixels).save(file)
        else:
            np.save(file, pixels)
        entries.append({"path": as_listed(file), "time": t / 2})
    (folder / "run_index.json").write_text(json.dumps({"frames": entries}))


def test_a_folder_may_hold_both_kinds(replay, video, tmp_path):
    folder = tmp_path / "both"
    write_single_frames(folder, replay[:4], lambda file: file.name)
    shutil.copy(video, folder / "other.mp4")
    prepare(tmp_path / "out", folder)
    runs = {run.name: run.num_frames for run in find_runs(tmp_path / "out")}
    assert runs == {"other": len(replay), "run": 4}


@pytest.mark.parametrize(
    "as_listed",
    [str, lambda file: file.name, lambda file: f"/elsewhere/{file.name}"],
    ids=["absolute", "relative", "moved"],
)
def test_single_frames_are_imported_unchanged(replay, tmp_path, as_listed):
    write_single_frames(tmp_path / "single", replay, as_listed)
    prepare(tmp_path / "out", tmp_path / "single")
    (run,) = find_runs(tmp_path / "out")
    assert run.name == "run" and run.meta["crop"] is None
    np.testing.assert_array_equal(run.frames, replay)


@pytest.mark.parametrize("root", ["/elsewhere/", "data/", ""])
def test_frames_in_a_subfolder_are_found_after_a_move(replay, tmp_path, root):
    folder = tmp_path / "videos"
    write_single_frames(folder / "run", replay[:4], lambda file: f"{root}videos/run/{file.name}")
    (folder / "run" / "run_index.json").rename(folder / "run_index.json")
    prepare(tmp_path / "out", folder)
    np.testing.assert_array_equal(find_runs(tmp_path / "out")[0].frames, replay[:4])


def test_an_import_with_a_frame_missing_or_misshapen_is_no_run(replay, tmp_path, capsys):
    folder, out = tmp_path / "single", tmp_path / "out"
    write_single_frames(folder, replay[:4], lambda file: file.name)
    (folder / "run_00001.png").unlink()
    with pytest.raises(ValueError, match="inputs failed"):
        prepare(out, folder)
    assert "it lists run_00001.png" in capsys.readouterr().err
    Image.new("RGB", (320, 288)).save(folder / "run_00001.png")
    with pytest.raises(ValueError, match="inputs failed"):
        prepare(out, folder)
    assert "expected (144, 160, 3) uint8, got (288, 320, 3)" in capsys.readouterr().err
    assert not list(out.glob("*run*"))


def test_movies_become_runs_of_one_frame_a_step(replay, tmp_path):
    movies, out = tmp_path / "movies", tmp_path / "out"
    movies.mkdir()
    write_movie(movies / "long.txt", Movie(MASKS))
    write_movie(movies / "short.txt", Movie(MASKS[:9]))
    report = demo_prepare.main(demo_prepare.Args(movies, out=out))
    long, short = find_runs(out)
    np.testing.assert_array_equal(long.frames, replay)
    np.testing.assert_array_equal(short.frames, replay[:9])
    assert report["frames"] == len(MASKS) + 9 and long.fps == 2
    assert json.loads((out / "prepare_report.json").read_text()) == report

    demo_prepare.main(demo_prepare.Args(movies, out=tmp_path / "one", limit=1))
    assert [run.name for run in find_runs(tmp_path / "one")] == ["long"]


def test_a_movie_on_a_rom_that_locks_up_is_one_line():
    rom = bytearray(BUNDLED_ROM.read_bytes())
    rom[0x100] = 0xD3  # no instruction
    with pytest.raises(ValueError, match=r"locked up at 0 s: is this the movie's own ROM\?"):
        list(demo_prepare.replay(bytes(rom), Movie(MASKS).frames()))


def test_a_movie_that_is_not_there_is_one_line(tmp_path):
    done = run_script("data/demo/prepare.py", "--movies", tmp_path / "none.txt", "--out", tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: no input movies at {tmp_path}/none.txt: pass --movies FOLDER or FILE.txt\n"
    )


def encode(path, frames, rate: int = 2, **options):
    """Encode (T, h, w, 3) uint8 as H.264, nearly without loss."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "10", "g": "5"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def long_video(replay, tmp_path_factory):
    """30 different pictures in 15 seconds, a file that can be cut anywhere."""
    rng = np.random.default_rng(0)
    noise = (
        rng.integers(0, 256, (30, 18, 20, 3), dtype=np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    )
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    return encode(path, noise, movflags="faststart")


def test_a_file_that_breaks_off_is_told_and_kept_on_request(long_video, tmp_path, capsys):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(long_video.read_bytes()[: long_video.stat().st_size // 2])
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="1 of 1 inputs failed"):
        prepare(out, cut, crop="none")
    error = capsys.readouterr().err
    assert "it can be read up to 0:00:0" in error and "of 0:00:15" in error
    assert not list(out.glob("*.npy"))
    prepare(out, cut, crop="none", keep_truncated=True)
    (run,) = find_runs(out)
    assert run.meta["notes"]["truncated"] and 8 <= run.num_frames <= 22
    assert "breaks off before its end" in capsys.readouterr().out


def test_what_is_dropped_is_counted(tmp_path):
    rng = np.random.default_rng(0)
    shades = rng.integers(0, 4, (12, 18, 20), dtype=np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    frames = np.repeat((85 * shades)[..., None], 3, axis=3)
    frames[2:4] = 255  # blank
    frames[5] = frames[5] // 2  # half-lit
    frames[7:11] = frames[7]  # one picture for four frames
    video = encode(tmp_path / "run.mp4", frames)
    drop = ("blanks", "fades", "repeats")
    report = prepare(tmp_path / "all", video, crop="none")
    assert report["frames"] == 12 and "dropped" not in report["runs"][0]
    report = prepare(tmp_path / "some", video, crop="none", drop=drop, still_seconds=1.0)
    assert report["runs"][0]["dropped"] == {"blanks": 2, "fades": 1, "repeats": 2}
    (run,) = find_runs(tmp_path / "some")
    kept = frames[[0, 1, 4, 6, 7, 8, 11]]
    assert np.abs(run.frames.astype(int) - kept).mean() < 4


@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_a_table_gives_every_video_its_crop(video, tmp_path, suffix):
    other = tmp_path / "other.mp4"
    shutil.copy(video, other)
    crops = {"run.mp4": list(CROP), "default": "0,0,160,144"}
    lines = [f'"{name}" = {json.dumps(value)}' for name, value in crops.items()]
    table = tmp_path / f"crops{suffix}"
    table.write_text("\n".join(lines) if suffix == ".toml" else json.dumps(crops))
    prepare(tmp_path / "out", video, other, crop=str(table))
    found = {run.name: run.meta["crop"] for run in find_runs(tmp_path / "out")}
    assert found == {"run": list(CROP), "other": [0, 0, 160, 144]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('"other.mp4" = "auto"', 'expected a line for "run.mp4" or "default", got neither'),
        ('"run.mp4" = [1, 2, 3]', r"crops.toml, run.mp4: expected --crop x,y,width,height"),
        ("run.mp4 = ", "crops.toml: expected a table of crops"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_at_once(video, tmp_path, content, message):
    (tmp_path / "crops.toml").write_text(content)
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path / "out", video, crop=str(tmp_path / "crops.toml"))
    assert not (tmp_path / "out").exists()


def test_folders_of_frames_are_imported_in_the_order_of_their_numbers(replay, tmp_path):
    folder = tmp_path / "videos"
    for name, suffix in (("one", "png"), ("two", "npy")):
        (folder / name).mkdir(parents=True)
        for t, frame in enumerate(replay[:12]):
            file = folder / name / f"frame{t}.{suffix}"  # 10 comes after 9, not after 1
            Image.fromarray(frame).save(file) if suffix == "png" else np.save(file, frame)
    prepare(tmp_path / "out", folder)
    for run in find_runs(tmp_path / "out"):
        np.testing.assert_array_equal(run.frames, replay[:12])
    prepare(folder / "one", folder / "one")  # its own run and sheet are not frames
    prepare(tmp_path / "again", folder / "one")
    assert find_runs(tmp_path / "again")[0].num_frames == 12


def test_an_interrupt_loses_the_video_in_work_alone(video, long_video, tmp_path, monkeypatch):
    decode, out = speedruns_prepare.video.decode_video, tmp_path / "out"

    def interrupted(path, *args):
        for count, frame in enumerate(decode(path, *args)):
            if path == long_video and count == 5:
                raise KeyboardInterrupt
            yield frame

    monkeypatch.setattr(speedruns_prepare.video, "decode_video", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(out, video, long_video, crop="none", workers=1)
    assert [path.name for path in sorted(out.glob("*.npy*"))] == ["run.npy"]
    monkeypatch.undo()
    before = (out / "run.npy").stat().st_mtime_ns
    assert len(prepare(out, video, long_video, crop="none", workers=2)["runs"]) == 2
    assert (out / "run.npy").stat().st_mtime_ns == before


def test_a_contact_sheet_shows_what_was_taken(video, replay, tmp_path):
    prepare(tmp_path, video, shades=4)
    with Image.open(tmp_path / "run_sheet.png") as sheet:
        pixels = np.asarray(sheet)
    first = pixels[360 : 360 + 144, 4 : 4 + 160]
    assert (first == find_runs(tmp_path)[0].frames[0]).all()
    assert ((pixels[:360] == (255, 0, 0)).all(axis=2)).sum() > 500  # the crop, outlined


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_other_containers_are_read(replay, tmp_path, suffix):
    video = encode(tmp_path / f"run.{suffix}", replay)
    prepare(tmp_path / "out", video, crop="none")
    (run,) = find_runs(tmp_path / "out")
    assert abs(run.num_frames - len(replay)) <= 1
