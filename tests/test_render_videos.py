"""Recorded runs as videos: what is rendered is what was played."""

from dataclasses import replace
from itertools import islice

import av
import numpy as np
import pytest

from data.demo import render_videos
from data.demo.layouts import GREEN, LAYOUTS, Layout, Scene, planes, write_video
from data.demo.prepare import replay
from games.game import BUNDLED_ROM, find_game
from games.movie import read_movie
from tests.videos import take

GAME = find_game(BUNDLED_ROM)
MOVIES = BUNDLED_ROM.parent / "people"
SMALL = Layout((0, 0, 320, 288), GREEN, size=(320, 288))


@pytest.fixture(scope="module")
def screens():
    """25 seconds of a run, frame by frame."""
    played = replay(GAME.rom, read_movie(MOVIES / "run_00.txt").frames(), 1)
    return np.stack([screen.copy() for screen in islice(played, 1500)])


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(render_videos, "WHOLE", {"small": SMALL, "dim": replace(SMALL, crf=30)})


def info(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.average_rate, stream.frames, (stream.width, stream.height)


@pytest.mark.parametrize("fps, first", [(30, 15), (60, 14)])
def test_a_prepared_video_is_the_replay(screens, fps, first, tmp_path):
    """Halfway through each half second; where two pictures meet, it is the earlier one."""
    movie = read_movie(MOVIES / "run_00.txt")
    pictures = render_videos.render(movie, GAME, SMALL, 0, fps, 25)
    path = write_video(tmp_path / "run.mp4", pictures, fps, preset="superfast")
    assert info(path) == (fps, 25 * fps, (320, 288))
    run = take(path, tmp_path / "out", fps=2.0, shades=4)
    expected = screens[first::30]
    assert len({screen.tobytes() for screen in expected}) > 20
    assert (run.frames == expected).mean() >= 0.99


@pytest.mark.parametrize("name", ["4.4 times, bilinear", "Game Boy Color, frame", "pillars"])
def test_the_game_lies_where_the_layout_says(screens, name):
    layout = LAYOUTS[name]
    scene = Scene(layout, seed=0, ticks=8)
    screen = screens[-1, ..., 0]
    x, y, w, h = layout.game
    shown = scene.show(0, screen).to_ndarray(format="rgb24")
    middles = shown[y + h // 288 : y + h : h // 144, x + w // 320 : x + w : w // 160]
    if h % 144 == w % 160 == 0:
        colours = np.array(layout.palette)[3 - screen // 85]
        assert np.abs(middles.astype(int) - colours).mean() < 4
    around = scene.draw(0).astype(int)
    game = slice(max(y - 2, 0), y + h + 2), slice(x - 2, x + w + 2)
    around[game] = shown[game]
    assert np.abs(shown - around).mean() < 4


def test_between_ticks_only_the_game_moves(screens):
    layout = LAYOUTS["four times, splits left"]
    scene = Scene(layout, seed=0, ticks=8)
    first = planes(scene.show(0, screens[900, ..., 0]))[0].copy()
    second = planes(scene.show(0, screens[-1, ..., 0]))[0].copy()
    third = planes(scene.show(1, screens[-1, ..., 0]))[0].copy()
    x, y, w, h = layout.game
    inside = np.zeros_like(first, dtype=bool)
    inside[y : y + h, x : x + w] = True
    assert (first != second)[inside].any() and not (first != second)[~inside].any()
    assert (second != third)[~inside].any() and not (second != third)[inside].any()


def test_a_folder_of_movies_becomes_videos_in_layouts_of_their_own(small, tmp_path, capsys):
    args = render_videos.Args(out=tmp_path, limit=2, seconds=1)
    made = render_videos.main(args)
    assert list(made) == ["run_00.mp4", "run_01.mp4"]
    assert len({entry["layout"] for entry in made.values()}) == 2
    assert info(tmp_path / "run_00.mp4")[:2] == (30, 30)
    assert info(tmp_path / "run_01.mp4")[:2] == (60, 60)

    before = (tmp_path / "run_00.mp4").stat().st_mtime_ns
    (tmp_path / "run_01.mp4").unlink()
    capsys.readouterr()
    assert render_videos.main(args) == made
    assert "run_00.mp4: " in (told := capsys.readouterr().out) and "already there" in told
    assert (tmp_path / "run_00.mp4").stat().st_mtime_ns == before
    assert (tmp_path / "run_01.mp4").exists()


def test_a_video_of_other_settings_is_not_taken_for_made(small, tmp_path):
    args = render_videos.Args(out=tmp_path, limit=1, seconds=1)
    render_videos.main(args)
    with pytest.raises(ValueError, match=r"run_00.mp4 was made with seconds 1.*--overwrite"):
        render_videos.main(replace(args, seconds=0.5))
    render_videos.main(replace(args, seconds=0.5, overwrite=True))
    assert info(tmp_path / "run_00.mp4")[1] == 15
    (tmp_path / "run_00.mp4").write_bytes(b"somebody's own")
    with pytest.raises(ValueError, match=r"run_00.mp4 was made with movie_sha1 unknown"):
        render_videos.main(args)


def test_what_is_stopped_leaves_nothing(tmp_path):
    def stopped():
        yield Scene(SMALL, 0, 8).show(0, np.zeros((144, 160), np.uint8))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "run.mp4", stopped(), 30)
    assert not list(tmp_path.iterdir())
