"""The whole path in miniature: `demo.py --preset smoke`."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import demo
import train_reward_model
from benchmarks import ablations, latent_actions, path_truth, probes, tokenizers
from data.demo import render_videos
from data.demo.layouts import Layout
from data.frames import find_runs

SMALL = Layout((80, 24, 320, 288), webcam=(420, 20, 160, 120), size=(640, 336))


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Where the smoke preset has run once."""
    directory = tmp_path_factory.mktemp("demo")
    demo.main(demo.Args(preset="smoke", out=directory, device="cpu"))
    return directory


def test_the_smoke_preset_walks_the_whole_path_and_then_has_nothing_left_to_do(out, capsys):
    report = json.loads((out / "report.json").read_text())
    assert set(report) >= {"trained", "random", "episodes", "wall_s", "settings", "gif"}
    assert len(report["random"]["milestones_per_episode"]) == report["episodes"] == 2
    assert list(report["settings"]) == ["prepare", "pretrain", "reward", "train", "evaluate"]
    made = ("pretrained_encoder.pkl", "reward_resnet34.pkl", "reward_path.pkl", "report.json")
    for name in (*made, "checkpoints/policy_final.pkl", "evaluation/both.gif"):
        assert (out / name).stat().st_size > 0, name

    assert demo.main(demo.Args(preset="smoke", out=out, device="cpu")) == report
    assert capsys.readouterr().out.count("done already") == 5


def test_it_walks_the_whole_path_from_videos_too(tmp_path, capsys, monkeypatch):
    """What a streamer's layout is found in; a run that was changed since is made again."""
    monkeypatch.setitem(render_videos.WHOLE, "small", SMALL)
    monkeypatch.setattr(render_videos, "choose", lambda seed: ["small"])
    videos, out = tmp_path / "videos", tmp_path / "out"
    movies = demo.movies("waystone")
    render_videos.main(render_videos.Args(movies, out=videos, limit=2, seconds=24, fps=(30,)))
    args = demo.Args(videos=videos, preset="smoke", out=out, device="cpu")
    report = demo.main(args)
    assert report["settings"]["prepare"]["shades"] == 4
    runs = find_runs(out / "frames")
    assert [run.num_frames for run in runs] == [48, 48]
    assert all(run.meta["crop"] == [80, 24, 320, 288] for run in runs)
    pixels = runs[0].path.read_bytes()

    capsys.readouterr()
    runs[0].path.write_bytes(pixels[:-1] + b"?")
    assert demo.main(args)["trained"] == report["trained"]
    assert f"{runs[0].path}: gone, or no longer what prepare made" in capsys.readouterr().out
    assert runs[0].path.read_bytes() == pixels


def test_its_artefacts_serve_the_benchmarks(out, tmp_path, monkeypatch):
    """One iteration, of few steps, of conditions of every kind; the path against the RAM."""
    whole = ablations.base_args
    monkeypatch.setattr(
        ablations, "base_args", lambda args: replace(whole(args), num_envs=4, num_steps=16)
    )
    only = (
        "full,no-goals,goals-of-one-run,no-shifts,no-information-gate,random-encoder,"
        "from-scratch,told-codes,one-frame-score"
    )
    args = ablations.Args(artefacts=out, out=tmp_path, steps=64, seeds=1, only=only)
    args.codes_seconds = 0.4
    assert list(ablations.main(args)) == only.split(",")
    assert (tmp_path / "ablations.png").stat().st_size > 0
    with pytest.raises(ValueError, match=r"expected --only from full, .*, got none"):
        ablations.main(replace(args, only="none"))

    changed = tokenizers.main(tokenizers.Args(out, seconds=0.5, only="as-it-is,no-lpips,full-size"))
    assert all(row["steps"] > 0 and row["psnr_db"] > 3 for row in changed.values())
    with pytest.raises(ValueError, match=r"expected --only from as-it-is, .*, got none"):
        tokenizers.main(tokenizers.Args(out, only="none"))
    read = probes.main(probes.Args(artefacts=out, every=3))
    assert list(read) == ["map", "facing", "battle", "milestones", "letters"]
    assert read["map"]["pixels"] > read["map"]["most frequent"]
    assert read["letters"]["pixels"] > 0.8

    told = latent_actions.Args(artefacts=out, seconds=0.4, seeds=1, out=tmp_path / "codes")
    figures = latent_actions.main(told)
    assert list(figures["told"][0]) == list(figures["plain"][0]) == ["1", "4", "16"]
    table = np.array(figures["codes"][0]["table"])
    assert table.shape == (8, 9) and 0 < table.sum() < 40
    assert (tmp_path / "codes" / "codes.png").stat().st_size > 0

    policy = out / "checkpoints" / "policy_final.pkl"
    picture = tmp_path / "truth.png"
    truth = path_truth.main(
        path_truth.Args(artefacts=out, policy=policy, envs=2, steps=20, out=picture)
    )
    assert truth["policy"]["frames"] == 40 and picture.stat().st_size > 0


def test_a_changed_flag_repeats_its_stage_and_all_after_it(out, capsys):
    """With the real scripts, whose own saved states must not be taken up again."""
    policy = out / "checkpoints" / "policy_final.pkl"
    before = policy.read_bytes()
    args = demo.Args(preset="smoke", device="cpu")
    stages = demo.make_stages(args, out)
    stages[3].args = replace(stages[3].args, seed=1)
    demo.run_stages(stages, out / "stages.json", demo.starting_point(args))
    printed = capsys.readouterr().out
    assert (
        printed.count("done already") == 3 and "train starts over, with another seed\n" in printed
    )
    assert policy.read_bytes() != before


def test_a_stopped_stage_goes_on_and_a_finished_one_is_not_repeated(tmp_path):
    ran = []

    def stage(name, flag, stops=False):
        state = tmp_path / f"{name}.state"

        def run(args):
            ran.append((name, state.exists()))
            state.touch()
            if stops:
                raise KeyboardInterrupt
            return {"flag": flag}

        script = SimpleNamespace(
            main=run, state_paths=lambda args: [state], products=lambda args: [state]
        )
        return demo.Stage(name, script, train_reward_model.Args(seed=flag))

    record = tmp_path / "stages.json"
    with pytest.raises(KeyboardInterrupt):
        demo.run_stages([stage("a", 1), stage("b", 1, stops=True), stage("c", 1)], record)
    demo.run_stages([stage("a", 1), stage("b", 1), stage("c", 1)], record)
    assert ran == [("a", False), ("b", False), ("b", True), ("c", False)]
    ran.clear()
    results = demo.run_stages([stage("a", 1), stage("b", 2), stage("c", 1)], record)
    assert ran == [("b", False), ("c", False)] and results["b"]["results"] == {"flag": 2}
    ran.clear()
    demo.run_stages([stage("a", 1), stage("b", 2), stage("c", 1)], record, inputs="new ROM")
    assert ran == [("a", False), ("b", False), ("c", False)]
