"""The whole path in miniature: `demo.py --preset smoke`."""

import json

import demo


def test_the_smoke_preset_walks_the_whole_path_and_then_has_nothing_left_to_do(tmp_path, capsys):
    args = demo.Args(preset="smoke", out=tmp_path, device="cpu")
    report = demo.main(args)
    assert set(report) >= {"trained", "random", "episodes", "wall_s", "settings", "gif"}
    assert 0 <= report["random"]["milestones_mean"] <= 15
    assert list(report["settings"]) == ["prepare", "pretrain", "reward", "train", "evaluate"]
    assert report == json.loads((tmp_path / "report.json").read_text())
    made = ("pretrained_encoder.pkl", "reward_resnet34.pkl", "reward_memory.pkl", "report.json")
    for name in (*made, "checkpoints/policy_final.pkl", "evaluation/both.gif"):
        assert (tmp_path / name).stat().st_size > 0, name
    capsys.readouterr()

    assert demo.main(args) == report
    assert capsys.readouterr().out.count("done already") == 5


def test_a_changed_flag_repeats_its_stage_and_all_after_it(tmp_path):
    ran = []

    def stage(name, flag):
        args = demo.Args(seed=flag)
        return demo.Stage(name, lambda _: ran.append(name) or {"flag": flag}, args)

    record = tmp_path / "stages.json"
    demo.run_stages([stage("a", 1), stage("b", 1), stage("c", 1)], record)
    results = demo.run_stages([stage("a", 1), stage("b", 2), stage("c", 1)], record)
    assert ran == ["a", "b", "c", "b", "c"]
    assert results["b"]["results"] == {"flag": 2}
