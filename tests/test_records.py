"""What earlier runs have written down is checked before it is believed."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import demo
import evaluate_policy
import pretrain_visual
import train_reward_model
import train_with_cnn_reward
from data.demo import prepare
from games.game import BUNDLED_ROM
from models.checkpoint import load_checkpoint, save_checkpoint
from tests.synthetic_runs import write_walks
from tests.tiny_training import ppo_args, reward_args, visual_args, write_ppo_artefacts


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("inputs")
    write_walks(directory, count=2, length=24)
    return write_ppo_artefacts(directory)


def stages(folder: Path, ran: list[str], content: dict[str, str]) -> list[demo.Stage]:
    """Return two stages that each write a file."""

    def stage(name: str) -> demo.Stage:
        def run(args):
            ran.append(name)
            (folder / name).write_text(content[name])
            return {"ran": len(ran)}

        script = SimpleNamespace(main=run, products=lambda args: [folder / name])
        return demo.Stage(name, script, train_reward_model.Args())

    return [stage("a"), stage("b")]


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_text("cut")])
def test_a_stage_whose_file_is_gone_or_changed_is_not_done(harm, tmp_path, capsys):
    ran, record = [], tmp_path / "stages.json"
    content = {"a": "weights", "b": "figures"}
    demo.run_stages(stages(tmp_path, ran, content), record)
    harm(tmp_path / "a")
    demo.run_stages(stages(tmp_path, ran, content), record)
    assert ran == ["a", "b", "a"]  # it leaves the same again, so what follows stays
    assert f"{tmp_path / 'a'}: gone, or no longer what a made" in capsys.readouterr().out
    harm(tmp_path / "a")
    content["a"] = "other weights"
    demo.run_stages(stages(tmp_path, ran, content), record)
    assert ran == ["a", "b", "a", "a", "b"]


def test_trainings_of_no_demo_are_not_deleted(tmp_path):
    """Such as where --out is a folder in which somebody trains by hand."""
    ran, record, state = [], tmp_path / "stages.json", tmp_path / "training_state.pkl"
    both = stages(tmp_path, ran, {"a": "", "b": ""})
    both[1].script.state_paths = lambda args: [state]
    state.touch()
    with pytest.raises(ValueError, match=r"got one with .*training_state.pkl, of which .*--out"):
        demo.run_stages(both, record)
    assert state.exists() and not ran
    state.unlink()
    demo.run_stages(both, record)
    state.touch()
    both[0].args.device = both[1].args.device = "cpu"
    demo.run_stages(both, record)
    assert ran == ["a", "b"] and state.exists(), "what is done stays so on another device"
    both[0].args.seed = 1
    demo.run_stages(both, record)
    assert ran == ["a", "b", "a", "b"] and not state.exists()


def test_runs_of_two_games_do_not_mix(tmp_path):
    prepare.main(prepare.Args(out=tmp_path, limit=1, steps=2))
    emberwick = prepare.Args(demo.movies("emberwick"), demo.rom("emberwick"), tmp_path, 1, 2)
    with pytest.raises(ValueError, match=r"got run_00.json of another ROM: pass another --out"):
        prepare.main(emberwick)
    (tmp_path / "mine.json").write_text("{}")
    made = ["prepare_report.json", "run_00.json", "run_00.npy"]
    assert [path.name for path in prepare.state_paths(emberwick)] == made


@pytest.mark.parametrize(
    "text",
    [
        *("", '{"a": {"settings": {}, "wal', "[1, 2]", '{"a": 5}', '{"title": {}}', "\xff"),
        *(
            '{"a": {"settings": {}, "wall_s": "x"}}',
            '{"a": {"settings": {}, "wall_s": 1, "made": []}}',
        ),
    ],
)
def test_a_record_that_is_cut_or_foreign_is_one_line_and_stays(text, tmp_path):
    record, ran = tmp_path / "stages.json", []
    record.write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"stages.json") as caught:
        demo.run_stages(stages(tmp_path, ran, {"a": "", "b": ""}), record)
    assert "\n" not in str(caught.value) and not ran
    assert record.read_text(encoding="latin-1") == text


@pytest.mark.parametrize(
    "row",
    [
        '{"loss": 1}',
        "5",
        '{"iteration": "first"}',
        '{"iteration": Infinity}',
        "epoch,loss",
        "\xff\xfe",
    ],
)
def test_a_table_of_somebody_else_is_not_overwritten(row, inputs, tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text(row + "\n", encoding="latin-1")
    with pytest.raises(ValueError, match=r"metrics.jsonl, line 1, got .*: move the file away"):
        train_with_cnn_reward.main(ppo_args(inputs, tmp_path))
    assert metrics.read_text(encoding="latin-1") == row + "\n"


def test_to_start_over_deletes_nothing_before_it_is_sure_to_start(inputs, tmp_path):
    train_with_cnn_reward.main(ppo_args(inputs, tmp_path))
    state = (tmp_path / "training_state.pkl").read_bytes()
    (tmp_path / "metrics.jsonl").write_text("epoch,loss\n")
    with pytest.raises(ValueError, match=r"metrics.jsonl, line 1"):
        train_with_cnn_reward.main(ppo_args(inputs, tmp_path, fresh=True))
    assert (tmp_path / "training_state.pkl").read_bytes() == state


def test_a_row_that_a_crash_cut_off_is_written_again(inputs, tmp_path):
    args = ppo_args(inputs, tmp_path, iterations=2)
    train_with_cnn_reward.main(args)
    metrics = tmp_path / "metrics.jsonl"
    with metrics.open("a") as file:
        file.write('{"iteration": 3, "env_st')
    train_with_cnn_reward.main(replace(args, iterations=4))
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4]


STATES = {
    "pretraining": (pretrain_visual, visual_args, "training_state"),
    "reward": (train_reward_model, reward_args, "training_state"),
    "ppo": (train_with_cnn_reward, ppo_args, "ppo_state"),
}


@pytest.mark.parametrize("training", STATES)
def test_a_state_that_is_cut_foreign_or_older_is_one_line(training, inputs, tmp_path):
    script, make_args, kind = STATES[training]
    args = make_args(inputs, tmp_path)
    script.main(args)
    state = script.state_paths(args)[0]
    whole, content = state.read_bytes(), load_checkpoint(state, kind)
    inner = content["state_dict"]
    some_part = "policy" if training == "ppo" else "model"
    for change in (
        lambda: state.write_bytes(whole[: len(whole) // 2]),
        lambda: state.write_bytes(b""),
        lambda: torch.save([1, 2], state),
        lambda: save_checkpoint(state, "encoder", {}, {}),
        lambda: save_checkpoint(state, kind, content["config"], inner),  # no steps, no seconds
        lambda: rewrite(state_dict={}),
        lambda: rewrite(state_dict=[]),
        lambda: rewrite(state_dict=inner | {some_part: {}}),
        lambda: rewrite(state_dict=inner | {"optimizer": {"param_groups": []}}),
        lambda: rewrite(config=None),
    ):

        def rewrite(**changes):
            torch.save(content | changes, state)

        change()
        with pytest.raises(ValueError, match=r"_state.pkl") as caught:
            script.main(args)
        assert "\n" not in str(caught.value)
        assert str(caught.value).endswith("pass --fresh to start over")


@pytest.fixture(scope="module")
def policy_content(inputs, tmp_path_factory) -> dict:
    out = tmp_path_factory.mktemp("policy")
    train_with_cnn_reward.main(ppo_args(inputs, out, iterations=1))
    return load_checkpoint(out / "policy_final.pkl", "policy")


@pytest.mark.parametrize(
    "missing", ["rom_sha1", "frame_skip", "start_masks", "iteration", "game", "encoder_config"]
)
def test_a_policy_of_an_older_version_is_one_line(missing, policy_content, tmp_path):
    policy = tmp_path / "policy_final.pkl"
    torch.save({name: part for name, part in policy_content.items() if name != missing}, policy)
    told = evaluate_policy.Args(
        policy=policy, rom=BUNDLED_ROM, steps=2, episodes=1, out=tmp_path / "e", device="cpu"
    )
    with pytest.raises(ValueError, match=f"policy_final.pkl: .*no '{missing}'.*make it with"):
        evaluate_policy.main(told)
