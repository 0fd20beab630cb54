"""The benchmarks that need nothing made before, tiny."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import demo
from benchmarks import latent_actions, path_held_out, path_length, scale, soak_training, throughput
from data.demo import prepare
from data.frames import Run, open_runs, split_runs
from games.movie import FRAME_SKIP, Movie, read_movie, write_movie
from tests.tiny_training import write_ppo_artefacts

ROOT = Path(__file__).resolve().parents[1]


def run(script: str, *flags: str) -> dict:
    command = [sys.executable, ROOT / "benchmarks" / script, *flags]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(result.stdout)


def test_emulators_are_compared(tmp_path):
    copy = tmp_path / "copy.gb"
    copy.write_bytes((ROOT / "games/waystone/waystone.gb").read_bytes())
    flags = "--rounds 2 --steps 5 --warmup-steps 5 --envs 2".split()
    report = run("emulators.py", *flags, "--roms", tmp_path, "--json", tmp_path / "report.json")
    assert report == json.loads((tmp_path / "report.json").read_text())
    assert list(report["roms"]) == ["waystone", "copy"]
    for result in report["roms"].values():
        ours, theirs = result["emurust_frames_per_second"], result["pyboy_frames_per_second"]
        assert 0 < ours["min"] <= ours["median"] <= ours["max"]
        assert result["ratio"]["max"] <= ours["max"] / theirs["min"]
        assert result["scaling"]["median"] > 0


def test_memory_does_not_grow():
    report = run("soak.py", *"--hours 0.01 --envs 4 --cycles 10_000".split())
    assert report["states_left"] == 0 and report["frames"] == 4 * 30 * 72
    assert report["growth_mib"] < 8, "10,000 states are some 400 MiB"


def test_a_step_along_a_path_is_timed_at_each_length():
    results = path_length.main(path_length.Args(lengths=(60, 400), rounds=2, steps=12, num_envs=4))
    assert list(results) == ["60", "400"] and results["60"]["ratio"] == 1.0
    assert all(row["ms_a_step"] > 0 for row in results.values())


def test_longest_stretch_and_figures_of_seconds_off():
    off = np.array([0, 4, -6, -31, 32, 61, 0, -40, 5], dtype=float)
    told = path_held_out.figures(off, fps=2)
    assert told["within_5_s"] == 4 / 9 and told["within_30_s"] == 5 / 9
    assert told["longest_lost_s"] == 1.5 and told["over_60_s_ahead"] == 1 / 9
    assert path_held_out.longest(np.zeros(3, bool)) == 0


def test_seconds_off_are_from_the_time_at_which_a_run_is_where_it_is_taken_to_be():
    """Along one corridor of ten cells, the reference a cell a frame; the run comes back once."""
    reference, bins = np.array([[1, x, 0, x // 5] for x in range(10)]), np.arange(10)
    xs = [0, 1, 2, 3, 4, 3, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    own = np.array([[1, 3 * x, 0, x // 5] for x in xs])  # 3: no cell is near another one
    reference[:, 1] *= 3
    off = path_held_out.seconds_off(np.array(xs), reference, bins, own, fps=2)
    assert (off == 0).all()
    off = path_held_out.seconds_off(np.array([0] * 12 + [6] * 4), reference, bins, own, fps=2)
    assert off.tolist() == [-t / 2 for t in range(12)] + [0, -0.5, -1, -1.5]
    off = path_held_out.seconds_off(np.full(16, 9), reference, bins, own, fps=2)
    assert off.tolist() == [(15 - t) / 2 for t in range(16)]


def test_held_out_runs_are_followed(tmp_path):
    """One-button-a-step runs, of which a path of two others loses none for long."""
    movies = ROOT / "games" / "waystone" / "movies"
    prepare.main(prepare.Args(movies, out=tmp_path, limit=3))
    (name,) = {run.name for run in split_runs(open_runs(tmp_path))[1]}
    results = path_held_out.main(path_held_out.Args(tmp_path, movies))
    assert set(results) == {name, "all", "counted", "aligned", "path"}
    assert results["all"]["within_30_s"] > 0.9 and results["all"]["longest_lost_s"] < 30
    assert results["counted"]["within_30_s"] > 0.9 and results["aligned"]["within_30_s"] > 0.9
    chosen = path_held_out.main(path_held_out.Args(tmp_path, movies, hold_out=("run_00",)))
    assert set(chosen) == {"run_00", "all", "counted", "aligned", "path"}
    write_ppo_artefacts(tmp_path)
    for changed in ({"cells": 20}, {"encoder": tmp_path / "pretrained_encoder.pkl"}):
        otherwise = path_held_out.main(path_held_out.Args(tmp_path, movies, **changed))
        assert otherwise["counted"] != results["counted"] or otherwise["path"] != results["path"]
    other = path_held_out.main(path_held_out.Args(tmp_path, movies, reference_run="run_01"))
    assert other["path"]["bins"] > 0
    with pytest.raises(ValueError, match=r"--reference-run among .*, got run_77"):
        path_held_out.main(path_held_out.Args(tmp_path, movies, reference_run="run_77"))
    with pytest.raises(ValueError, match=r"--hold-out of runs in .*, got run_77"):
        path_held_out.main(path_held_out.Args(tmp_path, movies, hold_out=("run_77",)))


def test_stages_are_measured_at_each_length(tmp_path):
    stages = ("import", "path", "held-out")
    args = scale.Args(minutes=(1.0,), runs=4, stages=stages, scratch=tmp_path)
    results = scale.main(args)["1"]
    assert results["path"]["frames"] == 4 * 120 and 0 < results["path"]["bins"] <= 120
    assert results["import"]["import_s"] > 0 and results["path"]["peak_mib"] > 10
    assert results["held-out"]["believed"]["within_30_s"] > 0.9
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"expected --stages among import, .*, got fly"):
        scale.main(scale.Args(stages=("fly",)))


def test_loops_are_compared_with_their_models(tmp_path):
    movies = ROOT / "games" / "waystone" / "movies"
    prepare.main(prepare.Args(movies, out=tmp_path / "frames", limit=3))
    write_ppo_artefacts(tmp_path)
    args = throughput.Args(artefacts=tmp_path, envs=(4,), steps=2, small=True, device="cpu")
    results = throughput.main(args)
    assert list(results) == ["gpu", "cores", "tokenizer", "reward", "ppo 4"]
    for stage in ("tokenizer", "reward"):
        assert results[stage]["images_per_second"] > 0 and results[stage]["ratio"] > 0
    ppo = results["ppo 4"]
    assert ppo["rollout_steps_per_second"] > ppo["steps_per_second"] > 0
    assert sum(value for name, value in ppo.items() if "time/" in name) == pytest.approx(
        1, abs=0.01
    )
    with pytest.raises(ValueError, match=r"expected --stages among tokenizer, .*, got fly"):
        throughput.main(throughput.Args(stages=("fly",)))


def test_a_training_is_watched_over_two_sittings(tmp_path, capsys):
    artefacts = write_ppo_artefacts(tmp_path)
    args = soak_training.Args(artefacts=artefacts, minutes=0.5, max_growth=1.0)
    report = soak_training.main(args)
    assert json.dumps(report, indent=2) in capsys.readouterr().out
    first, second = report["sittings"]
    assert min(first["iterations"], second["iterations"]) >= 3 and second["state_mb"][0] > 0
    assert second["archive_entries"] >= first["archive_entries"] > 0
    assert report["files_left_open"] <= 0


def test_no_chapter_of_a_recording_looks_like_another():
    frame = np.random.default_rng(0).integers(0, 4, (144, 160, 1), dtype=np.uint8) * 85
    looks = {scale.chapter(frame, number).tobytes() for number in range(len(scale.CHAPTERS))}
    assert len(looks) == len(scale.CHAPTERS)
    assert (scale.chapter(frame, 0) == frame).all()


def test_the_next_chapter_of_a_recording_is_the_same_play_on_other_maps():
    movie = prepare.find_movies(demo.movies(scale.GAME))[0]
    steps = math.ceil(len(read_movie(movie).frames()) / FRAME_SKIP)
    places = scale.places_of(Run(movie, {"frames": steps + 5}))
    assert (places[:steps, 0] < scale.MAPS).all() and (places[:steps, 1:].max(axis=0) > 0).all()
    assert (places[steps:] == places[:5] + [scale.MAPS, 0, 0, 0]).all()


def test_buttons_of_a_movie_are_those_held_longest_before_each_frame(tmp_path):
    movie = tmp_path / "movie.txt"
    write_movie(movie, Movie(np.array([1, 0, 16, 8], dtype=np.uint8)))
    assert latent_actions.buttons_of(movie, 4).tolist() == [0, latent_actions.NONE, 4, 3]
    assert latent_actions.buttons_of(movie, 2).tolist() == [0, latent_actions.NONE]
    presses = np.repeat(np.array([2, 17, 16, 0], dtype=np.uint8), [9, 3, 8, 10])
    write_movie(movie, Movie(presses, 1, 1))  # Left for 9 frames, A for 11
    assert latent_actions.buttons_of(movie, 1).tolist() == [4]


def test_players_who_hold_on_to_a_button_make_no_code_tell():
    """Codes and buttons that both stay for long, drawn apart, are alike by chance."""
    rng = np.random.default_rng(0)
    apart = [np.repeat(rng.integers(4, size=40), 10) for _ in range(2)]
    table = latent_actions.table_of(*apart, 4)
    assert latent_actions.mutual_information(table) > 0.1
    assert abs(latent_actions.information(apart[:1], apart[1:])) < 0.08
    assert latent_actions.information(apart[:1], apart[:1]) > 1.5


def test_what_codes_tell_of_buttons_in_bits():
    codes, buttons = np.array([0, 1, 2, 3] * 8), np.array([0, 1, 0, 1] * 8)
    table = latent_actions.table_of(codes, buttons, 4)
    assert table.sum() == 32 and latent_actions.mutual_information(table) == pytest.approx(1)
    independent = latent_actions.table_of(codes, np.repeat([0, 1], 16), 4)
    assert latent_actions.mutual_information(independent) == pytest.approx(0)
