"""The two pretraining scripts, run tiny: artefacts, resume, and a user's mistakes."""

import functools
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import pretrain_visual
import train_reward_model
from cli import run_script
from data.frames import ENOUGH_FRAMES, find_runs, write_run
from models.checkpoint import ArtefactError, load_checkpoint
from models.dynamics import Dynamics, DynamicsConfig, load_dynamics
from models.reward_model import load_reward_model
from models.tokenizer import load_encoder, load_tokenizer
from tests.synthetic_runs import walk_frames, write_walks
from tests.tiny_training import reward_args as reward
from tests.tiny_training import visual_args as visual
from training import Batches, learning_rate, training_progress


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_walks(tmp_path_factory.mktemp("walks"), count=3, length=40)


def assert_same_weights(a: torch.nn.Module, b: torch.nn.Module) -> None:
    for name, value in a.state_dict().items():
        torch.testing.assert_close(b.state_dict()[name], value, rtol=0, atol=0, msg=name)


def test_pretraining_writes_what_it_promises(data, tmp_path):
    args = visual(data, tmp_path, lpips_weight=0.2, mask_max=0.5, action_bits=2, batch_size=8)
    metrics = pretrain_visual.main(args)
    assert metrics == json.loads((tmp_path / "pretrain_metrics.json").read_text())
    assert len(metrics["train_runs"]) == 2 and len(metrics["val_runs"]) == 1
    assert metrics["tokenizer"]["steps"] == metrics["dynamics"]["steps"] == 6
    assert metrics["tokenizer"]["lpips"] > 0
    for stage in ("tokenizer", "dynamics"):
        assert 0 < metrics[stage]["data_wait_share"] < 1
    assert list(metrics["dynamics"]["by_horizon_frames"]) == ["1", "4", "16"]
    encoder = load_encoder(tmp_path / "pretrained_encoder.pkl")
    tokenizer = load_tokenizer(tmp_path / "pretrained_tokenizer.pkl")
    frames = torch.from_numpy(walk_frames(2, 0))
    assert torch.equal(encoder(frames), tokenizer.encoder(frames))
    assert load_dynamics(tmp_path / "pretrained_dynamics.pkl").config.width == 16
    assert metrics["latent_actions"]["steps"] == 6
    assert ENOUGH_FRAMES == args.context_frames + max(pretrain_visual.HORIZONS_FRAMES)
    with pytest.raises(ValueError, match=r"expected --batch-size to give each process 8 windows"):
        pretrain_visual.main(replace(args, batch_size=4))
    assert load_dynamics(tmp_path / "pretrained_latent_actions.pkl").config.action_bits == 2
    logs = tmp_path / "runs" / "pretrain_visual"
    assert (logs / "reconstructions.png").exists() and any(logs.glob("events.*"))


def test_pretraining_resumed_equals_uninterrupted(data, tmp_path, monkeypatch):
    changes = {"mask_max": 0.5, "action_bits": 2, "batch_size": 8}
    pretrain_visual.main(visual(data, tmp_path / "whole", **changes))
    parts = tmp_path / "parts"

    def interrupt_at(function: str, step: int) -> None:
        original, calls = getattr(pretrain_visual, function), 0

        def stop(*args):
            nonlocal calls
            calls += 1
            if calls > step:
                raise KeyboardInterrupt
            return original(*args)

        monkeypatch.setattr(pretrain_visual, function, stop)
        with pytest.raises(KeyboardInterrupt):
            pretrain_visual.main(visual(data, parts, **changes))
        monkeypatch.undo()

    interrupt_at("sample_frames", 4)  # in the tokenizer's second epoch: one step is done again
    interrupt_at("sample_windows", 5)
    interrupt_at("sample_windows", 6)  # in the second dynamics model
    pretrain_visual.main(visual(data, parts, **changes))
    loaders = {"tokenizer": load_tokenizer, "dynamics": load_dynamics}
    for name, load in (loaders | {"latent_actions": load_dynamics}).items():
        file = f"pretrained_{name}.pkl"
        assert_same_weights(load(tmp_path / "whole" / file), load(parts / file))


def test_reward_training_resumed_equals_uninterrupted(data, tmp_path, monkeypatch):
    metrics = train_reward_model.main(reward(data, tmp_path / "whole"))
    assert metrics == json.loads((tmp_path / "whole" / "reward_metrics.json").read_text())
    assert metrics["score"]["random_pairs"]["pairs"] > 0
    assert 0 < metrics["training"]["data_wait_share"] < 1
    original, calls = train_reward_model.sample_pairs, 0

    def stop(*args):
        nonlocal calls
        calls += 1
        if calls > 4:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(train_reward_model, "sample_pairs", stop)
    with pytest.raises(KeyboardInterrupt):
        train_reward_model.main(reward(data, tmp_path / "parts"))
    monkeypatch.undo()
    resumed = train_reward_model.main(reward(data, tmp_path / "parts"))
    whole, parts = (
        load_reward_model(tmp_path / out / "reward_resnet34.pkl") for out in ("whole", "parts")
    )
    assert_same_weights(whole, parts)
    assert resumed["score"] == metrics["score"]


def test_finished_training_is_not_repeated_and_other_settings_are_refused(data, tmp_path):
    first = train_reward_model.main(reward(data, tmp_path))
    again = train_reward_model.main(reward(data, tmp_path))
    assert again["training"] == first["training"]
    with pytest.raises(ValueError, match="batch_size 4, got 8"):
        train_reward_model.main(reward(data, tmp_path, batch_size=8))
    assert train_reward_model.main(reward(data, tmp_path, batch_size=8, fresh=True))


def test_frames_made_anew_are_not_mixed_into_a_saved_training(tmp_path):
    """The same names, other pixels: a crop that was wrong and has been put right."""
    data = write_walks(tmp_path / "walks", count=3, length=40)
    train_reward_model.main(reward(data, tmp_path))
    pretrain_visual.main(visual(data, tmp_path))
    for run in find_runs(data):
        write_run(data, run.name, 255 - run.frames, fps=run.fps)
    for script, args in ((train_reward_model, reward), (pretrain_visual, visual)):
        with pytest.raises(ValueError, match=r"train_runs .*--fresh"):
            script.main(args(data, tmp_path))


def test_the_path_is_measured_along_the_run_that_is_named(data, tmp_path, capsys):
    metrics = train_reward_model.main(reward(data, tmp_path))
    name = metrics["train_runs"][-1]
    train_reward_model.main(reward(data, tmp_path, reference_run=name))
    assert re.search(rf"path: along {name}, of \d+ different frames", capsys.readouterr().out)
    held_out = metrics["val_runs"][0]
    with pytest.raises(ValueError, match=rf"training run \(.*{name}.*, got {held_out}"):
        train_reward_model.main(reward(data, tmp_path, reference_run=held_out))


def test_the_dynamics_alone_start_over_once_their_state_is_deleted(data, tmp_path):
    first = pretrain_visual.main(visual(data, tmp_path))
    wider = visual(data, tmp_path, dynamics_width=32)
    with pytest.raises(ValueError, match=r"width 16, got 32: .* delete that file") as caught:
        pretrain_visual.main(wider)
    state = tmp_path / "runs" / "pretrain_visual" / "dynamics_state.pkl"
    assert str(caught.value).startswith(f"{state} ")
    state.unlink()
    again = pretrain_visual.main(wider)
    assert again["tokenizer"]["seconds"] == first["tokenizer"]["seconds"]  # no step was taken
    assert load_dynamics(tmp_path / "pretrained_dynamics.pkl").config.width == 32


def test_every_seed_and_script_holds_out_the_same_runs(data, tmp_path):
    held_out = {
        tuple(main(make_args(data, tmp_path, seed=seed, fresh=True, epochs=0))["val_runs"])
        for main, make_args in (
            (pretrain_visual.main, visual),
            (train_reward_model.main, reward),
        )
        for seed in range(3)
    }
    assert len(held_out) == 1


def test_a_time_limit_ends_training_and_still_saves(data, tmp_path):
    metrics = pretrain_visual.main(
        visual(data, tmp_path, epochs=10**6, dynamics_epochs=10**6, time_limit_seconds=0.3)
    )
    assert 0 < metrics["tokenizer"]["steps"] < 10**4
    assert load_dynamics(tmp_path / "pretrained_dynamics.pkl")


def test_bf16_trains_too(data, tmp_path):
    changes = {"precision": "bf16", "epochs": 1, "steps_per_epoch": 1}
    assert pretrain_visual.main(visual(data, tmp_path, **changes))["tokenizer"]["psnr_db"] > 0
    assert train_reward_model.main(reward(data, tmp_path, **changes))["training"]["steps"] == 1


def test_compiled_models_learn_the_same(data, tmp_path, monkeypatch):
    """With torch's eager backend: traced as on a GPU, without its compiler's minute."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    for name in ("plain", "compiled"):
        out, changes = tmp_path / name, {"compile": name == "compiled", "epochs": 1}
        pretrain_visual.main(visual(data, out, mask_max=0.5, **changes))
        train_reward_model.main(reward(data, out, **changes))
    for load, file in (
        (load_tokenizer, "pretrained_tokenizer.pkl"),
        (load_dynamics, "pretrained_dynamics.pkl"),
        (load_reward_model, "reward_resnet34.pkl"),
    ):
        assert_same_weights(load(tmp_path / "plain" / file), load(tmp_path / "compiled" / file))


def test_a_model_that_copies_has_no_skill_and_still_frames_are_told_apart(data):
    run = find_runs(data)[0]
    shrunk = torch.from_numpy(run.frames[:, ::16, ::16, :1].copy()).permute(0, 3, 1, 2)
    dynamics = Dynamics(DynamicsConfig(latent_channels=1, kind="mlp"))
    table = pretrain_visual.evaluate_dynamics(dynamics, [run], [shrunk / 255], (1, 8))
    moved = (run.frames[4:-7] != run.frames[3:-8]).any(axis=(1, 2, 3)).sum()
    assert table["1"]["windows"] == 40 - 4 - 8 + 1 > table["1"]["windows_changed"] == moved
    for row in table.values():
        assert row["skill"] == row["skill_changed"] == 0 < row["mse_copy"]
    assert table["1"]["mse_copy"] < table["1"]["mse_copy_changed"]


def test_learning_rate_warms_up_holds_and_falls_to_zero():
    assert learning_rate(1.0, 0, 0.0) < 0.1
    assert learning_rate(1.0, 100, 0.5) == 1.0
    assert learning_rate(1.0, 100, 0.85) == pytest.approx(0.5)
    assert learning_rate(1.0, 100, 1.0) == 0.0
    assert training_progress(5, 10, 0.0, None) == 0.5  # by steps
    assert training_progress(5, 10, 9.0, 10.0) == 0.9  # by time, which ends first
    assert training_progress(0, 0, 0.0, None) == training_progress(0, 9, 0.0, 0.0) == 1.0


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_batches_drawn_ahead_are_those_of_their_steps(ahead):
    drawn = []

    def draw(step):
        drawn.append(step)
        if step == 9:
            raise OSError("no frames there")
        return torch.tensor(step), torch.tensor(-step)

    with Batches(draw, torch.device("cpu"), ahead, pinned=False) as batches:
        for step in range(4, 9):
            assert batches(step) == (step, -step)
            so_far = list(drawn)
            assert so_far == list(range(4, len(so_far) + 4)) and len(so_far) <= step - 3 + ahead
        with pytest.raises(OSError, match="no frames there"):
            batches(9)


def test_batches_are_pinned_when_they_are_to_be(monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)
    for is_pinned in (False, True):
        batch = (torch.zeros(2), torch.ones(2))
        with Batches(lambda _, b=batch: b, torch.device("cpu"), 0, is_pinned) as batches:
            batches(0)
        assert [id(t) for t in pinned] == [id(t) for t in batch if is_pinned]


def test_a_fused_optimiser_learns_the_same(data, tmp_path):
    for fused in (False, True):
        pretrain_visual.main(visual(data, tmp_path / str(fused), fused=fused))
    plain, fused = (
        load_checkpoint(tmp_path / name / "pretrained_encoder.pkl", "encoder")["state_dict"]
        for name in ("False", "True")
    )
    for name, weights in plain.items():
        torch.testing.assert_close(fused[name], weights, rtol=1e-4, atol=1e-5)


def test_what_is_drawn_ahead_changes_nothing_that_is_learned(data, tmp_path):
    for ahead in (0, 3):
        pretrain_visual.main(visual(data, tmp_path / str(ahead), mask_max=0.5, prefetch=ahead))
    tokenizers = [load_tokenizer(tmp_path / str(n) / "pretrained_tokenizer.pkl") for n in (0, 3)]
    assert_same_weights(*tokenizers)


def test_one_run_is_too_few(tmp_path):
    data = write_walks(tmp_path / "data", count=1)
    for main, args in (
        (pretrain_visual.main, visual(data, tmp_path)),
        (train_reward_model.main, reward(data, tmp_path)),
    ):
        with pytest.raises(ValueError, match="2 or more runs"):
            main(args)


def test_missing_lpips_weights_stop_before_training(data, tmp_path):
    with pytest.raises(ArtefactError, match="--lpips-weights"):
        pretrain_visual.main(
            visual(data, tmp_path, lpips_weight=0.2, lpips_weights=tmp_path / "missing.pth")
        )


@pytest.mark.parametrize("script", [pretrain_visual, train_reward_model])
def test_missing_data_is_one_line_and_exit_code_2(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [script.__file__, "--data", str(tmp_path / "nowhere")])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit:
        run_script(script.main, script.Args)
    stderr = capsys.readouterr().err
    assert exit.value.code == 2
    assert "prepare.py" in stderr and len(stderr.strip().splitlines()) == 1
