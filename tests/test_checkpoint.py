"""Artefact files: round trip, atomic writes, and everything that must be refused in one line."""

import os
import pickle
from dataclasses import asdict, dataclass

import pytest
import torch
from torch import nn

from models.actor_critic import ActorCritic, ActorCriticConfig, load_policy
from models.checkpoint import (
    MADE_BY,
    ArtefactError,
    fitting,
    load_checkpoint,
    load_model,
    refuse_to_replace,
    save_checkpoint,
)
from models.path import load_path
from models.tokenizer import Encoder, TokenizerConfig


@dataclass
class Config:
    size: int = 3


class Model(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.layer = nn.Linear(config.size, 1)


def refusal(path, kind="encoder") -> str:
    with pytest.raises(ArtefactError) as caught:
        load_checkpoint(path, kind)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_round_trip_keeps_config_weights_and_extras(tmp_path):
    path, model = tmp_path / "new folder" / "encoder.pkl", Model(Config(size=5))
    save_checkpoint(path, "encoder", Config(size=5), model.state_dict(), step=7)
    content = load_checkpoint(path, "encoder")
    assert content["config"] == {"size": 5} and content["step"] == 7
    again = load_model(path, "encoder", Model, Config)
    assert torch.equal(again.layer.weight, model.layer.weight) and not again.training
    assert os.listdir(path.parent) == ["encoder.pkl"]


def test_a_failed_save_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "encoder.pkl"
    save_checkpoint(path, "encoder", Config(), {"x": torch.ones(1)})
    with pytest.raises(Exception, match="pickle"):
        save_checkpoint(path, "encoder", Config(), {"x": lambda: None})
    assert torch.equal(load_checkpoint(path, "encoder")["state_dict"]["x"], torch.ones(1))
    assert os.listdir(tmp_path) == ["encoder.pkl"]


@pytest.mark.parametrize("kind", MADE_BY)
def test_a_missing_file_names_the_command_that_makes_it(tmp_path, kind):
    message = refusal(tmp_path / "missing.pkl", kind)
    assert MADE_BY[kind] in message and "missing.pkl" in message


@pytest.mark.parametrize("plain", [True, False])
def test_a_hostile_pickle_is_refused_and_never_run(tmp_path, plain):
    path, trap = tmp_path / "hostile.pkl", tmp_path / "trap"

    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(trap),)

    if plain:
        path.write_bytes(pickle.dumps(Hostile()))
    else:
        torch.save({"kind": "encoder", "config": Hostile()}, path)
    refusal(path)
    assert not trap.exists()
    with path.open("rb") as file:  # the trap does work where it is let
        pickle.load(file) if plain else torch.load(path, weights_only=False)
    assert trap.exists()


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "encoder.pkl"
    save_checkpoint(path, "encoder", Config(), Model(Config()).state_dict())
    content = path.read_bytes()
    for damaged in (b"", b"not a pickle", content[: len(content) // 2]):
        path.write_bytes(damaged)
        assert "damaged" in refusal(path)
    save_checkpoint(path, "dynamics", Config(), {})
    assert "expected a file of kind encoder, got dynamics" in refusal(path)
    torch.save([1, 2], path)
    assert "something else" in refusal(path)
    torch.save({"kind": "encoder", "schema_version": 99}, path)
    assert "99" in refusal(path)


@pytest.mark.parametrize("error", [PermissionError(13, "denied"), OSError(5, "I/O"), MemoryError()])
def test_what_cannot_be_read_now_is_not_called_damaged(error, tmp_path, monkeypatch):
    """Or its owner would throw a training away because a disk was gone for a moment."""
    path = tmp_path / "encoder.pkl"
    save_checkpoint(path, "encoder", Config(), Model(Config()).state_dict())

    def load(*_, **__):
        raise error

    monkeypatch.setattr(torch, "load", load)
    for read in (lambda: load_checkpoint(path, "encoder"), lambda: refuse_to_replace([path])):
        with pytest.raises(type(error)) as caught:
            read()
        assert caught.value is error


def test_a_full_GPU_does_not_make_weights_unfit(tmp_path):
    with pytest.raises(torch.OutOfMemoryError), fitting(tmp_path / "x.pkl", "ppo_state"):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_the_same_content_gives_the_same_bytes(tmp_path):
    """Whatever the file is called, and whichever process writes it: files are told by sha256."""
    for name in ("one.pkl", "another.pkl"):
        save_checkpoint(tmp_path / name, "tokenizer", Config(), {"w": torch.ones(3)})
    assert (tmp_path / "one.pkl").read_bytes() == (tmp_path / "another.pkl").read_bytes()


def test_what_somebody_else_made_is_not_replaced(tmp_path):
    """A user's own reward_resnet34.pkl may lie where ours would go."""
    ours, theirs = tmp_path / "ours.pkl", tmp_path / "theirs.pkl"
    save_checkpoint(ours, "tokenizer", Config(), {})
    torch.save(Model(Config()).state_dict(), theirs)
    refuse_to_replace([ours, tmp_path / "none.pkl"])
    with pytest.raises(ArtefactError, match=r"theirs.pkl .* move it away, or pass another --out"):
        refuse_to_replace([ours, theirs])


@pytest.mark.parametrize("config", [{"size": 4}, {"unknown": 1}, {"size": -1}])
def test_weights_that_do_not_fit_their_config_are_refused(tmp_path, config):
    path = tmp_path / "encoder.pkl"
    save_checkpoint(path, "encoder", config, Model(Config()).state_dict())
    with pytest.raises(ArtefactError, match=r"does not fit \(.+\): make it with") as caught:
        load_model(path, "encoder", Model, Config)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("config", [{"unknown": 1}, {}])
def test_a_path_that_does_not_fit_is_refused(tmp_path, config):
    path = tmp_path / "path.pkl"
    save_checkpoint(path, "reward_path", config, {"bins": torch.zeros(1, dtype=torch.long)})
    with pytest.raises(ArtefactError, match=r"does not fit \(.+\): make it with"):
        load_path(path)


def test_a_policy_that_does_not_fit_is_refused(tmp_path):
    path, encoder = tmp_path / "policy.pkl", Encoder(TokenizerConfig(width=8, depth=1))
    policy = ActorCritic(ActorCriticConfig(hidden=8), encoder)
    encoder_config, weights = asdict(encoder.config), policy.state_dict()
    for config, extras, reason in (
        ({"hidden": 9}, {"encoder_config": encoder_config}, "state_dict"),
        ({"unknown": 1}, {"encoder_config": encoder_config}, "unknown"),
        ({"hidden": 8}, {"encoder_config": encoder_config | {"grey": True}}, "state_dict"),
        ({"hidden": 8}, {}, "no 'encoder_config'"),
    ):
        save_checkpoint(path, "policy", config, weights, **extras)
        with pytest.raises(ArtefactError, match=f"does not fit .*{reason}") as caught:
            load_policy(path)
        assert "\n" not in str(caught.value)
