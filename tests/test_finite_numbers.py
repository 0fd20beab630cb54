"""Numbers stay finite, or nothing is saved and the last good state can be gone on from."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import pretrain_visual
import train_reward_model
import train_with_cnn_reward
from models.checkpoint import ArtefactError, load_checkpoint, save_checkpoint
from tests.synthetic_runs import write_walks
from tests.tiny_training import ppo_args, reward_args, visual_args, write_ppo_artefacts
from training import FiniteLoss


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("inputs")
    write_walks(directory, count=2, length=24)
    return write_ppo_artefacts(directory)


CASES = {
    "tokenizer": (pretrain_visual, visual_args, {"epochs": 2}, {"epochs": 4}),
    "dynamics": (pretrain_visual, visual_args, {"epochs": 1}, {"epochs": 1, "dynamics_epochs": 4}),
    "reward": (train_reward_model, reward_args, {"epochs": 2}, {"epochs": 4}),
    "ppo": (train_with_cnn_reward, ppo_args, {"iterations": 2}, {"iterations": 4}),
}


def saved(script, args) -> dict[Path, bytes]:
    paths = [*script.state_paths(args), *script.products(args)]
    return {path: path.read_bytes() for path in paths if path.exists()}


@pytest.mark.parametrize(("case", "lr"), [*((case, 1e30) for case in CASES), ("ppo", 1e12)])
def test_a_training_that_diverges_leaves_the_last_good_state(case, lr, inputs, tmp_path):
    script, make_args, begin, go_on = CASES[case]
    good = make_args(inputs, tmp_path, **begin)
    script.main(good)
    before = saved(script, good)
    unit = "iteration" if case == "ppo" else "step"
    message = rf"^not finite since {unit} \d+: lower --lr; .*state.pkl is still that of {unit} \d+"
    for _ in range(2):  # the same again, the same end
        with pytest.raises(ValueError, match=message) as caught:
            script.main(make_args(inputs, tmp_path, **go_on, lr=lr))
        assert "\n" not in str(caught.value)
        after = saved(script, good)
        if case == "dynamics":  # the tokenizer's part is done again, with the same outcome
            before = {path: content for path, content in before.items() if "dynamics" in path.name}
        assert {path: after[path] for path in before} == before
    script.main(make_args(inputs, tmp_path, **go_on))  # from there, with a lower one
    for path, content in saved(script, good).items():
        if path.suffix == ".pkl" and path in before and "path" not in path.name:
            assert content != before[path]


@pytest.mark.parametrize("case", ["tokenizer", "reward", "ppo"])
def test_nothing_is_saved_of_a_training_that_diverges_at_once(case, inputs, tmp_path):
    script, make_args, begin, _ = CASES[case]
    args = make_args(inputs, tmp_path, **begin, lr=1e30)
    with pytest.raises(ValueError, match="lower --lr; nothing was saved, start again"):
        script.main(args)
    made = {path.name for path in saved(script, args)} - {"reward_path.pkl"}
    assert not {name for name in made if not name.startswith("path_")}


def test_the_first_loss_that_is_not_finite_is_named():
    finite = FiniteLoss(torch.device("cpu"))
    for step, loss in enumerate([1.0, 2.0, float("inf"), float("nan"), 1.0], start=1):
        assert finite.ended_at(step, {}) == (None if step < 4 else 3)
        finite.see(torch.tensor(loss), step)
    assert finite.ended_at(6, {"model": torch.ones(1)}) == 3
    assert FiniteLoss(torch.device("cpu")).ended_at(7, {"model": [torch.tensor(torch.nan)]}) == 7


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
def test_no_artefact_holds_a_number_that_is_not_finite(tmp_path, wrong):
    path = tmp_path / "encoder.pkl"
    save_checkpoint(path, "encoder", {}, {"w": torch.ones(2), "count": torch.tensor(1)})
    state = {"part": [{"w": torch.tensor([1.0, wrong])}]}
    with pytest.raises(ValueError, match=r"encoder.pkl was not written: part.0.w is not finite"):
        save_checkpoint(path, "encoder", {}, state)
    assert load_checkpoint(path, "encoder")["state_dict"]["w"].tolist() == [1.0, 1.0]
    content = torch.load(path, weights_only=True)
    torch.save(content | {"state_dict": state}, path)  # by another hand
    with pytest.raises(ArtefactError, match=r"encoder.pkl is damaged \(part.0.w is not finite\)"):
        load_checkpoint(path, "encoder")


@pytest.mark.parametrize("fresh", [True, False])
def test_to_start_over_leaves_no_policy_of_the_training_before(fresh, inputs, tmp_path):
    args = ppo_args(inputs, tmp_path, iterations=2, snapshots=2)
    train_with_cnn_reward.main(args)
    assert (tmp_path / "policy_000002.pkl").exists()
    if not fresh:
        (tmp_path / "training_state.pkl").unlink()
    train_with_cnn_reward.main(replace(args, iterations=1, fresh=fresh))
    assert sorted(path.name for path in tmp_path.glob("policy_*")) == [
        "policy_000001.pkl",
        "policy_final.pkl",
    ]


def test_a_lower_learning_rate_is_taken_up_by_a_resumed_ppo(inputs, tmp_path):
    args = ppo_args(inputs, tmp_path, iterations=1)
    train_with_cnn_reward.main(args)
    train_with_cnn_reward.main(replace(args, iterations=2, lr=1e-7))
    state = load_checkpoint(tmp_path / "training_state.pkl", "ppo_state")["state_dict"]
    (group,) = state["optimizer"]["param_groups"]
    assert 0 < group["lr"] <= 1e-7
