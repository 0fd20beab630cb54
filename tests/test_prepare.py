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
from games.movie import write_movie

CROP = (37, 24, 480, 432)  # x, y, width, height: three times the screen, at an odd x
START, A = 1 << BUTTONS.index("Start"), 1 << BUTTONS.index("A")
MASKS = np.array([0] * 6 + [START, 0, A, 0] * 5, dtype=np.uint8)  # one per step of half a second


@pytest.fixture(scope="module")
def replay() -> np.ndarray:
    """The first seconds of the bundled game, (T, 144, 160, 3) uint8."""
    frames = demo_prepare.replay(BUNDLED_ROM.read_bytes(), MASKS)
    frames = np.stack([frame.copy() for frame in frames])
    assert len({frame.tobytes() for frame in frames}) > 3  # a picture that changes
    return frames


@pytest.fixture(scope="module")
def video(replay, tmp_path_factory):
    """H.264 at 30 fps: the replay three times as large, in a streamer's border of many colours."""
    path = tmp_path_factory.mktemp("video") / "run.mp4"
    x, y, width, height = CROP
    canvas = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for frame in replay:
            canvas[y : y + height, x : x + width] = frame.repeat(3, axis=0).repeat(3, axis=1)
            for _ in range(15):
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
    assert f"failed: {broken}: Invalid data" in done.stderr
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
        ({"fps": 0.0}, "--fps above 0"),
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
    write_movie(movies / "long.txt", MASKS)
    write_movie(movies / "short.txt", MASKS[:9])
    report = demo_prepare.main(demo_prepare.Args(movies, out=out))
    long, short = find_runs(out)
    np.testing.assert_array_equal(long.frames, replay)
    np.testing.assert_array_equal(short.frames, replay[:9])
    assert report["frames"] == len(MASKS) + 9 and long.fps == 2
    assert json.loads((out / "prepare_report.json").read_text()) == report

    demo_prepare.main(demo_prepare.Args(movies, out=tmp_path / "one", limit=1))
    assert [run.name for run in find_runs(tmp_path / "one")] == ["long"]
    with pytest.raises(ValueError, match="--limit of at least 1 movie, got 0"):
        demo_prepare.main(demo_prepare.Args(movies, out=out, limit=0))


def test_a_movie_that_is_not_there_is_one_line(tmp_path):
    done = run_script("data/demo/prepare.py", "--movies", tmp_path / "none.txt", "--out", tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: no input movies at {tmp_path}/none.txt: pass --movies FOLDER or FILE.txt\n"
    )
